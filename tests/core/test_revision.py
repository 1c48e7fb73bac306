"""The hashes that decide whether a container is replaced: another value for the same spec would recreate every one."""

from dataclasses import dataclass, replace

import pytest

from controller.core.model import digests
from controller.core.model.desired import Check, DesiredStage, Env, Mount, SecretRef, Template
from controller.core.model.observed import Container, SecretsSeen

LEAST = Template("registry.test/shop")
FULL = Template(
    "registry.test/shop",
    command=("serve",),
    args=("--port", "8080"),
    user="1000:1000",
    labels=(("team", "ä"),),
    env=(Env("LEVEL", "info"), Env("DB", SecretRef("file", "/run/secrets/db"))),
    memory=256 * 1024**2,
    cpus=0.5,
    mounts=(Mount("shop-dev-data", "/data"),),
)
SEEN = SecretsSeen("k1", "d1", (), (SecretRef("file", "x"),))


@pytest.mark.parametrize(
    ("template", "publish", "value"),
    [
        (LEAST, None, "1-f9a8829b86cd"),
        (LEAST, 8080, "1-d49669d2e98c"),
        (FULL, None, "1-47077a4b1875"),
        (replace(LEAST, command=()), None, "1-47dd8c5ff09b"),
    ],
    ids=["least", "published", "full", "emptied"],
)
def test_an_upgrade_recreates_nothing(template: Template, publish: int | None, value: str) -> None:
    """Safety: what the label of a container says today is what every later version must find for the same spec."""
    assert digests.template_hash(template, publish) == value


def test_a_field_that_a_later_version_adds_changes_no_hash() -> None:
    """Safety: fields with their default do not count, so that a new one does not touch what runs."""

    @dataclass(frozen=True)
    class Later(Template):
        shm: int | None = None

    assert digests.template_hash(Later("registry.test/shop")) == digests.template_hash(LEAST)
    assert digests.template_hash(Later("registry.test/shop", shm=1)) != digests.template_hash(LEAST)


def test_the_name_of_a_revision_and_of_a_check_stay() -> None:
    """Names of containers, quarantines and gates hold these: another rule would try again what failed."""
    stage = DesiredStage("shop/dev", "shop", "dev", template=LEAST, port=8080, check=Check(port=8080))
    assert digests.revision("shop/dev", "1.0", "1-0", "sha256:0", "k1:d1") == "3051e338"
    assert digests.gate_hash(stage) == "0b9024f0"
    assert digests.check_hash(Check(port=8080)) == "019238"


@pytest.mark.parametrize(
    ("label", "seen", "agree"),
    [
        ("k1:d1", SEEN, True),
        ("k1:d2", SEEN, False),
        ("k2:d2", SEEN, True),
        ("", SEEN, True),
        ("k1:d2", SecretsSeen("k1", "", ("db is missing",)), True),
        ("k1:d1", SecretsSeen(), True),
    ],
    ids=["same", "changed", "other key", "unlabelled", "missing", "no secrets"],
)
def test_only_a_provable_change_of_a_secret_counts(label: str, seen: SecretsSeen, agree: bool) -> None:
    """A lost key or a missing file replaces no container."""
    box = _box(secrets=label)
    assert digests.secrets_agree(box, seen) is agree
    assert digests.made_from(box, "1-0", "sha256:0", seen) is agree


def test_a_container_is_told_by_template_and_digest() -> None:
    """Another template or digest is another revision; while no digest is pinned any will do."""
    box = _box()
    assert digests.made_from(box, "1-0", "", SecretsSeen())
    assert not digests.made_from(box, "1-1", "sha256:0", SecretsSeen())
    assert not digests.made_from(box, "1-0", "sha256:1", SecretsSeen())


def _box(secrets: str = "") -> Container:
    return Container(
        id="a" * 64, name="a", stage="shop/dev", tag="1.0", revision="r", template="1-0", secrets=secrets,
        digest="sha256:0", attempt=1, born=0.0,
    )  # fmt: skip
