"""The images that are here, for the clean-up of old ones."""

import json
from dataclasses import dataclass
from typing import Any

from controller.clients.docker.engine import WRITE_TIMEOUT, Engine, image_path
from controller.clients.docker.errors import EngineError, ReplyLost, engine_failure
from controller.core.model.errors import OutcomeUnknown, Unreachable


@dataclass(frozen=True)
class Image:
    """One image of a repository, by digest."""

    digest: str
    """sha256:…, as in repository@digest."""
    id: str
    created: float
    """Unix seconds of its build."""


def list_images(engine: Engine, repository: str) -> tuple[Image, ...]:
    """Images that have a digest of this repository, newest first."""
    found = []
    for item in _images(engine, {"reference": [repository]}):
        for reference in item.get("RepoDigests") or ():
            name, _, digest = reference.partition("@")
            if name == repository:
                found.append(Image(digest, str(item["Id"]), float(item.get("Created") or 0)))
    return tuple(sorted(found, key=lambda image: (-image.created, image.digest)))


def remove_image(engine: Engine, repo_digest: str) -> bool:
    """Remove an image of a repository unless a container, stopped ones too, uses it; gone is success."""
    repository = repo_digest.partition("@")[0]
    try:
        image = engine.json("GET", f"/images/{image_path(repo_digest)}/json")
    except EngineError as error:
        if error.status == 404:
            return True
        raise engine_failure(error, f"cannot look for {repo_digest}") from error
    if _users(engine, str(image["Id"])):
        return False
    tags = [tag for tag in image.get("RepoTags") or () if tag.rpartition(":")[0] == repository]
    try:
        for reference in (*tags, repo_digest):
            _delete(engine, reference)
    except EngineError as error:
        if error.status == 409:
            return False
        raise engine_failure(error, f"cannot remove {repo_digest}") from error
    except ReplyLost as error:
        raise OutcomeUnknown(f"removing {repo_digest}: {error}") from error
    return True


def _delete(engine: Engine, reference: str) -> None:
    try:
        engine.request("DELETE", f"/images/{image_path(reference)}", timeout=WRITE_TIMEOUT)
    except EngineError as error:
        if error.status != 404:
            raise


def _users(engine: Engine, image_id: str) -> list[Any]:
    params = {"all": "1", "filters": json.dumps({"ancestor": [image_id]})}
    try:
        return list(engine.json("GET", "/containers/json", params=params) or ())
    except EngineError as error:
        if error.status == 404:
            return []
        raise Unreachable(f"cannot list containers: {error.message}") from error


def _images(engine: Engine, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
    try:
        return list(engine.json("GET", "/images/json", params={"filters": json.dumps(filters)}) or ())
    except EngineError as error:
        raise Unreachable(f"cannot list images: {error.message}") from error
