"""What one proxy host says, as NPM gives it: pure readings, whichever way this version of NPM writes them."""

import json
import re
from collections.abc import Iterable
from typing import Any, Literal

Row = dict[str, Any]
"""A proxy host as NPM gives it, with `certificate` and `access_list` expanded."""

KEY = "holdfast"
"""Our key in `meta`: of lower-case letters only, because NPM's interface renames others."""
LETSENCRYPT = "letsencrypt"
"""The word for a certificate that NPM is to request for this very hostname."""
FLAGS = ("ssl_forced", "http2_support", "hsts_enabled", "hsts_subdomains")
"""What NPM silently switches off without a certificate."""

_NGINX_OWN = ("nginx_online", "nginx_err")


def mark(row: Row) -> Row:
    """What we wrote into the host about it; empty where it is not ours or cannot be read."""
    written = meta(row).get(KEY)
    try:
        told = json.loads(written) if isinstance(written, str) else None
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def set_before(found: Row, name: Literal["certificate", "accesslist"]) -> tuple[str, int] | None:
    """What we had put there at our last write: the words and the id."""
    told = mark(found).get(name)
    if not isinstance(told, list) or len(told) != 2 or not isinstance(told[0], str) or not isinstance(told[1], int):
        return None
    return told[0], told[1]


def domain_names(row: Row) -> list[str]:
    """Hostnames of a host, lower case, sorted as NPM sorts them."""
    names = row.get("domain_names")
    return sorted(str(name).lower() for name in names) if isinstance(names, list) else []


def holder(row: Row) -> str:
    """Words that name a host that is not ours."""
    other = mark(row).get("controller")
    words = f"proxy host {row.get('id')} of Nginx Proxy Manager"
    return f"{words}, which is controller {other}'s" if other else words


def text(row: Row) -> str:
    """The host's advanced configuration."""
    return str(row.get("advanced_config") or "")


def meta(row: Row) -> Row:
    """The host's `meta` without what NPM itself puts there."""
    found = row.get("meta")
    return {key: value for key, value in found.items() if key not in _NGINX_OWN} if isinstance(found, dict) else {}


def plain(name: str, row: Row) -> Any:
    """A field in one form, whichever way this version of NPM writes it."""
    value = row.get(name)
    if name == "domain_names":
        return domain_names(row)
    if name == "meta":
        return meta(row)
    if name in ("enabled", "allow_websocket_upgrade", *FLAGS):
        return bool(value)
    if name in ("certificate_id", "access_list_id", "forward_port"):
        return int(value or 0)
    return value if value is not None else ""


def certificate(row: Row) -> Row | None:
    """The host's certificate; None without one, and where the one it names is gone."""
    here = row.get("certificate")
    return here if isinstance(here, dict) and row.get("certificate_id") else None


def issued(row: Row) -> bool:
    """True when the host has a certificate of Let's Encrypt."""
    here = certificate(row)
    return here is not None and here.get("provider") == LETSENCRYPT


def failure(row: Row) -> str:
    """Why nginx refused the host at its last write; empty when it did not."""
    found = row.get("meta")
    if not isinstance(found, dict) or found.get("nginx_online") is not False:
        return ""
    return " ".join(str(found.get("nginx_err") or "nginx refused its configuration").split())


def others_fault(row: Row) -> bool:
    """True when nginx refused because of another host's file: two changes met each other in NPM."""
    files = re.findall(r"/(?:proxy|redirection|dead)_host/(\d+)\.conf", failure(row))
    return bool(files) and str(row.get("id")) not in files


def lost(row: Row) -> str:
    """What the host names although NPM has it no more, of what we had put there; empty when nothing.

    Without its certificate the host has no TLS, without its access list it is open to everybody.
    """
    words = {"certificate": "certificate", "access_list": "access list"}
    gone = [word for name, word in words.items() if row.get(f"{name}_id") and name in row and not row[name]]
    ours = [word for word in gone if set_before(row, "certificate" if word == "certificate" else "accesslist")]
    return " and ".join(f"its {word} does not exist any more" for word in ours)


def former(row: Row, fields: Iterable[str]) -> Row:
    """What to send to put these fields back as the row has them."""
    return {name: meta(row) if name == "meta" else plain(name, row) for name in fields}


def same(row: Row) -> Row:
    """What to send to have NPM write the host's configuration anew without a change."""
    return former(row, ("forward_scheme", "forward_host", "forward_port"))
