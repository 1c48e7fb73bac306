"""What holds for every set of documents, whatever runs."""

import re

from hypothesis import given
from hypothesis import strategies as st

from controller.core.catalog.types import Incumbents, Sourced
from controller.core.documents.forms import HOSTNAME_PATTERN
from controller.core.model import names
from controller.core.model.desired import StageKey
from tests.core.catalog_documents import A, B, catalog_of, project, request, serving, stage

TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)
FEW_TAGS = st.sampled_from(["1.0", "1-0", "1_0", "2", "A", "a", "feature-login"])
PROJECTS = st.sampled_from(["a", "a-b", "shop"])
STAGES = st.sampled_from(["b-c", "c", "dev"])
KEYS = st.builds(names.stage_key, PROJECTS, STAGES)
DOMAINS = st.sampled_from(["x.example.org", "y.example.org", "stage-c-a.example.com", "stage-c-a-b-2.example.com"])
SOURCES = st.sampled_from([A, B])
PATHS = st.sampled_from(["1.yaml", "2.yaml"])


@st.composite
def projects(draw: st.DrawFn) -> Sourced:
    """A project with a few stages out of few names, so that conflicts are common."""
    named = draw(st.lists(STAGES, unique=True, max_size=3))
    stages = [
        stage(
            name,
            *draw(st.lists(FEW_TAGS, max_size=4)),
            domains=draw(st.lists(DOMAINS, unique=True, max_size=2)),
            **draw(st.fixed_dictionaries({}, optional={"defaultTag": FEW_TAGS})),
        )
        for name in named
    ]
    volumes = [{"name": "d", "mountPath": "/d"}] if draw(st.booleans()) else []
    return project(draw(PROJECTS), source=draw(SOURCES), at=draw(PATHS), stages=stages, volumes=volumes)


@st.composite
def requests(draw: st.DrawFn) -> Sourced:
    """A request for a stage that may not be there."""
    created = draw(st.sampled_from([None, "2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z"]))
    name = draw(st.sampled_from(["r1", "r2", "r3", "r4"]))
    return request(draw(FEW_TAGS), to=draw(KEYS), name=name, source=draw(SOURCES), at=draw(PATHS), created=created)


DOCUMENTS = st.lists(st.one_of(projects(), requests()), max_size=8)


@st.composite
def incumbents(draw: st.DrawFn) -> Incumbents:
    """Anything that may run."""
    up: dict[StageKey, frozenset[str]] = draw(st.dictionaries(KEYS, st.frozensets(FEW_TAGS), max_size=4))
    routed = draw(st.dictionaries(DOMAINS, st.tuples(KEYS, FEW_TAGS)))
    return Incumbents(up, {key: draw(SOURCES) for key in up}, routed)


@given(TAGS)
def test_any_tag_gives_a_valid_label(tag: str) -> None:
    """Safety: whatever a registry accepts as a tag, the hostname made of it is one."""
    catalog = catalog_of(project(stages=[stage("dev", tag)]))
    (instance,) = catalog.stages["shop/dev"].instances
    assert instance.hostname is not None
    assert re.fullmatch(HOSTNAME_PATTERN, instance.hostname)
    assert all(len(label) <= 63 for label in instance.hostname.split("."))


@given(DOCUMENTS, incumbents())
def test_no_hostname_is_held_by_two(documents: list[Sourced], up: Incumbents) -> None:
    """Safety: every hostname that was granted was granted once, and the claims say to whom."""
    catalog = catalog_of(*documents, incumbents=up)
    granted = [
        (hostname, key)
        for key, declared in catalog.stages.items()
        for hostname in (*declared.default_hostnames, *(instance.hostname for instance in declared.instances))
        if hostname is not None
    ]
    assert len({hostname for hostname, _ in granted}) == len(granted)
    assert dict(granted) == catalog.claims


@given(DOCUMENTS, incumbents(), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(documents: list[Sourced], up: Incumbents, random: object) -> None:
    """Safety: a folder listed in another order is the same catalog."""
    shuffled = list(documents)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert catalog_of(*shuffled, incumbents=up) == catalog_of(*documents, incumbents=up)


@given(DOCUMENTS, incumbents())
def test_tags_of_a_stage_are_distinct(documents: list[Sourced], up: Incumbents) -> None:
    """Safety: no tag and no label stands twice in a stage."""
    for declared in catalog_of(*documents, incumbents=up).stages.values():
        labels = [names.dns_label(instance.tag) for instance in declared.instances]
        assert len(set(labels)) == len(labels)


@given(DOCUMENTS, incumbents())
def test_one_writer_for_each_volume(documents: list[Sourced], up: Incumbents) -> None:
    """Safety: a named volume belongs to one stage that is acted on."""
    mounted: dict[str, set[StageKey]] = {}
    for key, declared in catalog_of(*documents, incumbents=up).stages.items():
        for mount in declared.template.mounts:
            if not declared.suspend:
                mounted.setdefault(mount.source, set()).add(key)
    assert all(len(keys) == 1 for keys in mounted.values())


@given(st.lists(projects(), max_size=6))
def test_what_won_keeps_winning_once_it_runs(documents: list[Sourced]) -> None:
    """Liveness: conflicts do not change sides because their winner came up."""
    first = catalog_of(*documents)
    assert catalog_of(*documents, incumbents=serving(first)) == first
