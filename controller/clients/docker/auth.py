"""Registry credentials as Docker has them, read anew for each call; never kept, logged or sent to another registry."""

import os
from binascii import Error as Base64Error

import docker.auth
import docker.errors

from controller.core.model.errors import WorldBad
from controller.core.model.policy import DEFAULT_REGISTRY, split_reference


def auth_header(image: str, config: str | None) -> dict[str, str]:
    """Headers with the credentials of the image's own registry; empty when there are none.

    `config`: a Docker configuration file or the folder that holds it; None: DOCKER_CONFIG, else ~/.docker.
    Raises `WorldBad` (CredentialsBroken) when the file or a credential helper is broken.
    """
    path = config
    if path is not None:
        path = os.path.join(path, "config.json") if os.path.isdir(path) else path
        if not os.path.isfile(path):
            raise WorldBad(
                f"cannot read Docker's credentials: docker.config names {path}, which does not exist",
                reason="CredentialsBroken",
            )
    registry, _ = split_reference(image)
    host = docker.auth.INDEX_NAME if registry == DEFAULT_REGISTRY else registry
    try:
        credentials = docker.auth.resolve_authconfig(docker.auth.load_config(path), host)
    except (docker.errors.DockerException, Base64Error, ValueError, OSError, KeyError, TypeError) as error:
        # The error's own text may hold parts of the file.
        message = f"cannot read Docker's credentials for {registry} ({type(error).__name__})"
        raise WorldBad(message, reason="CredentialsBroken") from None
    if not credentials:
        return {}
    return {"X-Registry-Auth": docker.auth.encode_header(credentials).decode("ascii")}
