"""`Source` of the simulated world, and the documents that its user writes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.core.catalog.types import Sourced
from controller.core.documents.spec import API_VERSION, DeployRequest, Document, Project
from controller.core.model.errors import Diagnostic
from controller.interfaces import Delivery, Source
from tests.sim.call_border import Border, Life

IMAGE = "registry.test/shop"


@dataclass
class Folder:
    """A folder of documents, one per file."""

    name: str = "files:./desired"
    files: dict[str, Document | None] = field(default_factory=dict)
    """None: a file that cannot be read as a document."""
    reachable: bool = True
    watchers: "list[asyncio.Event]" = field(default_factory=list)

    def put(self, path: str, document: Document | None) -> None:
        """Write a file."""
        self.files[path] = document

    def touched(self) -> None:
        """Tell whoever watches."""
        for watcher in self.watchers:
            watcher.set()

    @property
    def documents(self) -> tuple[Document, ...]:
        """What can be read."""
        return tuple(document for document in self.files.values() if document is not None)


class SimSource(Source):
    """One look at the folder; dead with its life."""

    def __init__(self, border: Border, life: Life, folder: Folder) -> None:
        self.name = folder.name
        self._border = border
        self._life = life
        self._folder = folder

    async def load(self) -> Delivery:
        """Read everything now."""
        return await self._border.look(self._life, "source.load", self.name, self._load, 0.005)

    async def changes(self) -> AsyncIterator[None]:
        """Yields when a file was written."""
        changed = asyncio.Event()
        self._folder.watchers.append(changed)
        try:
            while True:
                await changed.wait()
                changed.clear()
                yield
        finally:
            self._folder.watchers.remove(changed)

    def _load(self) -> Delivery:
        folder = self._folder
        if not folder.reachable:
            return Delivery(folder.name, (), complete=False, detail="the folder is not there")
        read = {path: document for path, document in folder.files.items() if document is not None}
        good = tuple(Sourced.of_file(document, folder.name, path, 1) for path, document in read.items())
        unread = tuple(path for path, document in folder.files.items() if document is None)
        diagnostics = tuple(Diagnostic("E0001", "not YAML", path, 1, 1) for path in unread)
        return Delivery(folder.name, good, diagnostics, unread=unread)


def project(name: str = "shop", *tags: str | Mapping[str, Any], stage: str = "dev", **spec: Any) -> Project:
    """A project with one stage and short times. `stage_fields` go to the stage, other fields to the project.

    `stages` replaces the one stage: a mapping of stage name to the stage's fields, `tags` among them.
    """
    stages = spec.pop("stages", None) or {stage: {"tags": tags, **spec.pop("stage_fields", {})}}
    base = {
        "image": IMAGE,
        "port": 8080,
        "healthCheck": {"path": "/healthz", "retries": 3, "interval": "1s", "timeout": "3s"},
        "drain": "5s",
        "progressDeadline": "2m",
    }
    written = {
        "apiVersion": API_VERSION,
        "kind": "Project",
        "metadata": {"name": name},
        "spec": {**base, "stages": [_stage(key, dict(fields)) for key, fields in stages.items()], **spec},
    }
    return Project.model_validate(written)


def request(name: str, tag: str, project: str = "shop", stage: str = "dev", ttl: str | None = None) -> DeployRequest:
    """A DeployRequest."""
    spec = {"project": project, "stage": stage, "tag": tag} | ({"ttl": ttl} if ttl else {})
    return DeployRequest.model_validate(
        {"apiVersion": API_VERSION, "kind": "DeployRequest", "metadata": {"name": name}, "spec": spec}
    )


def _stage(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    tags = fields.pop("tags", ())
    instances = [{"tag": item} if isinstance(item, str) else dict(item) for item in tags]
    return {"name": name, "instances": instances, **fields}
