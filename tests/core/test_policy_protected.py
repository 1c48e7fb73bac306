"""What is protected stays out of reach however wide the allowed roots are: from above, from below, and itself."""

import pytest

from controller.core.model.policy import PROTECTED, PolicyRules, violations

WIDE = PolicyRules(bind_roots=("/",), protected=("/srv/data/holdfast",))


def allowed(source: str) -> list[bool]:
    """Whether a container may bind this path, as a mount and in the short form."""
    mount = {"Type": "bind", "Source": source, "Target": "/x"}
    hosts: tuple[dict[str, object], ...] = ({"Mounts": [mount]}, {"Binds": [f"{source}:/x"]})
    return [not violations({"Image": "registry.test/shop", "HostConfig": host}, WIDE) for host in hosts]


@pytest.mark.parametrize("path", [*PROTECTED, "/srv/data/holdfast"])
@pytest.mark.parametrize("below", ["", "/inner", "/inner/most"], ids=["itself", "child", "grandchild"])
def test_nothing_protected_and_nothing_in_it_is_bound(path: str, below: str) -> None:
    """Safety: not even where policy.bindRoots allows everything."""
    assert allowed(path + below) == [False, False]


@pytest.mark.parametrize("source", ["/", "/srv", "/srv/data", "/srv/data/", "/var"])
def test_a_folder_above_something_protected_is_not_bound(source: str) -> None:
    """Safety: whoever has the folder has what is in it."""
    assert allowed(source) == [False, False]


@pytest.mark.parametrize("source", ["/srv/data/holdfast-other", "/srv/data/shop", "/srv/dat"])
def test_a_path_that_only_begins_alike_is_allowed(source: str) -> None:
    """Paths are compared by whole segments."""
    assert allowed(source) == [True, True]
