"""The flat form of a spec: what it says, what it hides, and what two of them differ in."""

import pytest

from controller.core.model.desired import DesiredStage, Env, Mount, SecretRef, Template
from controller.core.planning import spec_fields
from controller.core.planning.spec_fields import FieldChange


def stage(**template: object) -> DesiredStage:
    """A stage whose containers are made like this."""
    return DesiredStage("shop/dev", "shop", "dev", template=Template("example.com/shop", **template))  # type: ignore[arg-type]


def test_every_field_of_a_template_is_flattened_by_the_name_it_has_in_a_document() -> None:
    """What is set has a path; what is not set has none."""
    full = stage(
        command=("./serve", "--all"),
        args=(),
        user="1000",
        labels=(("team", "web"),),
        env=(Env("LOG_LEVEL", "info"), Env("DB", SecretRef("file", "/run/secrets/db"))),
        memory=256 << 20,
        cpus=0.5,
        mounts=(Mount("shop-dev-up", "/data"), Mount("/srv/a", "/a", read_only=True, bind=True)),
    )
    assert spec_fields.flatten(full, "1.0") == {
        "args": "[]",
        "command": '["./serve", "--all"]',
        "env.DB": "file:/run/secrets/db",
        "env.LOG_LEVEL": "info",
        "image": "example.com/shop",
        "labels.team": "web",
        "resources.cpus": "0.5",
        "resources.memory": "256Mi",
        "tag": "1.0",
        "user": "1000",
        "volumes./a": "/srv/a (read-only)",
        "volumes./data": "shop-dev-up",
    }
    assert spec_fields.flatten(stage(), "1.0") == {"image": "example.com/shop", "tag": "1.0"}


@pytest.mark.parametrize(
    "template",
    [
        {"env": (Env("DB_PASSWORD", "hunter2"),)},
        {"env": (Env("githubToken", "hunter2"),)},
        {"env": (Env("API_KEY", "hunter2"),)},
        {"env": (Env("DATABASE_URL", "postgres://app:hunter2@db:5432/app"),)},
        {"args": ("--db-password", "hunter2", "-v")},
        {"args": ("--token=hunter2",)},
        {"command": ("./serve", "redis://:hunter2@cache/0")},
        {"labels": (("dsn", "mysql://root:hunter2@db"),)},
    ],
)
def test_a_literal_that_looks_like_a_secret_is_masked(template: dict[str, object]) -> None:
    """The value is nowhere in the flat form, and the field is named as masked."""
    flat = spec_fields.flatten(stage(**template), "1.0")
    assert "hunter2" not in str(flat)
    assert len(spec_fields.masked(flat)) == 1


def test_what_is_beside_a_mask_stays_readable() -> None:
    """Only the secret part of a URL or of a command line is hidden."""
    flat = spec_fields.flatten(
        stage(env=(Env("URL", "postgres://app:pw@db/app"),), args=("--password", "pw", "--port", "80")), "1.0"
    )
    assert flat["env.URL"] == "postgres://app:***@db/app"
    assert flat["args"] == '["--password", "***", "--port", "80"]'


def test_fields_are_what_was_added_changed_and_removed() -> None:
    """Equal fields are left out, the others come in the order of their paths."""
    old = {"env.A": "1", "env.B": "2", "image": "x"}
    new = {"env.C": "3", "env.B": "4", "image": "x"}
    assert spec_fields.fields(old, new) == (
        FieldChange("env.A", "1", None),
        FieldChange("env.B", "2", "4"),
        FieldChange("env.C", None, "3"),
    )
    assert spec_fields.fields(old, old) == ()
