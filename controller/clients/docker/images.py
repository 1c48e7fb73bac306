"""The images that are here, for the clean-up of old ones."""

import json
from dataclasses import dataclass

from controller.clients.docker import errors
from controller.clients.docker.engine import WRITE_TIMEOUT_S, Engine, image_path
from controller.clients.docker.errors import EngineError
from controller.clients.docker.transport import ReplyLost
from controller.core.model.errors import OutcomeUnknown


@dataclass(frozen=True)
class Image:
    """One image of a repository, by digest."""

    digest: str
    """sha256:…, as in repository@digest."""
    id: str
    created: float
    """Unix seconds of its build."""


def list_images(engine: Engine, repository: str) -> tuple[Image, ...]:
    """Images that have a digest of this repository, newest first. Raises `Unreachable`."""
    params = {"filters": json.dumps({"reference": [repository]})}
    images = []
    for row in engine.read("/images/json", "list images", params) or ():
        for reference in row.get("RepoDigests") or ():
            name, _, digest = reference.partition("@")
            if name == repository:
                images.append(Image(digest, str(row["Id"]), float(row.get("Created") or 0)))
    return tuple(sorted(images, key=lambda image: (-image.created, image.digest)))


def remove_image(engine: Engine, repo_digest: str) -> bool:
    """Remove an image of a repository unless a container, stopped ones too, uses it; gone is success."""
    repository = repo_digest.partition("@")[0]
    image = engine.find(f"/images/{image_path(repo_digest)}/json", f"look for {repo_digest}")
    if image is None:
        return True
    if _is_used(engine, str(image["Id"])):
        return False
    tags = [tag for tag in image.get("RepoTags") or () if tag.rpartition(":")[0] == repository]
    try:
        for reference in (*tags, repo_digest):
            _delete(engine, reference)
    except EngineError as error:
        if error.status == 409:
            return False
        row = errors.outcome(errors.REMOVE_IMAGE, error, image=repo_digest)
        raise row.failure(error, f"remove {repo_digest}") from error
    except ReplyLost as error:
        raise OutcomeUnknown(f"removing {repo_digest}: {error}") from error
    return True


def _delete(engine: Engine, reference: str) -> None:
    try:
        engine.request("DELETE", f"/images/{image_path(reference)}", timeout=WRITE_TIMEOUT_S)
    except EngineError as error:
        if error.status != 404:
            raise


def _is_used(engine: Engine, image_id: str) -> bool:
    params = {"all": "1", "filters": json.dumps({"ancestor": [image_id]})}
    return bool(engine.read("/containers/json", "list containers", params))
