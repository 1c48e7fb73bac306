"""The texts of keys: logs, task names and the jitter of a backoff go by them, so they stay."""

import pytest

from controller.core.model import digests, keys
from controller.core.model.desired import Check
from controller.core.model.observed import Container, Key, Route

ID = "c" * 64
MADE = Container(ID, "shop-dev-1-r1-1", "shop/dev", "1", "r1", "", "", "", 1, 0.0, started_at=12.5)
CREATED = Container(ID, "shop-dev-1-r1-1", "shop/dev", "1", "r1", "", "", "", 1, 0.0)
CHECK = Check(port=80)
ROUTE = digests.with_marker(Route("a.test", "shop/dev", "1", "instance", ID, "10.0.0.1", 80))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (keys.pull("r.test/shop", "1", "sha256:1"), "pull:r.test/shop:1@sha256:1"),
        (keys.pull("r.test/shop", "1", ""), "pull:r.test/shop:1@"),
        (keys.digest("r.test/shop", "1"), "digest:r.test/shop:1"),
        (keys.create("name"), "create:name"),
        (keys.pre("name"), "pre:name"),
        (keys.start(CREATED), f"start:{ID}:None"),
        (keys.start(MADE), f"start:{ID}:12.5"),
        (keys.stop(MADE), f"stop:{ID}:12.5"),
        (keys.stop_and_keep(MADE), f"halt:{ID}:12.5"),
        (keys.restart(MADE), f"restart:{ID}:12.5"),
        (keys.gate(MADE, CHECK), f"gate:{ID}:12.5:{digests.check_hash(CHECK)}"),
        (keys.watch(MADE, CHECK), f"watch:{ID}:12.5:{digests.check_hash(CHECK)}"),
        (keys.unpause(MADE), f"unpause:{ID}"),
        (keys.connect(MADE), f"connect:{ID}"),
        (keys.mark(MADE, True), f"mark:{ID}:passed"),
        (keys.mark(MADE, False), f"mark:{ID}:leaves"),
        (keys.remove(MADE), f"remove:{ID}"),
        (keys.route(ROUTE), f"route:a.test:{ROUTE.marker}"),
        (keys.unroute("a.test"), "unroute:a.test"),
        (keys.verify(ROUTE), f"verify:a.test:{ROUTE.marker}"),
    ],
    ids=str,
)
def test_text(key: Key, text: str) -> None:
    """Kind, subject and version, with a colon between them."""
    assert str(key) == text
