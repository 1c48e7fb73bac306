"""Reading documents: bad ones give place and help, good ones are read, and no text makes the reader raise."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import yaml_text
from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import render
from controller.core.documents.spec import DeployRequest, Project
from controller.core.model.errors import Diagnostic
from controller.core.model.limits import LIMITS, MAX_DIAGNOSTICS, MAX_EXCERPT, MAX_MESSAGE
from controller.intake.sources.reader import read_text
from tests.core.bad_documents import BOMBS, HEAD, REQUEST, TABLE, Row, spec, spec_of, stage

ROWS = pytest.mark.parametrize("row", TABLE, ids=[row.id for row in TABLE])
BOMB_ROWS = pytest.mark.parametrize("row", BOMBS, ids=[row.id for row in BOMBS])


def place(diagnostic: Diagnostic) -> str:
    """line:column of a mistake."""
    return f"{diagnostic.line}:{diagnostic.column}"


@ROWS
def test_each_mistake_has_its_code_place_and_help(row: Row) -> None:
    """A bad text gives exactly the mistakes of the table, and no document that could be taken for its author's wish."""
    reading = read_text(row.text, "desired/web.yaml")
    assert [(str(diagnostic.code), place(diagnostic)) for diagnostic in reading.diagnostics] == [
        mistake[:2] for mistake in row.mistakes
    ]
    for diagnostic, (_, _, word) in zip(reading.diagnostics, row.mistakes, strict=True):
        assert word in f"{diagnostic.message} {diagnostic.help}"
        assert len(diagnostic.message) <= MAX_MESSAGE
        assert diagnostic.help
        assert not re.search(
            "[\x00-\x08\x0a-\x1f\x7f\u202e\u200b]", diagnostic.message + diagnostic.help + diagnostic.excerpt
        )
    assert reading.documents == ()


def read_line(text: str | bytes, number: int) -> str:
    """One line of a text."""
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return re.split("\r\n|\n|\r", decoded)[number - 1]


@ROWS
def test_the_caret_stands_under_the_mistake(row: Row) -> None:
    """The text for people shows the line and a caret in the mistake's column."""
    for diagnostic in read_text(row.text, "web.yaml").diagnostics:
        lines = render([diagnostic]).splitlines()
        assert lines[1].startswith(f"  --> web.yaml:{diagnostic.line}:{diagnostic.column}")
        if diagnostic.excerpt:
            gutter = lines[2].index("|") + 2
            before = diagnostic.excerpt[: lines[3].index("^") - gutter]
            assert len(before) == diagnostic.column - 1 - diagnostic.cut
            original = read_line(row.text, diagnostic.line)
            assert "*" in diagnostic.excerpt or before.lstrip("… ") in original[: diagnostic.column - 1]


@BOMB_ROWS
def test_a_bomb_is_refused_at_once(row: Row) -> None:
    """A text that costs more than it looks is refused in a tenth of a second, at its first mistake."""
    (code, where, word), *_ = row.mistakes
    fastest = min(_seconds(lambda: read_text(row.text, "x")) for _ in range(3))
    reading = read_text(row.text, "x")
    first = next(diagnostic for diagnostic in reading.diagnostics if diagnostic.code == code)
    assert (place(first), word in first.message + first.help) == (where, True)
    assert reading.documents == ()
    assert len(reading.diagnostics) <= MAX_DIAGNOSTICS + 1
    assert fastest < 0.1


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def test_every_code_has_an_example() -> None:
    """No code exists that the tables do not show."""
    shown = {code for row in (*TABLE, *BOMBS) for code, _, _ in row.mistakes}
    assert {str(code) for code in Code} - shown == {str(Code.TOO_MANY)}


@pytest.mark.parametrize("row", [*TABLE, *BOMBS], ids=[row.id for row in (*TABLE, *BOMBS)])
def test_both_parsers_give_one_answer(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the C library the same mistakes are found in the same lines."""
    with_library = read_text(row.text, "x").diagnostics
    monkeypatch.setattr(yaml_text, "PARSERS", yaml_text.PARSERS[::-1])
    without = read_text(row.text, "x").diagnostics
    assert [(diagnostic.code, diagnostic.line) for diagnostic in with_library] == [
        (diagnostic.code, diagnostic.line) for diagnostic in without
    ]


GOOD = """\
apiVersion: holdfast.dev/v1alpha1
kind: Project
metadata: {name: shop}
spec:
  image: registry.example.com/team/shop      # repository, no tag
  port: 8080
  healthCheck: {path: /healthz, retries: 3, interval: 5s, timeout: 10s}
  env:
    - {name: LOG_LEVEL, value: info}
    - {name: DB_PASSWORD, valueFrom: {file: /run/secrets/shop-db}}
  resources: {memory: 256Mi, cpus: "0.5"}
  volumes: [{name: uploads, mountPath: /data, readOnly: true}]
  preDeploy: {command: [./migrate], timeout: 5m}
  stages:
    - name: dev
      maxInstances: 3
      instances:
        - {tag: 1.4.2}
        - {tag: feature-login, ttl: 72h}
    - name: prod
      host: home-1
      domains: [shop.example.com]
      defaultTag: 1.4.2
      env: [{name: LOG_LEVEL, value: warning}]
      instances: [{tag: 1.4.2}]
---
apiVersion: holdfast.dev/v1alpha1
kind: DeployRequest
metadata: {name: shop-dev-1-5-0}
spec: {project: shop, stage: dev, tag: 1.5.0}
"""


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.encode(),
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "---\n" + GOOD + "---\n---\n# the end\n...\n",
        "# a comment\n\n" + GOOD,
    ],
    ids=["text", "bytes", "bom", "crlf", "cr", "separators", "comments"],
)
def test_the_example_of_the_design_is_read(text: str | bytes) -> None:
    """Both documents are read whatever the ends of lines, the byte order mark and the separators."""
    reading = read_text(text, "shop.yaml")
    assert reading.diagnostics == []
    project, request = [sourced.document for sourced in reading.documents]
    assert isinstance(project, Project)
    assert isinstance(request, DeployRequest)
    assert [instance.tag for instance in project.spec.stages[0].instances] == ["1.4.2", "feature-login"]
    assert request.spec.tag == "1.5.0"


def test_documents_know_their_place() -> None:
    """A document carries its file and the line it begins in."""
    reading = read_text("# first\n" + GOOD, "desired/shop.yaml")
    assert [(sourced.origin.path, sourced.origin.line) for sourced in reading.documents] == [
        ("desired/shop.yaml", 2),
        ("desired/shop.yaml", 28),
    ]


def test_json_is_read() -> None:
    """JSON is YAML enough, tabs included."""
    text = '{\n\t"apiVersion": "holdfast.dev/v1alpha1",\n\t"kind": "Project",\n'
    text += '\t"metadata": {"name": "a"},\n\t"spec": {"image": "x/y", "port": 80}\n}\n'
    reading = read_text(text, "a.json")
    assert reading.diagnostics == []
    assert len(reading.documents) == 1


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n---\n", "\ufeff"])
def test_a_text_without_documents_is_no_mistake(text: str) -> None:
    """Whether an empty file may be empty is for the source to say."""
    reading = read_text(text, "x")
    assert (reading.documents, reading.diagnostics) == ((), [])


def test_one_bad_document_keeps_no_other_from_being_read() -> None:
    """The good documents of a file are there beside the mistakes of the bad ones, a syntax error included."""
    reading = read_text(f"{spec('port: 0')}---\na: [1\n---\n{spec('port: 80')}---\nx: 'y\n", "x")
    assert [str(diagnostic.code) for diagnostic in reading.diagnostics] == ["E0110", "E0001", "E0001"]
    assert [sourced.origin.line for sourced in reading.documents] == [10]


@pytest.mark.parametrize(
    "text",
    [
        stage("strategy: BlueGreen", "maxInstances: 3"),
        spec("volumes: [{name: a, mountPath: /x}]", "stages: [{name: d, maxInstances: 2, strategy: BlueGreen}]"),
        spec("volumes: [{name: a, mountPath: /x, readOnly: true}]", "stages: [{name: d, maxInstances: 2}]"),
        spec("volumes: [{name: a, mountPath: /x}]", "stages: [{name: d, maxInstances: 1}]"),
        stage("defaultTag: v1", "instances: [{tag: v1, ttl: 1h}, {tag: v1}]"),
        stage("defaultTag: v2", "instances: [{tag: v1, ttl: 1h}]"),
        stage("instances: []"),
        spec("healthCheck: {type: http}", "stages: [{name: a, healthCheck: {port: 81}}]"),
        spec("healthCheck: {port: 81}", "stages: [{name: a, healthCheck: {type: tcp}}]"),
        spec('healthCheck: {liveness: 0s, startPeriod: 0s}', "bake: 0s", "drain: 0s"),
        spec('env: [{name: EMPTY, value: ""}, {name: MANY, value: "a\\nb"}]'),
        spec("volumes: [{name: a, mountPath: /dev/shm}, {name: b, mountPath: /x..y}]"),
        spec('labels: {team: a, example.com/x: "1"}', "user: nobody", "args: ['no', '1']"),
        spec_of("image: localhost:5000/a/b_c"),
        spec_of("image: nginx"),
    ],
)  # fmt: skip
def test_what_only_looks_wrong_is_read(text: str) -> None:
    """The rules between fields refuse no more than they say."""
    reading = read_text(text, "x")
    assert reading.diagnostics == []
    assert len(reading.documents) == 1


def test_a_literal_value_is_never_repeated() -> None:
    """What stands after value: may be a password: no part of a mistake shows it."""
    texts = [
        spec("env: [{name: A, value: 1234567890}]"),
        spec("env:", "  - name: A", "    value: 1234567890", "    value: 1234567890"),
        spec('env: [{name: "A B", value: "1234567890"}]'),
        spec("env: [{name: A, value: 1234567890 }"),
        spec("env: [{name: A, value: 1234567890, valu: x}]"),
        spec("env:", "  - {name: A, value: 1234567890, nope: x, value: 1234567890}"),
        spec("env:", "  - {value: '1234567890, 1234567890, name: A}"),
        spec("env:", "  - value: a,1234567890", "    nope: 1"),
        spec('env: [{"value": "12345\\"67890", "name": "A B"}, {value: "1234567890", name: "A B"}]'),
    ]
    for text in texts:
        diagnostics = read_text(text, "x").diagnostics
        assert diagnostics
        assert "1234567890" not in repr(diagnostics) + render(diagnostics)


def test_many_mistakes_are_counted_not_listed() -> None:
    """Beyond the limit one line says how many more there are."""
    text = "---\n".join(spec(*[f"x{i}: 1" for i in range(60)]) for _ in range(3))
    diagnostics = read_text(text, "x").diagnostics
    assert len(diagnostics) == MAX_DIAGNOSTICS + 1
    assert diagnostics[-1].code == Code.TOO_MANY
    assert "more" in diagnostics[-1].message


def test_a_long_line_is_shown_around_the_mistake() -> None:
    """The excerpt stays short and the caret under the mistake, in a line of a megabyte too."""
    text = '{"apiVersion": "holdfast.dev/v1alpha1", "kind": "Project", "metadata": {"name": "a", "labels": {"x": "'
    text += "y" * 500_000 + '"}}, "spec": {"image": "x", "prot": 1}, "x": "' + "z" * 400_000 + '"}'
    first = read_text(text, "x").diagnostics[0]
    assert len(first.excerpt) <= MAX_EXCERPT
    assert first.excerpt[first.column - 1 - first.cut :].startswith('"prot"')


def test_many_mistakes_in_one_long_line_take_no_longer() -> None:
    """A megabyte of JSON in one line, wrong in a hundred places, is answered in a fraction of a second."""
    text = "{" + ", ".join(f"? [a{i}] : {{name: A, value: x}}" for i in range(1500)) + f", x: '{'y' * 900_000}'}}"
    diagnostics: list[Diagnostic] = []
    assert _seconds(lambda: diagnostics.extend(read_text(text, "x").diagnostics)) < 0.5
    assert len(diagnostics) == MAX_DIAGNOSTICS + 1


def test_errors_look_like_those_of_a_compiler() -> None:
    """The whole text for one mistake, and the line that closes several."""
    diagnostics = read_text(spec_of("image: x", "startegy: BlueGreen", "port: 0"), "desired/blog.yaml").diagnostics
    assert render(diagnostics) == (
        "error[E0104]: unknown field 'startegy'\n"
        "  --> desired/blog.yaml:6:3  (spec.startegy)\n"
        " 6 |   startegy: BlueGreen\n"
        "   |   ^\n"
        "   = help: did you mean 'strategy'?\n"
        "\n"
        "error[E0110]: the number must be at least 1\n"
        "  --> desired/blog.yaml:7:9  (spec.port)\n"
        " 7 |   port: 0\n"
        "   |         ^\n"
        "   = help: write 1 or more\n"
        "\n"
        "2 errors\n"
    )


def test_wide_characters_move_the_caret() -> None:
    """The caret stands under the mistake where characters are two columns wide."""
    diagnostics = read_text(
        HEAD + "  image: x\n  labels: {\u65e5\u672c: x}\n  env: [{name: \u65e5, nope: x}]\n", "x"
    ).diagnostics
    caret = render([diagnostic for diagnostic in diagnostics if "nope" in diagnostic.message]).splitlines()[3]
    assert caret == " " * 3 + "| " + " " * len("  env: [{name: , ") + "  " + "^"


def test_limits_are_told() -> None:
    """Each limit has words, a positive value and a unit."""
    assert all(limit.what and limit.value > 0 and limit.unit for limit in LIMITS)
    assert len({limit.what for limit in LIMITS}) == len(LIMITS)


@given(st.one_of(st.text(), st.binary()))
def test_nothing_makes_the_reader_raise(data: str | bytes) -> None:
    """Any text and any bytes give an answer."""
    reading = read_text(data, "x")
    assert render(reading.diagnostics) or not reading.diagnostics


WORDS = """apiVersion kind Project DeployRequest metadata name spec image port env value stages instances tag ttl
- : ? [ ] { } , & * ! | > ' " # % @ ` --- ... << ~ null yes no 1 1.10 0x1 2024-01-01 22:22"""
TOKENS = st.sampled_from([*WORDS.split(), "\t", "\n", "\n  "])


@given(st.lists(TOKENS, max_size=60).map(lambda parts: GOOD[:200] + " ".join(parts) + "\n" + GOOD[200:]))
def test_a_mangled_document_makes_nothing_raise(text: str) -> None:
    """A document with rubbish in its middle is answered, and read only when nothing is wrong with it."""
    reading = read_text(text, "x")
    assert reading.documents or reading.diagnostics
    assert all(diagnostic.line <= text.count("\n") + 1 for diagnostic in reading.diagnostics)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), st.sampled_from(["name", "tag", "project"]))
def test_text_in_quotes_is_kept_or_refused(text: str, field: str) -> None:
    """A quoted value arrives unchanged, or its document is refused; it is never turned into something else."""
    fields = {"name": '"r"', "tag": '"v1"', "project": '"shop"'}
    quoted = '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'
    fields[field] = quoted
    body = f"{{project: {fields['project']}, stage: dev, tag: {fields['tag']}}}\n"
    reading = read_text(REQUEST.replace("{name: r}", f"{{name: {fields['name']}}}") + body, "x")
    for document in (sourced.document for sourced in reading.documents):
        assert isinstance(document, DeployRequest)
        values = {"name": document.metadata.name, "tag": document.spec.tag, "project": document.spec.project}
        assert values[field] == text
    assert bool(reading.documents) != bool(reading.diagnostics)
