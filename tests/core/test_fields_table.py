"""The table of fields and the tests that read them is complete, and its check would say so if it were not."""

from tests.fields import ROOT, TABLE, UNTESTED, Mark, fields, marks, page, problems, settings

ALL = {"field": (*fields("Project"), *fields("DeployRequest")), "setting": settings()}


def test_every_field_has_a_test_and_the_table_says_which() -> None:
    """Each value of the documents and the settings, by the marks of the tests as they are now."""
    marked = list(marks())
    assert problems(marked, ALL, UNTESTED) == []
    assert (ROOT / TABLE).read_text(encoding="utf-8") == page(marked)


def test_what_does_not_fit_is_named() -> None:
    """A field without a test, a mark without a field, an exception that is none any more."""
    wanted = {"field": ("spec.a", "spec.b"), "setting": ("x.y",)}
    marked = [Mark("field", "spec.a", "e2e/test_a.py", "test_a"), Mark("field", "spec.c", "e2e/test_a.py", "test_c")]
    assert problems(marked, wanted, {"x.y": "why"}) == [
        "no test reads the effect of the field spec.b",
        "tests/e2e/test_a.py: test_c reads spec.c, which is no field",
    ]
    assert problems([Mark("setting", "x.y", "a", "t")], {"setting": ("x.y",)}, {"x.y": "why"}) == [
        "UNTESTED names x.y, which is no setting or has a test"
    ]


def test_fields_that_a_stage_overrides_need_one_test() -> None:
    """What a stage overrides counts by its outermost field; what only a stage has by its own."""
    names = fields("Project")
    assert "spec.stages[].healthCheck" in names
    assert "spec.stages[].healthCheck.path" not in names
    assert "spec.stages[].instances[].ttl" in names
    assert len(set(names)) == len(names)
