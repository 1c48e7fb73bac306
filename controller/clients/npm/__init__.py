"""The proxy `npm`: our proxy hosts in a running Nginx Proxy Manager, written through its API.

`proxy` is the client of the interface. `session` and `api` make calls, `writer` makes one change and settles it,
`issuer` requests certificates, `front` asks the public side; `hosts`, `rows` and `block` are pure: one proxy host as a
route, as NPM gives it, and our lines in its configuration. It imports the core, the interfaces, `telemetry`,
`route_mark` and `proxy_question`.
"""
