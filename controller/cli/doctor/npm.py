"""Checks of `doctor` on Nginx Proxy Manager: what its user may do, and whether it reaches the containers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from controller.cli.doctor import machine
from controller.cli.doctor.machine import Finding
from controller.clients.npm.rows import LETSENCRYPT
from controller.clients.npm.session import Refused, missing_permission
from controller.core.model.errors import HoldfastError

if TYPE_CHECKING:
    from controller.clients.npm.proxy import NpmProxy
    from controller.core.model.observed import Route
    from controller.settings import Settings

TRIED_ROUTES = 3
"""Routes of ours that are tried."""
LEVELS = ("hidden", "view", "manage")
REMEDIES = {
    "name": "put Nginx Proxy Manager into docker.network, or set proxy.reach",
    "ip": "put Nginx Proxy Manager on this machine's network or into docker.network, or set proxy.reach",
    "published": "run Nginx Proxy Manager on this machine's own network, or set proxy.reach",
}


async def npm(settings: "Settings", client: "NpmProxy") -> AsyncIterator[Finding]:
    """What only NPM has; nothing when the login fails, which the check of the proxy reported."""
    try:
        me = await client.session.me()
        table = await client.read()
    except (HoldfastError, Refused):
        return
    yield permissions(settings, me)
    tls = settings.proxy.tls_address
    why = await asyncio.to_thread(machine.listens, tls)
    remedy = "set proxy.tlsAddress to where routes with a certificate are served"
    yield Finding("proxy TLS address", not why, f"{tls}: {why}" if why else f"{tls} answers", remedy if why else "")
    intact = [route for _, route in sorted(table.routes.items()) if route.marker][:TRIED_ROUTES]
    if not intact:
        text = f"by {settings.proxy.reach}: not tried yet, there is no route of ours"
        yield Finding("proxy reach", True, text, "ask again after the first rollout")
    for route in intact:
        yield await reach(settings, client, route)


def permissions(settings: "Settings", me: Mapping[str, Any]) -> Finding:
    """The user has the permissions that are needed, and not many more."""
    identity = settings.proxy.identity
    if "admin" in (me.get("roles") or ()):
        remedy = "make a user without that role, with proxy hosts: manage and all else hidden"
        return Finding("proxy user", True, f"{identity} is an administrator, which is more than needed", remedy)
    missing = missing_permission(me)
    if missing:
        return Finding("proxy user", False, f"{identity}: {missing}", "an administrator sets it on NPM's page Users")
    granted: Mapping[str, str] = me.get("permissions") or {}
    needed = {"proxy_hosts": "manage", "certificates": "hidden", "access_lists": "hidden"}
    certificate, access = settings.proxy.certificate, settings.proxy.access_list
    if certificate == LETSENCRYPT:
        needed["certificates"] = "manage"
    elif certificate is not None and not certificate.isdecimal():
        needed["certificates"] = "view"
    if access is not None and not access.isdecimal():
        needed["access_lists"] = "view"
    lacks = [f"{name} to {level}" for name, level in needed.items() if _level(granted, name) < LEVELS.index(level)]
    if lacks:
        text = f"{identity} cannot do what the settings ask for"
        return Finding("proxy user", False, text, f"set its permission for {' and '.join(lacks)}, or write ids")
    most = {**dict.fromkeys(("redirection_hosts", "dead_hosts", "streams"), "view"), **needed}
    most["certificates"] = "manage" if needed["certificates"] == "manage" else "view"
    most["access_lists"] = "view"
    more = [name for name, level in most.items() if _level(granted, name) > LEVELS.index(level)]
    sees = "every host" if granted.get("visibility") == "all" else "its own hosts only"
    text = f"{identity} may manage proxy hosts and sees {sees}"
    if more:
        return Finding("proxy user", True, text, f"it needs less: set {', '.join(more)} to view or hidden")
    return Finding("proxy user", True, text)


async def reach(settings: "Settings", client: "NpmProxy", route: "Route") -> Finding:
    """A route of ours answers with its proof, and NPM got an answer from its container."""
    target = f"{route.host}:{route.port}"
    try:
        answer = await client.ask_only(route)
    except HoldfastError as error:
        return Finding("proxy reach", False, error.message, "set proxy.address to where NPM serves", True)
    if answer.marker != route.marker:
        text = f"{route.hostname}: {answer.detail}, and not from its route"
        return Finding("proxy reach", False, text, "set proxy.address and proxy.tlsAddress to where NPM serves")
    if answer.status in range(502, 505):
        text = f"{route.hostname}: Nginx Proxy Manager cannot reach {target} ({answer.detail})"
        return Finding("proxy reach", False, text, REMEDIES[settings.proxy.reach])
    return Finding("proxy reach", True, f"{route.hostname} answers through Nginx Proxy Manager, from {target}")


def _level(granted: Mapping[str, str], name: str) -> int:
    level = granted.get(name, "hidden")
    return LEVELS.index(level) if level in LEVELS else 0
