"""The state folder: memory, statuses, history, log lines and notifications to send in SQLite; small notes; the lock.

The only home of sqlite3 and filelock. May import `interfaces`, `core` and `telemetry`.
"""
