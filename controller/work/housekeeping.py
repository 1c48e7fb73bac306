"""The clean-up of images: removes those that nothing needs any more, that this controller pulled, never the newest few.

The loop runs it beside everything else once a container was removed. Nothing depends on it.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from controller.core.model.errors import HoldfastError
from controller.core.model.observed import Container
from controller.telemetry import log

CLEANINGS = 2
"""How often a repository is cleaned after a removal: the first time the stage may still remember what has left."""


class ImageHere(Protocol):
    """An image of a repository, by digest."""

    @property
    def digest(self) -> str:
        """sha256:…"""


class Images(Protocol):
    """The part of the Engine's client for images."""

    async def images(self, repository: str) -> Sequence[ImageHere]:
        """Images of this repository that are here with a digest."""

    async def remove_image(self, repo_digest: str) -> bool:
        """Remove `repository@sha256:…` unless a container uses it; False while one does."""


class Pulled(Protocol):
    """Remembers what this controller pulled. When it is lost those images stay."""

    def load(self) -> Mapping[str, Sequence[str]]:
        """Digests by repository, oldest pull first."""

    def save(self, pulled: Mapping[str, Sequence[str]]) -> None:
        """Remember exactly this. Raises `WorldBad`."""


class Housekeeper:
    """Keeps the `keep` newest unused images of each repository that this controller pulled from."""

    def __init__(self, images: Images, record: Pulled, keep: int) -> None:
        self._images = images
        self._record = record
        self._keep = keep
        self._pulled: dict[str, list[str]] = {name: list(digests) for name, digests in record.load().items()}
        self._due: dict[str, int] = dict.fromkeys(self._pulled, 1)
        """How often a repository is still to be cleaned; after a start all are due once."""
        self._cleaning = asyncio.Lock()

    @property
    def is_due(self) -> bool:
        """True when there may be images that nothing needs any more."""
        return bool(self._due)

    def note_pull(self, repository: str, digest: str) -> None:
        """A pull succeeded: from now on the image is ours to remove."""
        before = self._pulled.setdefault(repository, [])
        if before[-1:] != [digest]:
            self._pulled[repository] = [other for other in before if other != digest] + [digest]
            self._save()

    def note_removal(self, container: Container) -> None:
        """A container was removed: its image may be needed no longer."""
        repositories = [container.image] if container.image else [*self._pulled]
        self._due.update(dict.fromkeys(repositories, CLEANINGS))

    async def clean(self, used: Collection[str]) -> None:
        """Remove what is beyond the limit in the repositories that are due. `used`: digests in use or pinned."""
        async with self._cleaning:
            due, self._due = self._due, {}
            for repository, times in sorted(due.items()):
                left = times
                try:
                    if repository in self._pulled:
                        await self._clean(repository, used)
                    left -= 1
                except HoldfastError as error:
                    log.warning("images not cleaned", repository=repository, error=error.message)
                if left > 0:
                    self._due.setdefault(repository, left)

    async def _clean(self, repository: str, used: Collection[str]) -> None:
        here = {image.digest for image in await self._images.images(repository)}
        gone = {digest for digest in self._pulled[repository] if digest not in here}
        for digest in beyond(self._pulled[repository], here, used, self._keep):
            if await self._images.remove_image(f"{repository}@{digest}"):
                log.info("image removed", image=f"{repository}@{digest}")
                gone.add(digest)
        if gone:
            self._pulled[repository] = [digest for digest in self._pulled[repository] if digest not in gone]
            self._save()

    def _save(self) -> None:
        try:
            self._record.save(self._pulled)
        except HoldfastError as error:
            log.warning("pulled images not stored", error=error.message)


def beyond(pulled: Iterable[str], here: Collection[str], used: Collection[str], keep: int) -> list[str]:
    """Digests to remove: pulled by us, here, unused, and not among the `keep` newest of those; oldest first."""
    unused = [digest for digest in pulled if digest in here and digest not in used]
    return unused[: max(0, len(unused) - keep)]
