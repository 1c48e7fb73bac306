"""Settings: everything that holdfast.yaml says, and the rules that other parts of the program take from it."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from controller.core.catalog.types import CatalogRules
from controller.core.model.decision import Rules
from controller.core.model.policy import PolicyRules
from controller.settings import values
from controller.settings.base import Block
from controller.settings.blocks import Api, Docker, Hostnames, Limits, Notification, Policy, Source, State
from controller.settings.proxy import Proxy
from controller.settings.values import InvalidValue


class Settings(Block):
    """Everything that holdfast.yaml says."""

    id: values.Identifier
    """Ownership mark of this controller on its Engine; never change it while something runs."""
    domain: values.Domain
    """Domain that hostnames are made below, such as example.com, or localhost to try things out."""
    hostnames: Hostnames = Field(default_factory=Hostnames)
    """How hostnames are made."""
    state: State = Field(default_factory=State)
    """The state folder."""
    docker: Docker = Field(default_factory=Docker)
    """The Docker Engine."""
    proxy: Proxy = Field(default_factory=Proxy)
    """The reverse proxy."""
    sources: Annotated[list[Source], Field(min_length=1, max_length=64)] = Field(
        default=[], json_schema_extra={"default": [{"files": {"path": "./desired"}}]}
    )
    """Where documents come from, merged in this order."""
    notifications: Annotated[list[Notification], Field(max_length=32)] = []
    """Who is told when a rollout ends."""
    policy: Policy = Field(default_factory=Policy)
    """What documents may ask for."""
    limits: Limits = Field(default_factory=Limits)
    """How much happens at a time."""
    api: Api | None = Field(default_factory=Api)
    """The HTTP API that only reads; null: off."""

    _file: Path = PrivateAttr(default=Path("holdfast.yaml"))

    @model_validator(mode="before")
    @classmethod
    def _default_source(cls, data: Any) -> Any:
        return {"sources": [{"files": {"path": "./desired"}}], **data} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _distinct_sources(self) -> Self:
        if len({source.files.path for source in self.sources}) < len(self.sources):
            raise InvalidValue("two sources have the same path", "name each path once", at="sources")
        return self

    def rules(self) -> Rules:
        """What plans depend on."""
        proxy = self.proxy
        secure = proxy.certificate is not None if proxy.kind == "npm" else proxy.tls.mode != "off"
        front = proxy.listen if proxy.kind == "caddy" else proxy.tls_address if secure else proxy.address
        scheme, usual = ("https", 443) if secure else ("http", 80)
        port = values.split_address(front)[1]
        url = f"{scheme}://{{hostname}}" + ("" if port == usual else f":{port}")
        return Rules(
            reach=proxy.reach,
            surge=self.limits.surge,
            digest_interval=self.limits.digest_interval,
            track_interval=self.limits.track_interval,
            url=url,
            policy=self.policy_rules(),
        )

    def catalog_rules(self) -> CatalogRules:
        """What the catalog depends on."""
        return CatalogRules(
            controller_id=self.id,
            domain=self.domain,
            default_pattern=self.hostnames.default,
            instance_pattern=self.hostnames.instance,
            sources=tuple(source.name for source in self.sources),
            proxy=self.proxy.kind,
            tls=self.proxy.tls.mode != "off",
        )

    def policy_rules(self) -> PolicyRules:
        """What a container may have. What belongs to the controller itself is never bound into one."""
        sockets = (self.docker.host or "", self.proxy.admin)
        protected = [
            self._file,
            self.state.path,
            *self.policy.secret_roots,
            *([self.docker.config] if self.docker.config is not None else []),
            *(Path(url.removeprefix("unix://")) for url in sockets if url.startswith("unix://")),
        ]
        return PolicyRules(
            registries=tuple(self.policy.registries),
            bind_roots=tuple(str(root) for root in self.policy.bind_roots),
            capabilities=tuple(self.policy.capabilities),
            protected=tuple(str(path) for path in protected),
        )
