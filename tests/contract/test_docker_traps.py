"""Two traps of the Engine's API that others fell into: names that begin alike, and removals that are under way."""

import asyncio
from functools import partial

from controller.core.model import names
from controller.core.model.observed import Container
from tests.contract.conftest import Bench
from tests.contract.facts import until


async def test_a_stage_with_a_longer_name_is_not_taken_for_this_one(bench: Bench) -> None:
    """Docker's filter by name finds every name that holds the text; ours goes by whole labels."""
    spec = bench.spec()
    longer = dict(spec.labels) | {names.STAGE: "shop/dev-2"}
    name = names.container_name("shop/dev-2", "1.0", longer[names.REVISION], 1)
    await bench.runtime.create(bench.spec(name=name, labels=tuple(sorted(longer.items()))), {})
    container_id = await bench.runtime.create(spec, {})
    assert [container.id for container in await bench.runtime.list("shop/dev")] == [container_id]
    assert [container.name for container in await bench.runtime.list("shop/dev-2")] == [name]
    assert len(await bench.runtime.list()) == 2


async def test_a_removal_that_is_under_way_already_is_awaited(bench: Bench) -> None:
    """Docker answers 409 to a second removal; each of many returns when the container is gone (F18).

    Thousands of files make the first removal last, so that the others come while it is under way.
    """
    again = [bench.again() for _ in range(2)]
    write = "/bin/busybox mkdir /x; cd /x; /bin/busybox seq 5000 | /bin/busybox xargs /bin/busybox touch"
    for tag in ("a", "b"):
        container = await bench.up(tag, command=("/bin/sh", "-c", write))
        await until(partial(_has_ended, bench, container))
        await asyncio.gather(*(runtime.remove(container) for runtime in (bench.runtime, *again) for _ in range(4)))
        assert await bench.runtime.list() == ()
    for runtime in again:
        await runtime.close()


async def _has_ended(bench: Bench, container: Container) -> bool:
    now = await bench.runtime.inspect(container.id)
    return now is not None and now.state == "exited"
