"""The tables of the state file by schema version. A new version is a new entry; an old entry is never edited."""

VERSIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE memory (stage TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE status (stage TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE good (source TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE history (
            number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, stage TEXT NOT NULL, tag TEXT NOT NULL,
            kind TEXT NOT NULL, revision TEXT NOT NULL, status TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL,
            reason TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT ''
        )""",
        "CREATE INDEX history_stage ON history (stage)",
        """CREATE TABLE line (
            id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, level TEXT NOT NULL, stage TEXT NOT NULL,
            tag TEXT NOT NULL, rollout TEXT NOT NULL, step TEXT NOT NULL, message TEXT NOT NULL, data TEXT NOT NULL
        )""",
        "CREATE INDEX line_stage ON line (stage, id)",
        "CREATE INDEX line_rollout ON line (rollout, id)",
        """CREATE TABLE outbox (
            number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL, time REAL NOT NULL,
            body TEXT NOT NULL
        )""",
        "CREATE TABLE target (key TEXT PRIMARY KEY, since REAL NOT NULL, events TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE delivery (
            item TEXT NOT NULL, target TEXT NOT NULL, failures INTEGER NOT NULL DEFAULT 0,
            next_at REAL NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (item, target)
        ) WITHOUT ROWID""",
    ),
)
"""memory, status: one JSON per stage. good: documents last accepted per source. history: one row per rollout.
line: its log. outbox: notifications to send. target: where to, since when and which events. delivery: how far each is.
"""

TABLES = frozenset({"memory", "status", "good", "history", "line", "outbox", "target", "delivery"})
