"""Which options of a route a proxy can carry out. What it cannot is refused before anything is begun for it."""

from dataclasses import replace
from typing import Literal

from controller.core.desired import DesiredStage, Notice, Options

ProxyKind = Literal["caddy", "npm"]


def refusal(options: Options, kind: ProxyKind, tls: bool) -> str:
    """Words that say which option is refused and what to do; empty when all can be had. `tls`: the proxy serves TLS."""
    if kind == "npm":
        return ""
    for name, asked in (("certificate", options.certificate), ("accessList", options.access_list)):
        if asked is not None:
            return f"route.{name} works with Nginx Proxy Manager only; leave it out with proxy.kind caddy"
    if options.force_tls and not tls:
        return "route.forceTLS needs proxy.tls.mode internal or acme in the settings"
    if options.force_tls is False and tls:
        return "route.forceTLS: with TLS Caddy redirects plain HTTP of every hostname; leave out forceTLS: false"
    return ""


def with_possible_options(stage: DesiredStage, kind: ProxyKind, tls: bool) -> DesiredStage:
    """The stage, or the stage left alone, with a notice: no route is made without the protection that it asks for."""
    words = refusal(stage.options, kind, tls) if stage.port is not None else ""
    if not words:
        return stage
    return replace(stage, suspend=True, notices=(*stage.notices, Notice("UnsupportedOption", words)))
