"""From documents to stages: inheritance, age, pending requests, conflicts."""

from dataclasses import replace
from typing import Any

import pytest

from controller.core.catalog import build
from controller.core.catalog.precedence import where
from controller.core.catalog.types import Incumbents
from controller.core.model.desired import Check, Env, Mount, Options, Origin, PreDeployStep, SecretRef, Template
from tests.core.catalog_documents import RULES, A, B, catalog_of, project, reasons, request, running, stage, tags


def only(**spec: Any) -> Any:
    """The stage shop/dev of a project with these fields; `own` are those of the stage."""
    own = spec.pop("own", {})
    return catalog_of(project(stages=[stage("dev", "1.0", **own)], **spec)).stages["shop/dev"]


def test_defaults_are_those_of_the_reference() -> None:
    """A stage that sets nothing gets the documented defaults."""
    dev = only()
    assert dev.template == Template(image="registry.example.com/shop")
    assert dev.check == Check(type="http", port=8080)
    assert (dev.stop_grace, dev.drain, dev.bake, dev.progress_deadline) == (10.0, 10.0, 0.0, 600.0)
    assert (dev.strategy, dev.strategy_why) == ("BlueGreen", "default")
    assert (dev.suspend, dev.tag_routes, dev.track_digest, dev.max_instances) == (
        False,
        True,
        False,
        None,
    )
    assert (dev.options, dev.pre_deploy, dev.notices) == (Options(), None, ())
    assert dev.default_hostnames == ("stage-dev-shop.example.com",)
    assert dev.instances[0].hostname == "stage-dev-shop-1-0.example.com"


def test_a_stage_overrides_scalars_groups_env_and_labels() -> None:
    """Scalars replace, env goes by name and keeps the project's order, labels by key, groups field by field."""
    dev = only(
        command=["a"],
        args=["x"],
        user="app",
        drain="20s",
        labels={"team": "web", "tier": "front"},
        env=[{"name": "B", "value": "1"}, {"name": "A", "valueFrom": {"file": "db"}}],
        healthCheck={"path": "/healthz", "retries": 5},
        resources={"memory": "256Mi", "cpus": "500m"},
        route={"websockets": False, "forceTLS": True},
        preDeploy={"command": ["./migrate"], "timeout": "1m"},
        own={
            "args": [],
            "drain": "0s",
            "labels": {"tier": "back"},
            "env": [{"name": "C", "value": "3"}, {"name": "B", "value": "2"}],
            "healthCheck": {"retries": 3, "statuses": "200,300-302"},
            "resources": {"cpus": "2"},
            "route": {"accessList": "staff"},
        },
    )
    assert dev.template == Template(
        image="registry.example.com/shop",
        command=("a",),
        args=(),
        user="app",
        labels=(("team", "web"), ("tier", "back")),
        env=(Env("B", "2"), Env("A", SecretRef("file", "db")), Env("C", "3")),
        memory=256 * 1024**2,
        cpus=2.0,
    )
    assert dev.drain == 0.0
    assert dev.check == Check("http", 8080, "/healthz", ((200, 200), (300, 302)), retries=3)
    assert dev.options == Options(websockets=False, force_tls=True, access_list="staff", verify="/healthz")
    assert dev.pre_deploy == PreDeployStep(("./migrate",), 60.0)


@pytest.mark.parametrize(
    ("health", "asked"),
    [
        ({"path": "/healthz?deep=1"}, "/healthz?deep=1"),
        ({"path": "/healthz", "port": 8080}, "/healthz"),
        ({"path": "/healthz", "port": 9090}, "/"),
        ({"path": "/a;b"}, "/"),
        ({"path": "/$uri"}, "/"),
        ({"path": "/{env.HOME}"}, "/"),
        ({"type": "tcp"}, "/"),
        ({"type": "none"}, "/"),
    ],
)
def test_what_is_asked_through_the_proxy(health: dict[str, object], asked: str) -> None:
    """The path of the health check, unless it belongs to another port or could be more than text to a proxy."""
    assert only(healthCheck=health).options.verify == asked


def test_a_worker_has_no_routes_and_no_probe() -> None:
    """Without a port there is no hostname, and a running process counts as healthy."""
    dev = only(port=None)
    assert (dev.default_hostnames, dev.instances[0].hostname) == ((), None)
    assert dev.check == Check(type="none")


def test_a_worker_may_be_probed_on_a_port_of_the_check() -> None:
    """healthCheck.port is asked even where nothing is routed."""
    assert only(port=None, healthCheck={"port": 9000}).check == Check(type="http", port=9000)
    assert only(healthCheck={"type": "docker"}).check == Check(type="docker", port=None)


@pytest.mark.parametrize(
    ("volume", "declared", "strategy", "why", "most"),
    [
        ({}, None, "Recreate", "volume shop-dev-data is writable", 1),
        ({"readOnly": True}, None, "BlueGreen", "default", 3),
        ({"hostPath": "/srv/data"}, None, "Recreate", "folder /srv/data is writable", 1),
        ({"hostPath": "/srv/data", "readOnly": True}, None, "BlueGreen", "default", 3),
        ({}, "BlueGreen", "BlueGreen", "declared", 3),
        ({"readOnly": True}, "Recreate", "Recreate", "declared", 1),
    ],
)
def test_strategy_follows_writable_volumes(
    volume: dict[str, Any], declared: str | None, strategy: str, why: str, most: int
) -> None:
    """A writable volume means Recreate and one instance, unless a strategy is written."""
    own = {"maxInstances": 3, **({"strategy": declared} if declared else {})}
    dev = only(volumes=[{"name": "data", "mountPath": "/data", **volume}], own=own)
    assert (dev.strategy, dev.strategy_why, dev.max_instances) == (strategy, why, most)


def test_volumes_carry_project_and_stage_in_their_name() -> None:
    """Named volumes get their full name, folders of the host stay what they are."""
    volumes = [{"name": "data", "mountPath": "/d"}, {"name": "conf", "mountPath": "/c", "hostPath": "/srv"}]
    assert only(volumes=volumes).template.mounts == (Mount("shop-dev-data", "/d"), Mount("/srv", "/c", bind=True))


def test_a_stage_of_another_host_is_left_to_it() -> None:
    """Only the controller with this id takes the stage, and a request for it waits for nobody."""
    declared = project(stages=[stage("dev", "1.0", host="home-1"), stage("prod", "1.0", host="home-2")])
    catalog = catalog_of(declared, request("2.0", to="shop/prod"))
    assert set(catalog.stages) == {"shop/dev"}
    assert catalog.notices == ()
    assert catalog.stage("shop/prod").declared is False


def test_listed_instances_are_older_than_requests() -> None:
    """Requests follow the list: by creationTimestamp, else first seen, else as the newest; then by name."""
    documents = [
        project(stages=[stage("dev", "2", "1")]),
        request("never-b", name="b"),
        request("never-a", name="a"),
        request("seen"),
        request("created", created="2024-05-01T10:00:00Z"),
        request("later", created="2024-05-01T13:00:00+02:00"),
    ]
    seen = {("shop/dev", "seen"): 1714559400.0}  # 2024-05-01T10:30:00Z
    catalog = catalog_of(*documents, incumbents=Incumbents(seen=seen))
    assert tags(catalog) == ["2", "1", "created", "seen", "later", "never-a", "never-b"]


def test_a_tag_declared_twice_goes_with_its_last_declaration() -> None:
    """Position and ttl are those of the last one, in the list and in a request."""
    listed = {"name": "dev", "instances": [{"tag": "1", "ttl": "1h"}, {"tag": "2"}, {"tag": "3"}, {"tag": "1"}]}
    catalog = catalog_of(project(stages=[listed]), request("2", ttl="2h", name="again"))
    assert [(instance.tag, instance.ttl, instance.request) for instance in catalog.stages["shop/dev"].instances] == [
        ("3", None, None),
        ("1", None, None),
        ("2", 7200.0, "again"),
    ]


def test_the_default_tag_counts_as_an_instance() -> None:
    """Not declared it is the oldest instance; where nothing is declared at all, nothing runs."""
    assert tags(catalog_of(project(stages=[stage("dev", "2", "3", defaultTag="1")]))) == ["1", "2", "3"]
    assert tags(catalog_of(project(stages=[stage("dev", "2", "1", defaultTag="1")]))) == ["2", "1"]
    assert tags(catalog_of(project(stages=[stage("dev", defaultTag="1")]))) == []
    assert tags(catalog_of(project(stages=[{"name": "dev", "defaultTag": "1"}]))) == ["1"]
    assert tags(catalog_of(project(stages=[{"name": "dev"}]))) == []


def test_a_ttl_on_the_default_tag_is_refused() -> None:
    """The instance stays, without the ttl, and a notice says so."""
    catalog = catalog_of(project(stages=[stage("dev", "1", "2", defaultTag="2")]), request("2", ttl="1h"))
    assert catalog.stages["shop/dev"].instances[1].ttl is None
    assert [(notice.reason, notice.tag) for notice in catalog.stages["shop/dev"].notices] == [("DefaultTagTTL", "2")]


def test_requests_for_something_unknown_wait() -> None:
    """Each is told apart, names project and stage, and holds up nothing else."""
    catalog = catalog_of(
        project(stages=[stage("dev", "1")]), request("2", to="shop/qa"), request("3", to="blog/dev"), request("4")
    )
    assert [(notice.reason, notice.tag) for notice in catalog.notices] == [
        ("UnknownProject", "3"),
        ("UnknownStage", "2"),
    ]
    assert all("blog" in notice.message or "shop" in notice.message for notice in catalog.notices)
    assert all("dev" in notice.message or "qa" in notice.message for notice in catalog.notices)
    assert tags(catalog) == ["1", "4"]


def test_a_notice_names_the_document_that_it_is_about() -> None:
    """Its source can say so on that document; the same on another line is no other catalog."""
    documents = [project(stages=[stage("dev", "1")]), request("2", to="shop/qa")]
    catalog = catalog_of(*documents)
    (notice,) = catalog.notices
    assert notice.origin == Origin(A, "requests.yaml", 0, "DeployRequest", "", "shop-qa-2")
    below = replace(documents[1], origin=replace(documents[1].origin, line=9))
    assert catalog_of(documents[0], below).digest == catalog.digest
    twins = catalog_of(documents[0], project(source=B, line=4, stages=[stage("dev", "2")]))
    (refused,) = twins.stages["shop/dev"].notices
    assert refused.origin is not None
    assert (refused.origin.source, refused.origin.place, refused.origin.name) == (B, "shop.yaml:4", "shop")


def test_of_two_projects_of_one_name_the_first_source_wins() -> None:
    """The order of the settings decides, the other is refused with a notice that names both."""
    first = project(source=A, at="z.yaml", stages=[stage("dev", "1")])
    second = project(source=B, at="a.yaml", stages=[stage("dev", "2"), stage("qa", "2")])
    catalog = catalog_of(second, first)
    assert tags(catalog) == ["1"]
    assert set(catalog.stages) == {"shop/dev"}
    (notice,) = catalog.stages["shop/dev"].notices
    assert notice.reason == "DuplicateProject"
    assert f"a.yaml of {B}" in notice.message
    assert f"z.yaml of {A}" in notice.message


def test_of_two_projects_of_one_name_the_running_one_wins() -> None:
    """What runs keeps its documents, whatever the order of sources or paths."""
    first, second = project(source=A, stages=[stage("dev", "1")]), project(source=B, stages=[stage("dev", "2")])
    assert tags(catalog_of(first, second, incumbents=running({"shop/dev": ["2"]}, {"shop/dev": B}))) == ["2"]
    third = project(source=A, at="a.yaml", stages=[stage("dev", "3")])
    assert tags(catalog_of(first, third, incumbents=running({"shop/dev": ["1"]}))) == ["1"]
    assert tags(catalog_of(first, third)) == ["3"]


def test_the_default_tag_keeps_its_project() -> None:
    """A defaultTag that runs speaks for its document as a listed tag does."""
    first = project(at="a.yaml", stages=[stage("dev", "2", defaultTag="1")])
    second = project(at="b.yaml", stages=[stage("dev", "1")])
    assert tags(catalog_of(first, second, incumbents=running({"shop/dev": ["1"]}))) == ["1", "2"]


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin("files:./desired", "shop.yaml"), "shop.yaml of files:./desired"),
        (Origin("-", "-"), "stdin"),
    ],
)
def test_a_place_is_named_in_words(origin: Origin, words: str) -> None:
    """As a person would say it, who must find the document again."""
    assert where(origin) == words


def test_a_refused_project_without_a_common_stage_is_told_by_the_catalog() -> None:
    """A notice is never lost for want of a stage."""
    catalog = catalog_of(project(stages=[stage("dev", "1")]), project(source=B, stages=[stage("qa", "1")]))
    assert reasons(catalog) == []
    assert reasons(catalog, None) == ["DuplicateProject"]


def test_two_requests_of_one_name_are_one() -> None:
    """The one that runs wins, then the order of documents."""
    documents = [project(stages=[stage("dev")]), request("1", name="x", at="b"), request("2", name="x", at="a")]
    assert tags(catalog_of(*documents)) == ["2"]
    catalog = catalog_of(*documents, incumbents=running({"shop/dev": ["1"]}))
    assert tags(catalog) == ["1"]
    assert reasons(catalog) == ["DuplicateRequest"]


@pytest.mark.parametrize(("up", "winner"), [([], "1.0"), (["1-0"], "1-0"), (["1.0"], "1.0")])
def test_two_tags_of_one_label_are_one_instance(up: list[str], winner: str) -> None:
    """What runs wins, then the order of documents; the notice names both tags."""
    catalog = catalog_of(
        project(at="a.yaml", stages=[stage("dev", "1.0", "2")]),
        request("1-0", at="b.yaml"),
        incumbents=running({"shop/dev": up}),
    )
    assert sorted(tags(catalog)) == sorted([winner, "2"])
    (notice,) = catalog.stages["shop/dev"].notices
    assert (notice.reason, notice.tag) == ("TagCollision", "1-0" if winner == "1.0" else "1.0")
    assert "1.0" in notice.message
    assert "1-0" in notice.message


def test_a_hostname_has_one_claimant() -> None:
    """The first document gets the domain; the loser runs without it and is told both names."""
    one = project("blog", at="b.yaml", stages=[stage("dev", "1", domains=["www.example.org"])])
    two = project("shop", at="a.yaml", stages=[stage("dev", "1", domains=["www.example.org"])])
    catalog = catalog_of(one, two)
    assert catalog.claims["www.example.org"] == "shop/dev"
    assert catalog.stages["blog/dev"].default_hostnames == ("stage-dev-blog.example.com",)
    assert tags(catalog, "blog/dev") == ["1"]
    (notice,) = catalog.stages["blog/dev"].notices
    assert notice.reason == "HostnameConflict"
    assert "blog/dev" in notice.message
    assert "shop/dev" in notice.message


def test_the_holder_of_a_hostname_keeps_it() -> None:
    """The incumbent goes before the newcomer, whatever the order of documents."""
    one = project("blog", at="b.yaml", stages=[stage("dev", "1", domains=["www.example.org"])])
    two = project("shop", at="a.yaml", stages=[stage("dev", "1", domains=["www.example.org"])])
    held = running({"blog/dev": ["1"]}, hostnames={"www.example.org": ("blog/dev", "1")})
    assert catalog_of(one, two, incumbents=held).claims["www.example.org"] == "blog/dev"


def test_a_default_route_goes_before_an_instance_route() -> None:
    """An instance loses its hostname to a default route, runs all the same and says so by its tag."""
    one = project("blog", at="a.yaml", stages=[stage("dev", "1")])
    two = project("shop", at="b.yaml", stages=[stage("dev", "1", domains=["stage-dev-blog-1.example.com"])])
    held = running({"blog/dev": ["1"]}, hostnames={"stage-dev-blog-1.example.com": ("blog/dev", "1")})
    catalog = catalog_of(one, two, incumbents=held)
    assert catalog.claims["stage-dev-blog-1.example.com"] == "shop/dev"
    (instance,) = catalog.stages["blog/dev"].instances
    assert (instance.tag, instance.hostname) == ("1", None)
    assert [(notice.reason, notice.tag) for notice in catalog.stages["blog/dev"].notices] == [("HostnameConflict", "1")]


def test_names_with_dashes_do_not_share_a_hostname() -> None:
    """`a-b/c` and `a/b-c` read alike as a hostname of this pattern, so one goes without."""
    rules = replace(RULES, default_pattern="{project}-{stage}", instance_pattern="{project}-{stage}-{tag}")
    one, two = project("a-b", stages=[stage("c", "1")]), project("a", stages=[stage("b-c", "1")])
    catalog = catalog_of(one, two, rules=rules)
    assert catalog.claims == {"a-b-c.example.com": "a/b-c", "a-b-c-1.example.com": "a/b-c"}
    assert reasons(catalog, "a-b/c") == ["HostnameConflict", "HostnameConflict"]


def test_an_instance_keeps_the_hostname_it_has() -> None:
    """Between instance routes, too, the incumbent goes before the newcomer."""
    rules = replace(RULES, instance_pattern="{project}-{stage}-{tag}")
    one, two = project("a-b", stages=[stage("c", "1")]), project("a", stages=[stage("b-c", "1")])
    held = running({"a-b/c": ["1"]}, hostnames={"a-b-c-1.example.com": ("a-b/c", "1")})
    assert catalog_of(one, two, rules=rules).claims["a-b-c-1.example.com"] == "a/b-c"
    assert catalog_of(one, two, rules=rules, incumbents=held).claims["a-b-c-1.example.com"] == "a-b/c"


def test_a_hostname_that_is_too_long_is_not_granted() -> None:
    """More than 253 characters cannot be resolved; the stage runs without it."""
    rules = replace(RULES, domain=".".join(["d" * 60] * 4))
    catalog = catalog_of(project(stages=[stage("dev", "1", domains=["www.example.org"])]), rules=rules)
    assert catalog.claims == {"www.example.org": "shop/dev"}
    assert reasons(catalog) == ["HostnameTooLong", "HostnameTooLong"]
    assert catalog.stages["shop/dev"].instances[0].hostname is None


@pytest.mark.parametrize(("up", "winner"), [({}, "a/b-c"), ({"a-b/c": ["1"]}, "a-b/c")])
def test_two_stages_never_write_one_volume(up: dict[str, list[str]], winner: str) -> None:
    """The stage that runs has it, then the order of documents; the other is left exactly as it is."""
    volumes = [{"name": "d", "mountPath": "/d"}]
    one = project("a-b", stages=[stage("c", "1")], volumes=volumes)
    two = project("a", stages=[stage("b-c", "1")], volumes=volumes)
    catalog = catalog_of(one, two, incumbents=running(up))
    loser = ({"a-b/c", "a/b-c"} - {winner}).pop()
    assert (catalog.stages[winner].suspend, catalog.stages[loser].suspend) == (False, True)
    assert reasons(catalog, loser) == ["VolumeCollision"]


def test_a_stage_knows_what_others_claim() -> None:
    """Declared or not, it is told all hostnames that belong to others."""
    catalog = catalog_of(project("shop", stages=[stage("dev")]), project("blog", stages=[stage("dev")]))
    assert catalog.stage("shop/dev").claimed_elsewhere == {"stage-dev-blog.example.com"}
    gone = catalog.stage("old/dev")
    assert (gone.declared, gone.project, gone.stage, gone.prune) == (False, "old", "dev", True)
    assert gone.claimed_elsewhere == {"stage-dev-blog.example.com", "stage-dev-shop.example.com"}


def test_generation_names_what_is_desired_and_not_where_it_stands() -> None:
    """Lines, files and the claims of others leave it alone; a field or a tag does not."""
    here = catalog_of(project(line=1, stages=[stage("dev", "1")]), project("blog", stages=[stage("dev")]))
    there = catalog_of(project(line=9, at="other.yaml", stages=[stage("dev", "1")]))
    drained = catalog_of(project(drain="1s", stages=[stage("dev", "1")]))
    retagged = catalog_of(project(stages=[stage("dev", "2")]))
    generations = [build.generation(catalog.stage("shop/dev")) for catalog in (here, there, drained, retagged)]
    assert generations[0] == generations[1]
    assert len({*generations}) == 3
    assert all(len(digest) == 12 for digest in generations)


def test_the_digest_names_the_catalog() -> None:
    """Equal documents give an equal digest, on any line; another tag or a waiting request gives another."""
    base = catalog_of(project(stages=[stage("dev", "1")]))
    assert catalog_of(project(line=5, stages=[stage("dev", "1")])).digest == base.digest
    assert catalog_of(project(stages=[stage("dev", "2")])).digest != base.digest
    assert catalog_of(project(stages=[stage("dev", "1")]), request("1", to="shop/qa")).digest != base.digest
