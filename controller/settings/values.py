"""The kinds of value in the settings. Each check says what is wrong with a value and what to write instead."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticKnownError

from controller.core.documents import quantity
from controller.core.documents.diagnostics import INVISIBLE
from controller.core.documents.forms import (
    DURATION_PATTERN,
    HOSTNAME_PATTERN,
    NAME_PATTERN,
    SECRET_VARIABLE_PATTERN,
    correction,
    fits,
)
from controller.core.documents.yaml_tree import Implicit
from controller.core.model.desired import SECRET_VARIABLE_PREFIX
from controller.core.model.policy import TAKEN_AWAY

DURATION_MAX_S = 3650 * 86_400.0
"""Ten years: no setting needs more."""

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)?:(?P<port>[0-9]{1,5})")
_IPV4 = re.compile(r"[0-9]+(\.[0-9]+)*")
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_REGISTRY = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


class InvalidValue(ValueError):
    """A value that cannot be used; `at` names the wrong key of a block, and is empty when the whole value is wrong."""

    def __init__(self, message: str, help: str = "", at: str = "") -> None:
        super().__init__(message)
        self.help = help
        self.at = at


def text(value: Any) -> str:
    """The value when it is text; anything else is a type error of the field."""
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if INVISIBLE.search(value):
        raise InvalidValue("the value holds an invisible character", "remove it")
    return value


def split_address(value: str) -> tuple[str, int]:
    """Host (empty: all addresses; without brackets) and port of `host:port`."""
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


def _identifier(value: Any) -> str:
    if not re.fullmatch(NAME_PATTERN, text(value)):
        raise InvalidValue(f"'{value}' is not a controller id", "use up to 40 of a-z, 0-9 and dashes, such as home-1")
    return str(value)


def _domain(value: Any) -> str:
    name = text(value)
    if re.fullmatch(HOSTNAME_PATTERN, name) and len(name) <= 253 and not _IPV4.fullmatch(name):
        return name
    if "://" in name:
        help = "leave out the scheme, such as example.com"
    elif _IPV4.fullmatch(name):
        help = "use a name that leads to this address, such as example.com; localhost is for trying things out"
    elif name.lower().strip(".") != name and re.fullmatch(HOSTNAME_PATTERN, name.lower().strip(".")):
        help = f"write {name.lower().strip('.')}"
    else:
        help = "use a name such as example.com"
    raise InvalidValue(f"'{name}' is not a domain", help)


def _pattern(needed: tuple[str, ...]) -> Any:
    shown = " and ".join(", ".join(f"{{{name}}}" for name in needed).rsplit(", ", 1))

    def check(value: Any) -> str:
        pattern = text(value)
        placeholders = _PLACEHOLDER.findall(pattern)
        for name in placeholders:
            if name not in needed:
                raise InvalidValue(f"unknown placeholder {{{name}}} in a hostname pattern", f"use {shown} here")
        rest = _PLACEHOLDER.sub("x", pattern)
        if "{" in rest or "}" in rest:
            raise InvalidValue("a brace in a hostname pattern does not belong to a placeholder", f"use {shown} here")
        for name in needed:
            if name not in placeholders:
                help = f"add {{{name}}}: without it two hostnames would be the same"
                raise InvalidValue(f"the hostname pattern lacks {{{name}}}", help)
        if not re.fullmatch(HOSTNAME_PATTERN, rest):
            raise InvalidValue(
                "the hostname pattern does not give a hostname", "use a-z, 0-9, dashes and dots around the placeholders"
            )
        return pattern

    return check


def _seconds(value: Any) -> float:
    number = value.text if isinstance(value, Implicit) and value.kind == "number" else value
    if number is not value or (isinstance(value, int) and not isinstance(value, bool)):
        raise InvalidValue("a duration needs a unit", f"write it as {number}s, or with ms, m, h or d")
    written = text(value)
    if len(written) > 32 or not fits(DURATION_PATTERN, written):
        help = correction(DURATION_PATTERN, written) if len(written) <= 32 else ""
        raise InvalidValue(
            f"'{written}' is not a duration", f"write {help or 'a number with s, m, h or d, such as 1h30m'}"
        )
    total = quantity.duration(written)
    if not 1.0 <= total <= DURATION_MAX_S:
        raise InvalidValue(f"the duration {written} is out of range", "write 1s to 3650d")
    return total


def _path(value: Any, info: ValidationInfo) -> Path:
    """Absolute: relative paths are below `base` of the validation's context, the folder of the settings file."""
    written = str(value) if isinstance(value, Path) else text(value)
    if not written:
        raise InvalidValue("the path is empty", "write a path, such as ./folder")
    if written.startswith("~"):
        raise InvalidValue("'~' is not expanded in settings", "write the whole path")
    base: Path = (info.context or {}).get("base", Path("/"))
    return Path(os.path.normpath(base / written))


def _admin(value: Any) -> str:
    url = text(value)
    help = "write http://HOST:PORT or unix:///PATH"
    if url.startswith("unix://"):
        if not url.startswith("unix:///") or len(url) == len("unix:///"):
            raise InvalidValue("the path of a unix socket is absolute", help)
        return url
    _http_url(url, ("http",), help)
    if urlsplit(url).path not in ("", "/") or urlsplit(url).query:
        raise InvalidValue("the admin address must not have a path", help)
    return url.rstrip("/")


def _base(value: Any) -> str:
    url = text(value)
    help = "write http://HOST:PORT, without the path of a page"
    _http_url(url, ("http", "https"), help)
    if urlsplit(url).query or urlsplit(url).fragment or urlsplit(url).path.rstrip("/").endswith(("/api", "/login")):
        raise InvalidValue("this URL has more than the address of the interface", help)
    return url.rstrip("/")


def _name_or_id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    if not text(value).strip() or len(value) > 255:
        raise InvalidValue("this is not a name", "write the name, or the number that is its id")
    return str(value)


def _http_url(url: str, schemes: tuple[str, ...], help: str) -> None:
    """Refuse what is not a plain URL. No message shows the value: it may hold a password or a token."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or " " in url:
        raise InvalidValue(f"this is not a URL with {' or '.join(schemes)}", help)
    if parts.username is not None or parts.password is not None:
        raise InvalidValue(
            "a URL here must not hold a password", f"put the whole URL into {{env: {SECRET_VARIABLE_PREFIX}…}}"
        )


def _webhook(value: Any) -> str:
    _http_url(text(value), ("http", "https"), f"write https://HOST/PATH, or {{env: {SECRET_VARIABLE_PREFIX}…}}")
    return str(value)


def _address(needs_host: bool) -> Any:
    help = "write HOST:PORT, such as 127.0.0.1:8080" + ("" if needs_host else ', or ":80" for all addresses')

    def check(value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            raise InvalidValue("a port alone is not an address", help)
        match = _ADDRESS.fullmatch(text(value))
        if match is None or (needs_host and not match["host"]):
            raise InvalidValue(f"'{value}' is not an address", help)
        if not 1 <= int(match["port"]) <= 65535:
            raise InvalidValue(f"there is no port {match['port']}", "write a port from 1 to 65535")
        return str(value)

    return check


def _engine(value: Any) -> str:
    url = text(value)
    if re.fullmatch(r"unix:///.+|tcp://[^/@\s]+:[0-9]{1,5}", url):
        return url
    raise InvalidValue(
        f"'{url}' is not an Engine's address", "write unix:///PATH or tcp://HOST:PORT, or null for DOCKER_HOST"
    )


def _network(value: Any) -> str:
    name = text(value)
    if name in ("host", "none", "bridge", "default"):
        raise InvalidValue(f"the network {name} is Docker's own", "name a network for Holdfast, such as holdfast")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        raise InvalidValue(f"'{name}' is not a network name", "use letters, digits, dots, dashes and underscores")
    return name


def _email(value: Any) -> str:
    if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+", text(value)):
        raise InvalidValue(f"'{value}' is not an e-mail address", "write one such as admin@example.com")
    return str(value)


def _registry(value: Any) -> str:
    name = text(value)
    if "://" in name:
        raise InvalidValue("a registry is named without a scheme", f"write {name.split('://', 1)[1] or 'ghcr.io'}")
    if not _REGISTRY.fullmatch(name):
        raise InvalidValue(
            f"'{name}' is not a registry", "write a host, or a host with a path, such as ghcr.io/example"
        )
    return name


def _capability(value: Any) -> str:
    name = text(value)
    if name.upper().removeprefix("CAP_") == "ALL":
        raise InvalidValue("all capabilities at once make a container privileged", "name those that are needed")
    if not re.fullmatch(r"[A-Z][A-Z_]*[A-Z]", name) or name.startswith("CAP_"):
        raise InvalidValue(
            f"'{name}' is not a capability", f"write {name.upper().removeprefix('CAP_') or TAKEN_AWAY[0]}"
        )
    return name


def _secret_file(value: Any) -> str:
    name = text(value)
    if not name or len(name) > 4096 or name.startswith("~") or ".." in name.split("/"):
        raise InvalidValue("this is not a file below policy.secretRoots", "write its name below one of these folders")
    return name


def _secret_variable(value: Any) -> str:
    if not fits(SECRET_VARIABLE_PATTERN, text(value)):
        raise InvalidValue(
            f"only variables that begin with {SECRET_VARIABLE_PREFIX} hold secrets", "rename the variable"
        )
    return str(value)


def _starts(value: Any) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1000:
        raise InvalidValue("this is neither auto nor a number from 1 to 1000", "write auto, or a number such as 4")
    return value


def _checked(check: Any, **schema: Any) -> tuple[BeforeValidator, WithJsonSchema]:
    return BeforeValidator(check), WithJsonSchema({"type": "string", **schema})


Identifier = Annotated[str, *_checked(_identifier, pattern=NAME_PATTERN)]
Domain = Annotated[str, *_checked(_domain, format="hostname")]
DefaultPattern = Annotated[str, *_checked(_pattern(("stage", "project")))]
InstancePattern = Annotated[str, *_checked(_pattern(("stage", "project", "tag")))]
Seconds = Annotated[float, *_checked(_seconds, format="duration")]
Location = Annotated[Path, *_checked(_path, format="path")]
Admin = Annotated[str, *_checked(_admin, format="uri")]
Base = Annotated[str, *_checked(_base, format="uri")]
Named = Annotated[str, *_checked(_name_or_id)]
Webhook = Annotated[str, *_checked(_webhook, format="uri")]
Listen = Annotated[str, *_checked(_address(needs_host=False), format="address")]
Address = Annotated[str, *_checked(_address(needs_host=True), format="address")]
Engine = Annotated[str, *_checked(_engine, format="uri")]
Network = Annotated[str, *_checked(_network)]
Email = Annotated[str, *_checked(_email, format="email")]
Registry = Annotated[str, *_checked(_registry)]
Capability = Annotated[str, *_checked(_capability)]
SecretFile = Annotated[str, *_checked(_secret_file, format="path")]
SecretVariable = Annotated[str, *_checked(_secret_variable)]
Starts = Annotated[
    int | Literal["auto"], PlainValidator(_starts), WithJsonSchema({"enum": ["auto"], "type": ["integer", "string"]})
]
