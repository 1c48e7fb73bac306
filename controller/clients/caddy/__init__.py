"""The proxy `caddy`: our routes in a running Caddy, written through its admin API.

`proxy` is the client of the interface, `admin` speaks HTTP, and the rest is pure: `config` decides what a change makes
of Caddy's configuration, `servers` reads it, `routes` and `listen` know one route and one listen address. It imports
the core, the interfaces, `route_mark` and `proxy_question`, and is the only home of h11.
"""
