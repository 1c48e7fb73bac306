"""Which options of a route a proxy can carry out; a stage that asks for another one is suspended with a notice."""

import re
from typing import Literal

from controller.core.model.desired import Check, DesiredStage, Notice, Options

ProxyKind = Literal["caddy", "npm"]
VERIFY_GRAMMAR = re.compile(r"/[A-Za-z0-9._~/?&=+%,:-]{0,1023}\Z")
"""Paths that are plain text in the configuration of each proxy: no placeholder, no variable, no end of a directive."""


def verify_path(check: Check, port: int | None) -> str:
    """The path of the proof through the proxy: the one that the health check asks on the same port, else `/`.

    An application may well answer 503 on `/` by itself; on the path of its health check that means that it is ill.
    """
    same = check.type == "http" and check.port == port
    return check.path if same and VERIFY_GRAMMAR.match(check.path) else "/"


def refusal(options: Options, kind: ProxyKind, tls: bool) -> str:
    """Words that say which option is refused and what to do; empty when all can be had. `tls`: the proxy serves TLS."""
    if kind == "npm":
        return ""
    for name, value in (("certificate", options.certificate), ("accessList", options.access_list)):
        if value is not None:
            return f"route.{name} works with Nginx Proxy Manager only; leave it out with proxy.kind caddy"
    if options.force_tls and not tls:
        return "route.forceTLS needs proxy.tls.mode internal or acme in the settings"
    if options.force_tls is False and tls:
        return "route.forceTLS: with TLS Caddy redirects plain HTTP of every hostname; leave out forceTLS: false"
    return ""


def with_possible_options(stage: DesiredStage, kind: ProxyKind, tls: bool) -> DesiredStage:
    """Suspend a stage whose options the proxy lacks: no route is made without the protection that it asks for."""
    message = refusal(stage.options, kind, tls) if stage.port is not None else ""
    if not message:
        return stage
    return stage.left_alone(Notice("UnsupportedOption", message, origin=stage.origin))
