"""The outside world, one folder or module per part: the only importers of third-party clients.

`docker`, `npm`, `caddy` and `state` are folders; `probe` asks containers, `secrets` resolves references with the
`digest_key`, `notify` delivers notifications, `clock` is the machine's time; `route_mark` and `proxy_question` are
shared by both proxies. They import `core`, `interfaces` and `telemetry`, and are imported by `wiring`.
"""
