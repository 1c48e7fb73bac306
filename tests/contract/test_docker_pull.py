"""Pulls through a real Engine from a registry with faults (F29 to F35)."""

import asyncio
import base64
import json
import socket

import docker
import pytest

from controller.clients.docker.pull import Pull
from controller.clients.docker.threads import PULL_THREADS, RESOLVE_THREADS
from controller.core.model.errors import RevisionBad, WorldBad
from tests.contract.conftest import Bench
from tests.contract.registry_faults import FaultyRegistry, layer
from tests.parts.images import find_busybox


def another(tar_text: str) -> bytes:
    """A layer that no Engine has yet."""
    program = find_busybox()
    assert program is not None
    return layer(program, tar_text)


async def test_a_pinned_digest_that_is_here_asks_nobody(bench: Bench, faulty: FaultyRegistry) -> None:
    """The registry may be away: what is here at the digest is enough."""
    faulty.manifest_status = 500
    assert await bench.runtime.pull(bench.image, "1.0", bench.digest, lambda _: None) == bench.digest
    assert faulty.requests == []


async def test_a_tag_is_pulled_and_resolved_to_its_digest(bench: Bench, faulty: FaultyRegistry) -> None:
    """The digest of a pull and of a question are the one that the registry serves."""
    said: list[str] = []
    digest = faulty.push("team/app", "2.0", another(bench.id))
    assert await bench.runtime.resolve(bench.image, "2.0") == digest
    assert await bench.runtime.pull(bench.image, "2.0", "", said.append) == digest
    await asyncio.sleep(0)
    assert said[-1].startswith("1 of 1 layers")


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', RevisionBad, "ManifestMissing"),
        (404, b"", RevisionBad, "ManifestMissing"),
        (401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}', WorldBad, "RegistryDenied"),
        (403, b'{"errors":[{"code":"DENIED","message":"access denied"}]}', WorldBad, "RegistryDenied"),
        (403, b"", WorldBad, "RegistryDenied"),
        (429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}', WorldBad, "RateLimited"),
        (429, b"", WorldBad, "RateLimited"),
        (500, b"", WorldBad, "RegistryError"),
        (503, b"<html>down</html>", WorldBad, "RegistryError"),
        (200, b"garbage", WorldBad, "RegistryError"),
    ],
)
async def test_refusals_of_a_registry_are_told_apart(  # noqa: PLR0917
    bench: Bench, faulty: FaultyRegistry, status: int, body: bytes, kind: type[Exception], reason: str
) -> None:
    """401, 404, 429 and 5xx are four outcomes, for a pull and for a question (F29)."""
    faulty.push("team/app", "3.0", another("3"))
    faulty.manifest_status, faulty.manifest_body = status, body
    with pytest.raises(kind) as pulled:
        await bench.runtime.pull(bench.image, "3.0", "", lambda _: None)
    with pytest.raises(kind) as resolved:
        await bench.runtime.resolve(bench.image, "3.0")
    assert (pulled.value.reason, resolved.value.reason) == (reason, reason)  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", ["corrupt", "404"])
async def test_a_broken_blob_fails_although_an_older_image_has_the_tag(
    bench: Bench, faulty: FaultyRegistry, fault: str
) -> None:
    """The error is inside a stream that began with 200; the old image is not taken for the new one (F30, F31)."""
    faulty.push("team/app", "1.0", another(f"{bench.id}-{fault}"))
    faulty.blob_fault = fault
    with pytest.raises(WorldBad) as caught:
        await bench.runtime.pull(bench.image, "1.0", "", lambda _: None)
    assert caught.value.reason == "RegistryError"


async def test_a_stalled_blob_ends_at_the_deadline(bench: Bench, faulty: FaultyRegistry) -> None:
    """A pull that gets no further is given up in time, and the Engine is asked again afterwards (F32)."""
    digest = faulty.push("team/app", "4.0", another(f"{bench.id}-4"))
    faulty.blob_fault = "stall"
    runtime = bench.again(pull_timeout=1.5)
    with pytest.raises(WorldBad) as caught:
        await runtime.pull(bench.image, "4.0", "", lambda _: None)
    assert caught.value.reason == "PullTimeout"
    faulty.heal()
    assert await bench.runtime.pull(bench.image, "4.0", "", lambda _: None) == digest
    await runtime.close()


async def test_a_silent_stream_is_a_stall(bench: Bench, faulty: FaultyRegistry) -> None:
    """The stall deadline is on the stream, shorter than that of the whole pull (F32)."""
    faulty.push("team/app", "5.0", another(f"{bench.id}-5"))
    faulty.blob_fault = "stall"
    pull = Pull(bench.runtime._engine, str(bench.config), bench.image, "5.0", "", stall=1.0)
    with pytest.raises(WorldBad, match="no progress"):
        await asyncio.to_thread(pull.run, lambda _: None)


async def test_credentials_are_read_anew_and_stay_with_their_registry(bench: Bench, faulty: FaultyRegistry) -> None:
    """A login helps the next pull without a restart; another registry's credentials are never sent."""
    digest = faulty.push("team/app", "6.0", another(f"{bench.id}-6"))
    secret = base64.b64encode(b"user:hush").decode()
    faulty.login = "Basic " + secret
    bench.config.write_text(json.dumps({"auths": {"other.example": {"auth": secret}}}))
    with pytest.raises(WorldBad) as caught:
        await bench.runtime.pull(bench.image, "6.0", "", lambda _: None)
    assert caught.value.reason == "RegistryDenied"
    assert "hush" not in str(caught.value)
    assert secret not in repr(faulty.requests)
    bench.config.write_text(json.dumps({"auths": {faulty.address: {"auth": secret}}}))
    assert await bench.runtime.resolve(bench.image, "6.0") == digest
    assert await bench.runtime.pull(bench.image, "6.0", "", lambda _: None) == digest
    bench.config.write_text("{ broken")
    await bench.runtime.pull(bench.image, "6.0", digest, lambda _: None)


async def test_an_unreachable_registry_is_the_worlds_fault(bench: Bench) -> None:
    """Nobody listens: tried again later, the revision is not blamed."""
    for call in (bench.runtime.resolve("127.0.0.1:1/x", "1"), bench.runtime.pull("127.0.0.1:1/x", "1", "", print)):
        with pytest.raises(WorldBad) as caught:
            await call
        assert caught.value.reason == "RegistryError"


async def test_old_images_go_unless_a_container_uses_them(bench: Bench, faulty: FaultyRegistry) -> None:
    """Cleaning up never forces: an image in use, by a stopped container too, stays."""
    other = faulty.push("team/app", "7.0", another(f"{bench.id}-7"))
    await bench.runtime.pull(bench.image, "7.0", "", lambda _: None)
    made = await bench.made()
    assert {image.digest for image in await bench.runtime.images(bench.image)} == {bench.digest, other}
    assert not await bench.runtime.remove_image(f"{bench.image}@{bench.digest}")
    assert await bench.runtime.remove_image(f"{bench.image}@{other}")
    assert await bench.runtime.remove_image(f"{bench.image}@{other}")
    assert [image.digest for image in await bench.runtime.images(bench.image)] == [bench.digest]
    with pytest.raises(docker.errors.ImageNotFound):
        bench.client.inspect_image(f"{bench.image}@{other}")  # type: ignore[no-untyped-call]
    await bench.runtime.remove(made)


async def test_a_registry_that_hangs_when_asked_delays_no_pull_of_another(bench: Bench, faulty: FaultyRegistry) -> None:
    """L9: more questions than there are threads wait for an answer, and a pull from elsewhere goes on."""
    faulty.push("team/app", "2.1", another(f"{bench.id} beside"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/team/app"
        waiting = [
            asyncio.create_task(bench.runtime.resolve(image, f"{n}")) for n in range(RESOLVE_THREADS + PULL_THREADS)
        ]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(30):
            await bench.runtime.pull(bench.image, "2.1", "", lambda _: None)
        assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting, return_exceptions=True)
