"""`holdfast apply` and a tag that is followed: what was pushed before it began is deployed when it ends."""

from tests.sim.sources import project
from tests.sim.test_manager import alone, converge
from tests.world import Simulation


def test_liveness_each_converge_deploys_what_was_pushed_under_a_followed_tag() -> None:
    """A tag that is pushed again before each of several runs: each ends with the new image, none unfinished."""

    async def play(sim: Simulation) -> None:
        document = project("shop", "1.0", trackDigest=True)
        await converge(sim, document)
        for _ in range(4):
            pushed = sim.push("1.0")
            statuses = await converge(sim, document)
            assert statuses["shop/dev"].settled
            assert [instance.digest for instance in statuses["shop/dev"].instances] == [pushed]

    alone(play)
