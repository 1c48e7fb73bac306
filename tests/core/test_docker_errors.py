"""What the Engine's refusals mean: every row of every table has a recorded answer, and no name is taken for a cause.

Recorded from Docker 20.10, or as 23 to 28 (classic image store) and 29 (containerd's) word them.
"""

import itertools

import pytest

from controller.clients.docker import errors
from controller.clients.docker.answer_text import without_names
from controller.clients.docker.errors import EngineError, Outcome
from controller.core.model.errors import RevisionBad, WorldBad

IMAGE = "registry.test/team/app:1.0"
NAME = "shop-dev-1-0-v1abcdef01-1"
ID = "c5ff221c66a54d3b428bd10226f1b0cbae127833ef49297454af66cf41b8eaee"
SHA = "sha256:" + "de6e081a" * 8
SHIM = "failed to create shim task: OCI runtime create failed: runc create failed: "
RUNC = f"failed to create task for container: {SHIM}"
OLD_RUNC = f"{SHIM}unable to start container process: "
ENDPOINT = f"driver failed programming external connectivity on endpoint {NAME} ({ID}): "
UNRESOLVED = f'failed to resolve reference "{IMAGE}": '
BLOB = f"failed to copy: httpReadSeeker: failed open: could not fetch content descriptor {SHA} "
HUB = "https://registry-1.docker.io/v2/team/app/manifests/"

MISSING = "RevisionBad ManifestMissing"
DENIED = "WorldBad RegistryDenied"
LIMITED = "WorldBad RateLimited"
BROKEN = "WorldBad RegistryError"

PULL = [
    # 20.10: the registry's own words, with its status only where a question was asked
    (500, "manifest unknown", MISSING),
    (404, "manifest unknown", MISSING),
    (500, "name unknown", MISSING),
    (500, 'error parsing HTTP 404 response body: unexpected end of JSON input: ""', MISSING),
    (500, "unauthorized", DENIED),
    (401, "unauthorized", DENIED),
    (500, "denied", DENIED),
    (403, "denied", DENIED),
    (500, 'error parsing HTTP 403 response body: unexpected end of JSON input: ""', DENIED),
    (500, "toomanyrequests: You have reached your pull rate limit.", LIMITED),
    (429, "toomanyrequests: You have reached your pull rate limit.", LIMITED),
    (500, 'error parsing HTTP 429 response body: unexpected end of JSON input: ""', LIMITED),
    (500, "received unexpected HTTP status: 500 Internal Server Error", BROKEN),
    (500, "received unexpected HTTP status: 503 Service Unavailable", BROKEN),
    (500, "received unexpected HTTP status: 504 Gateway Timeout", BROKEN),
    (0, "error pulling image configuration: download failed after attempts=1: unknown blob", BROKEN),
    (0, f"error pulling image configuration: image config verification failed for digest {SHA}", BROKEN),
    (500, 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', BROKEN),
    (500, 'Get "https://registry.test/v2/": dial tcp: lookup registry.test on 10.0.0.2:53: no such host', BROKEN),
    (500, 'Get "https://registry.test/v2/": x509: certificate signed by unknown authority', BROKEN),
    (0, "write /var/lib/docker/tmp/GetImageBlob411: no space left on device", "WorldBad DiskFull"),
    # 23 to 28
    (404, f"manifest for {IMAGE} not found: manifest unknown: manifest unknown", MISSING),
    (404, "repository registry.test/team/app not found: name unknown: repository name not known to registry", MISSING),
    (
        404,
        "pull access denied for team/app, repository does not exist or may require 'docker login': denied: requested "
        "access to the resource is denied",
        DENIED,
    ),
    (500, 'Head "https://registry.test/v2/team/app/manifests/1.0": no basic auth credentials', DENIED),
    (0, "failed to register layer: mkdir /var/lib/docker/overlay2/x: no space left on device", "WorldBad DiskFull"),
    # 29
    (404, f'failed to resolve reference "{IMAGE}": {IMAGE}: not found', MISSING),
    (0, f'failed to resolve reference "{IMAGE}": {IMAGE}: not found', MISSING),
    (
        404,
        f'failed to resolve reference "{IMAGE}": pull access denied, repository does not exist or may require '
        "authorization: server message: insufficient_scope: authorization failed",
        DENIED,
    ),
    (
        500,
        f"unknown: {UNRESOLVED}unexpected status from HEAD request to {HUB}1.0: 403 Forbidden",
        DENIED,
    ),
    (
        500,
        f'failed to resolve reference "{IMAGE}": pulling from host registry.test failed with status code [manifests '
        "1.0]: 401 Unauthorized",
        DENIED,
    ),
    (
        500,
        f"{UNRESOLVED}unexpected status from HEAD request to {HUB}1.0: 429 Too Many Requests",
        LIMITED,
    ),
    (
        0,
        f"failed to copy: httpReadSeeker: failed open: unexpected status code {HUB}{SHA}: 429 Too Many Requests - "
        "Server message: toomanyrequests: You have reached your pull rate limit.",
        LIMITED,
    ),
    (0, BLOB + "(application/vnd.oci.image.layer.v1.tar+gzip) from remote: not found", BROKEN),
    (404, BLOB + "(application/vnd.oci.image.config.v1+json) from remote: blob not found", BROKEN),
    (
        500,
        f'failed to resolve reference "{IMAGE}": failed to authorize: failed to fetch anonymous token: Get '
        '"https://auth.docker.io/token?scope=repository%3Ateam%2Fapp%3Apull&service=registry.docker.io": EOF',
        BROKEN,
    ),
    # nobody knows
    (400, "invalid reference format: repository name must be lowercase", ""),
    (500, "error unmarshalling content: invalid character 'g' looking for beginning of value", ""),
]

CREATE = [
    (404, f"No such image: {IMAGE}", "WorldBad ImageGone"),
    (404, "network hf-prod not found", "WorldBad NetworkMissing"),
    (
        400,
        'invalid mount config for type "bind": bind source path does not exist: /srv/data',
        "WorldBad MountMissing",
    ),
    (400, "Minimum memory limit allowed is 6MB", "RevisionBad InvalidConfig"),
    (500, "open /var/lib/docker/containers/x/.tmp-config.v2.json1: no space left on device", "WorldBad DiskFull"),
    (
        404,
        f"image with reference {IMAGE} was found but does not match the specified platform: wanted linux/s390x, "
        "actual: linux/amd64",
        "WorldBad CreateFailed",
    ),
]

START = [
    (404, "network hf-prod not found", "WorldBad StartFailed"),
    (404, f"failed to set up container networking: network {ID} not found", "WorldBad StartFailed"),
    (500, "could not find a network matching network mode hf: network hf not found", "WorldBad StartFailed"),
    (403, f"endpoint with name {NAME} already exists in network hf-prod", "WorldBad StartFailed"),
    (404, f"No such container: {ID}", "WorldBad ContainerGone"),
    (409, "container is marked for removal and cannot be started", "WorldBad ContainerGone"),
    (409, "cannot start a paused container, try unpause instead", "WorldBad Paused"),
    (
        500,
        RUNC + "unable to start container process: container init was OOM-killed (memory limit too low?): unknown",
        "RevisionBad StartFailed",
    ),
    (500, "unable to find user nobodyhere: no matching entries in passwd file", "RevisionBad StartFailed"),
    (500, "unable to find group cgroup: no matching entries in group file", "RevisionBad StartFailed"),
    (500, ENDPOINT + "Bind for 127.0.0.1:18080 failed: port is already allocated", "WorldBad PortTaken"),
    (
        500,
        ENDPOINT + "Error starting userland proxy: listen tcp4 127.0.0.1:80: bind: address already in use",
        "WorldBad PortTaken",
    ),
    (
        500,
        f"failed to set up container networking: {ENDPOINT}failed to bind host port for "
        "0.0.0.0:7148:172.18.0.2:7148/tcp: address already in use",
        "WorldBad PortTaken",
    ),
    (403, "Address already in use", "WorldBad PortTaken"),
    (500, "mkdir /var/lib/docker/overlay2/x/merged: no space left on device", "WorldBad DiskFull"),
    (
        400,
        RUNC + "error setting cgroup config for procHooks process: failed to write: permission denied: unknown",
        "WorldBad StartFailed",
    ),
    (
        400,
        'invalid mount config for type "bind": bind source path does not exist: /srv/data',
        "WorldBad StartFailed",
    ),
    (500, "ttrpc: closed: unknown", "WorldBad StartFailed"),
    (
        400,
        OLD_RUNC + 'exec: "/bin/missing": stat /bin/missing: no such file or directory: unknown',
        "RevisionBad StartFailed",
    ),
    (400, OLD_RUNC + 'exec: "/bin/plain": permission denied: unknown', "RevisionBad StartFailed"),
    (
        400,
        RUNC + 'error during container init: exec: "missing": executable file not found in $PATH: unknown',
        "RevisionBad StartFailed",
    ),
    (500, OLD_RUNC + "exec /bin/app: exec format error", "RevisionBad StartFailed"),
    (500, "something that nobody has met", "WorldBad StartFailed"),
]

CALLS = [
    ("RESTART", 404, f"No such container: {ID}", ""),
    ("STOP", 404, f"No such container: {ID}", ""),
    ("STOP", 409, f"Container {ID} is not running", ""),
    ("STOP", 500, "write /var/lib/docker/x: no space left on device", "WorldBad DiskFull"),
    (
        "STOP",
        500,
        f"cannot stop container: {ID}: tried to kill container, but did not receive an exit event",
        "WorldBad StopFailed",
    ),
    ("REMOVE", 404, f"No such container: {ID}", ""),
    ("REMOVE", 409, f"removal of container {ID} is already in progress", "WorldBad RemoveFailed"),
    (
        "REMOVE",
        409,
        f"You cannot remove a running container {ID}. Stop the container before attempting removal or force remove",
        "WorldBad StillRunning",
    ),
    (
        "REMOVE",
        409,
        f"You cannot remove a paused container {ID}. Unpause and then stop the container before attempting removal",
        "WorldBad StillRunning",
    ),
    (
        "REMOVE",
        409,
        f'cannot remove container "/{NAME}": container is running: stop the container before removing or force remove',
        "WorldBad StillRunning",
    ),
    (
        "REMOVE",
        409,
        f'cannot remove container "/{NAME}": container is restarting: stop the container before removing',
        "WorldBad StillRunning",
    ),
    ("REMOVE", 500, "unlinkat /var/lib/docker/x: no space left on device", "WorldBad DiskFull"),
    (
        "REMOVE",
        500,
        "driver overlay2 failed to remove root filesystem: device or resource busy",
        "WorldBad RemoveFailed",
    ),
    ("UNPAUSE", 404, f"No such container: {ID}", ""),
    ("UNPAUSE", 500, f"Container {ID} is not paused", ""),
    ("UNPAUSE", 500, "no space left on device", "WorldBad DiskFull"),
    ("UNPAUSE", 500, "cannot unpause container: ttrpc: closed", "WorldBad UnpauseFailed"),
    ("MARK", 404, f"No such container: {ID}", ""),
    ("MARK", 409, f"Container {ID} is marked for removal and cannot be updated", ""),
    ("MARK", 500, "no space left on device", "WorldBad DiskFull"),
    ("MARK", 400, "Minimum memory limit allowed is 6MB", "WorldBad MarkFailed"),
    ("CONNECT", 403, f"endpoint with name {NAME} already exists in network hf-prod", "WorldBad ConnectFailed"),
    ("CONNECT", 500, "no space left on device", "WorldBad DiskFull"),
    ("CONNECT", 404, f"network {ID} not found", "WorldBad ConnectFailed"),
    ("DISCONNECT", 404, f"network {ID} not found", ""),
    ("DISCONNECT", 500, f"container {ID} is not connected to network hf-prod", ""),
    ("DISCONNECT", 500, "no space left on device", "WorldBad DiskFull"),
    ("DISCONNECT", 500, "context deadline exceeded", "WorldBad ConnectFailed"),
    ("CREATE_NETWORK", 500, "no space left on device", "WorldBad DiskFull"),
    ("CREATE_NETWORK", 403, "Pool overlaps with other one on this address space", "WorldBad NetworkMissing"),
    ("REMOVE_IMAGE", 500, "no space left on device", "WorldBad DiskFull"),
    ("REMOVE_IMAGE", 500, "something else", "WorldBad DockerError"),
]

EXAMPLES = [
    *(("PULL", *example) for example in PULL),
    *(("CREATE", *example) for example in CREATE),
    *(("START", *example) for example in START),
    *(("RESTART", *example) for example in START if example[2] != "WorldBad ContainerGone"),
    *CALLS,
]
TABLES = sorted({table for table, *_ in EXAMPLES})


def read(table: str, status: int, text: str, image: str = IMAGE) -> Outcome:
    """The row that decides."""
    return errors.outcome(getattr(errors, table), EngineError(status, text), image=image, name=NAME)


def told(row: Outcome) -> str:
    """Class and reason of the error; empty for what is done or not recognised."""
    return "" if row.error is None or row is errors.UNRECOGNISED else f"{row.error.__name__} {row.reason}"


@pytest.mark.parametrize(("table", "status", "text", "expected"), EXAMPLES)
def test_a_recorded_answer_is_read_as_what_it_was(table: str, status: int, text: str, expected: str) -> None:
    """Whoever is at fault: the revision, the world, or nobody."""
    assert told(read(table, status, text)) == expected


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_a_recorded_answer(table: str) -> None:
    """A row that nothing was ever recorded for, or that an earlier row hides, is none."""
    decided = {id(read(name, status, text)) for name, status, text, _ in EXAMPLES if name == table}
    unused = [row for row in getattr(errors, table) if id(row) not in decided and table != "RESTART"]
    assert unused == []


TRAPS = [
    f"{registry}{path}:{tag}"
    for registry, path, tag in itertools.product(
        ("", "docker.io/", "registry.test/", "127.0.0.1:403/", "denied.test:5000/"),
        ("team/player", "team/ratelimiter", "team/blob-layer", "network", "unauthorized/eof", "denied", "layer"),
        ("1.0", "403", "429", "toomanyrequests"),
    )
]


def familiar(image: str) -> str:
    """As Docker shortens it."""
    return image.removeprefix("docker.io/")


@pytest.mark.parametrize("image", TRAPS)
def test_the_name_of_an_image_is_not_taken_for_a_cause(image: str) -> None:
    """A missing tag is missing whatever the image is called, in all spellings; so is a missing image."""
    name, _, tag = image.rpartition(":")
    full = image if "." in name.split("/")[0] else f"docker.io/{image}"
    for status, text in (
        (404, f"manifest for {familiar(image)} not found: manifest unknown: manifest unknown"),
        (500, f"manifest for {familiar(image)} not found: manifest unknown"),
        (404, f"repository {familiar(name)} not found: name unknown: repository name not known to registry"),
        (500, f"repository {familiar(name)} not found: name unknown"),
        (404, f'failed to resolve reference "{full}": {full}: not found'),
        (0, f'failed to resolve reference "{full}": {full}: not found'),
        (500, f"unexpected status from HEAD request to https://registry.test/v2/{name}/manifests/{tag}: 404 Not Found"),
    ):
        assert told(read("PULL", status, text, image)) == MISSING, text
    for digest in ("", f"@{SHA}"):
        reference = f"{familiar(name)}{digest}" if digest else familiar(image)
        assert told(read("CREATE", 404, f"No such image: {reference}", name + digest)) == "WorldBad ImageGone"


@pytest.mark.parametrize("word", ["iptables", "cgroup-exporter", "port is already allocated", "network x not found"])
def test_the_name_of_a_command_is_not_taken_for_a_cause(word: str) -> None:
    """A command that is missing is missing whatever it is called."""
    text = OLD_RUNC + f'exec: "{word}": executable file not found in $PATH: unknown'
    assert told(read("START", 400, text)) == "RevisionBad StartFailed"


def test_only_a_stale_endpoint_a_lost_network_and_a_running_removal_are_mended() -> None:
    """Those the client repairs by itself, once."""
    mended = {(table, row.reason) for table in TABLES for row in getattr(errors, table) if row.mendable}
    assert mended == {
        ("CREATE", "NetworkMissing"),
        ("START", "StartFailed"),
        ("RESTART", "StartFailed"),
        ("REMOVE", "RemoveFailed"),
        ("CONNECT", "ConnectFailed"),
    }


def test_a_message_says_what_was_asked_what_came_back_and_what_helps() -> None:
    """In this order."""
    refusal = EngineError(500, "write /x: no space left on device")
    failure = read("STOP", 500, refusal.message).failure(refusal, "stop shop-1")
    assert failure.message == (
        "cannot stop shop-1: the Engine's disk is full: write /x: no space left on device; "
        "'docker system df' shows what takes the space"
    )
    refusal = EngineError(409, "cannot start a paused container, try unpause instead")
    assert read("START", 409, refusal.message).failure(refusal, "start shop-1").message == (
        "cannot start shop-1: it is paused"
    )


def test_a_refusal_of_a_registry_carries_how_long_to_wait() -> None:
    """Where the registry says so."""
    failure = errors.registry_failure(429, "toomanyrequests: Retry-After: 17", IMAGE)
    assert isinstance(failure, WorldBad)
    assert failure.retry_after == 17.0
    missing = errors.registry_failure(404, "manifest unknown", IMAGE)
    assert isinstance(missing, RevisionBad)
    assert missing.message == f"cannot get {IMAGE}: the registry does not have it: manifest unknown"
    assert errors.registry_failure(400, "invalid reference format", IMAGE) is None


def test_names_are_taken_out_of_a_text_and_nothing_else() -> None:
    """What is quoted, URLs, addresses and the image's name go; the Engine's own words stay."""
    text = f'Get "https://x.test/v2/denied": manifest for {IMAGE} not found, dial 10.0.0.1:403, denied'
    assert without_names(text, IMAGE).split() == "get : manifest for not found, dial , denied".split()  # noqa: SIM905
