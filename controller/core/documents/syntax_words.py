"""What a YAML parser's complaint means for the person who wrote the text."""

from typing import NamedTuple

from controller.core.documents.yaml_tree import Mark


class Complaint(NamedTuple):
    """A syntax error as the parser tells it: where it stopped, what it found there, and where the construct began."""

    problem: str
    context: str
    char: str
    mark: Mark
    begun: Mark


class Explanation(NamedTuple):
    """A syntax error as a person reads it."""

    message: str
    help: str
    mark: Mark


class _Rule(NamedTuple):
    words: tuple[str, ...]
    message: str
    help: str
    at_begin: bool = False


_RULES = (
    _Rule(
        ("unexpected end of stream", "document separator"),
        "the quotes that begin here are never closed",
        "close them at the end of the text",
        at_begin=True,
    ),
    _Rule(("node content",), "expected a value here", "write one, or close the bracket that was opened before"),
    _Rule(
        ("flow sequence", "flow mapping"),
        "expected ',' or the closing bracket here",
        "the bracket opened in {begun} is not closed, or a comma is missing; text that holds ': ' needs quotes",
    ),
    _Rule(
        ("mapping values are not allowed",),
        "a second ': ' in one value, or a wrong indentation",
        "put a value that holds ': ' in quotes, or indent the line like its neighbours",
    ),
    _Rule(("sequence entries are not allowed",), "a list cannot begin here", "begin it on a line of its own"),
    _Rule(("cannot start any token",), "a value cannot begin with '{char}'", "put the value in quotes"),
    _Rule(("escape",), "an unknown escape in double quotes", "write the character itself, or use single quotes"),
    _Rule(
        ("could not find expected ':'",),
        "expected 'name: value'",
        "write ':' and a blank after the field's name",
        at_begin=True,
    ),
    _Rule(
        ("block collection", "block mapping"),
        "this does not continue what began in {begun}",
        "indent it like its neighbours; nothing may follow a closing quote",
    ),
)


def explain(complaint: Complaint) -> Explanation:
    """The explanation of a complaint; the parser's own words where there is no better one."""
    if complaint.char == "\t":
        return Explanation("a tab is no indentation in YAML", "indent with spaces", complaint.mark)
    told = f"{complaint.problem} {complaint.context}"
    place = f"line {complaint.begun.line}, column {complaint.begun.column}"
    for rule in _RULES:
        if any(word in told for word in rule.words):
            return Explanation(
                rule.message.format(char=complaint.char, begun=place),
                rule.help.format(begun=place),
                complaint.begun if rule.at_begin else complaint.mark,
            )
    help = "compare the indentation and the quotes with the lines around"
    return Explanation(f"this is not YAML: {complaint.problem}", help, complaint.mark)
