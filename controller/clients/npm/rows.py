"""What one proxy host says, as NPM gives it: pure readings, whichever way this version of NPM writes them."""

import json
import re
from collections.abc import Iterable
from typing import Any, Literal

Row = dict[str, Any]
"""A proxy host as NPM gives it, with `certificate` and `access_list` expanded."""

META_KEY = "holdfast"
"""Our key in `meta`: of lower-case letters only, because NPM's interface renames others."""
LETSENCRYPT = "letsencrypt"
"""The word for a certificate that NPM is to request for this very hostname."""
TLS_FLAGS = ("ssl_forced", "http2_support", "hsts_enabled", "hsts_subdomains")
"""What NPM silently switches off without a certificate."""

_NGINX_STATE = ("nginx_online", "nginx_err")
"""Keys that NPM itself writes into `meta`."""


def mark(row: Row) -> Row:
    """What we wrote into the host about it; empty where it is not ours or cannot be read."""
    written = meta(row).get(META_KEY)
    try:
        fields = json.loads(written) if isinstance(written, str) else None
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def last_set(row: Row, name: Literal["certificate", "accesslist"]) -> tuple[str, int] | None:
    """The name that our last write was asked for, and the id that it put there."""
    pair = mark(row).get(name)
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], int):
        return None
    return pair[0], pair[1]


def domain_names(row: Row) -> list[str]:
    """Hostnames of a host, lower case, sorted as NPM sorts them."""
    names = row.get("domain_names")
    return sorted(str(name).lower() for name in names) if isinstance(names, list) else []


def holder(row: Row) -> str:
    """Words that name a host that is not ours."""
    controller = mark(row).get("controller")
    words = f"proxy host {row.get('id')} of Nginx Proxy Manager"
    return f"{words}, which is controller {controller}'s" if controller else words


def advanced_config(row: Row) -> str:
    """The host's advanced configuration."""
    return str(row.get("advanced_config") or "")


def meta(row: Row) -> Row:
    """The host's `meta` without what NPM itself puts there."""
    written = row.get("meta")
    fields = written if isinstance(written, dict) else {}
    return {key: value for key, value in fields.items() if key not in _NGINX_STATE}


def field(name: str, row: Row) -> Any:
    """A field in one form, whichever way this version of NPM writes it."""
    value = row.get(name)
    if name == "domain_names":
        return domain_names(row)
    if name == "meta":
        return meta(row)
    if name in ("enabled", "allow_websocket_upgrade", *TLS_FLAGS):
        return bool(value)
    if name in ("certificate_id", "access_list_id", "forward_port"):
        return int(value or 0)
    return value if value is not None else ""


def certificate(row: Row) -> Row | None:
    """The host's certificate; None without one, and where the one it names is gone."""
    expanded = row.get("certificate")
    return expanded if isinstance(expanded, dict) and row.get("certificate_id") else None


def has_letsencrypt(row: Row) -> bool:
    """True when the host has a certificate of Let's Encrypt."""
    here = certificate(row)
    return here is not None and here.get("provider") == LETSENCRYPT


def nginx_error(row: Row) -> str:
    """Why nginx refused the host at its last write; empty when it did not."""
    written = row.get("meta")
    if not isinstance(written, dict) or written.get("nginx_online") is not False:
        return ""
    return " ".join(str(written.get("nginx_err") or "nginx refused its configuration").split())


def is_anothers_fault(row: Row) -> bool:
    """True when nginx refused because of another host's file: two changes met each other in NPM."""
    numbers = re.findall(r"/(?:proxy|redirection|dead)_host/(\d+)\.conf", nginx_error(row))
    return bool(numbers) and str(row.get("id")) not in numbers


def missing(row: Row) -> str:
    """What we had put into the host and NPM has no more, in words; empty when nothing.

    Without its certificate the host has no TLS, without its access list it is open to everybody.
    """
    words = {"certificate": "certificate", "access_list": "access list"}
    gone = [word for name, word in words.items() if row.get(f"{name}_id") and name in row and not row[name]]
    ours = [word for word in gone if last_set(row, "certificate" if word == "certificate" else "accesslist")]
    return " and ".join(f"its {word} does not exist any more" for word in ours)


def restoring(row: Row, names: Iterable[str]) -> Row:
    """What to send to put these fields back as the row has them."""
    return {name: field(name, row) for name in names}


def rewriting(row: Row) -> Row:
    """What to send to have NPM write the host's configuration anew without a change."""
    return restoring(row, ("forward_scheme", "forward_host", "forward_port"))
