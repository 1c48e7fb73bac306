"""The block `proxy`: which proxy routes hostnames to containers, and the keys that each kind of it has."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from controller.settings import values
from controller.settings.base import Block, Reference
from controller.settings.values import InvalidValue


class Tls(Block):
    """Certificates of the hostnames."""

    mode: Literal["off", "internal", "acme"] = "off"
    """"off" (in quotes) serves http, internal certificates of Caddy's own authority, acme those of Let's Encrypt."""
    email: values.Email | None = None
    """Contact of the ACME account; needed for acme and only there."""

    @model_validator(mode="after")
    def _email_for_acme(self) -> Self:
        if self.mode == "acme" and self.email is None:
            raise InvalidValue("acme needs an e-mail address", "add email: admin@example.com", at="email")
        if self.mode != "acme" and self.email is not None:
            raise InvalidValue(
                f"email has no effect with mode: {self.mode}", "remove email, or use mode: acme", "email"
            )
        return self


_NPM_NEEDS = {
    "url": "write url: http://127.0.0.1:81",
    "identity": "write identity: holdfast@example.com, a user of Nginx Proxy Manager",
    "secret": "write secret: {file: npm-password}, a file below policy.secretRoots",
}


class Proxy(Block):
    """The reverse proxy that routes hostnames to containers. It is started by somebody else and outlives us."""

    kind: Literal["caddy", "npm"] = "caddy"
    """Which proxy it is: Caddy, or Nginx Proxy Manager."""
    admin: values.Admin = "http://127.0.0.1:2019"
    """Caddy's admin API, http://HOST:PORT or unix:///PATH."""
    listen: values.Listen = ":80"
    """Address on which Caddy serves our hostnames."""
    address: values.Address = "127.0.0.1:80"
    """Where a new route is asked for, to see that it answers."""
    tls_address: values.Address = "127.0.0.1:443"
    """With npm: where a new route is asked for that has a certificate."""
    reach: Literal["ip", "name", "published"] = "ip"
    """How the proxy reaches containers: by address, by name (it is in the same network; the default with npm), by a
    port on 127.0.0.1."""
    tls: Tls = Field(default_factory=Tls)
    """Certificates of Caddy's hostnames."""
    url: values.Base | None = None
    """With npm, needed: where its interface is, such as http://127.0.0.1:81."""
    identity: values.Email | None = None
    """With npm, needed: e-mail address of the user that Holdfast logs in as."""
    secret: Reference | None = None
    """With npm, needed: that user's password."""
    certificate: values.Named | None = None
    """With npm: name, hostname or id of the certificate that routes get, or letsencrypt. Default: none of ours."""
    force_tls: bool = Field(default=False, alias="forceTLS")
    """With npm: routes with a certificate redirect plain HTTP."""
    access_list: values.Named | None = None
    """With npm: name or id of the access list that routes get. Default: none of ours."""
    websockets: bool = True
    """With npm: false switches websockets off for all routes."""

    @model_validator(mode="before")
    @classmethod
    def _usual_reach(cls, data: Any) -> Any:
        return {"reach": "name", **data} if isinstance(data, dict) and data.get("kind") == "npm" else data

    @model_validator(mode="after")
    def _keys_of_kind(self) -> Self:
        caddy = {"admin", "listen", "tls"}
        npm = {"tls_address", "url", "identity", "secret", "certificate", "force_tls", "access_list", "websockets"}
        kind, others = ("npm", caddy) if self.kind == "npm" else ("caddy", npm)
        for name, info in type(self).model_fields.items():
            if name in others and getattr(self, name) != info.get_default(call_default_factory=True):
                key = info.alias or name
                raise InvalidValue(f"{key} has no effect with kind: {kind}", f"remove {key}, or change kind", at=key)
        for name in ("url", "identity", "secret") if self.kind == "npm" else ():
            if getattr(self, name) is None:
                key = type(self).model_fields[name].alias or name
                raise InvalidValue(f"kind npm needs {key}", _NPM_NEEDS[key], at=key)
        return self

    @model_validator(mode="after")
    def _tls_port(self) -> Self:
        if self.tls.mode != "off" and values.split_address(self.listen)[1] == 80:
            help = 'write listen: ":443" and address: 127.0.0.1:443, or mode: "off"'
            raise InvalidValue(f"port 80 cannot serve TLS, but tls.mode is {self.tls.mode}", help, at="listen")
        return self
