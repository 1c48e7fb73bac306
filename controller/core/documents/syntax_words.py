"""What a YAML parser's error means for the person who wrote the text."""

from typing import NamedTuple

from controller.core.documents.yaml_tree import Mark


class ParserError(NamedTuple):
    """A syntax error as the parser reports it: where it stopped, at which character, and where the construct began."""

    problem: str
    context: str
    char: str
    mark: Mark
    begin: Mark


class Explanation(NamedTuple):
    """A syntax error as a person reads it."""

    message: str
    help: str
    mark: Mark


class _Rule(NamedTuple):
    """The explanation of errors that have one of `words`. `at_begin`: its place is where the construct began."""

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
    _Rule(("node content",), "a value is missing here", "write one, or close the bracket that was opened before"),
    _Rule(
        ("flow sequence", "flow mapping"),
        "expected ',' or the closing bracket here",
        "the bracket opened in {begin} is not closed, or a comma is missing; text that holds ': ' needs quotes",
    ),
    _Rule(
        ("mapping values are not allowed",),
        "a second ': ' in one value, or a wrong indentation",
        "put a value that holds ': ' in quotes, or indent the line like its neighbours",
    ),
    _Rule(("sequence entries are not allowed",), "a list cannot begin here", "begin the list on a line of its own"),
    _Rule(("cannot start any token",), "a value cannot begin with '{char}'", "put the value in quotes"),
    _Rule(("escape",), "unknown escape sequence in double quotes", "write the character itself, or use single quotes"),
    _Rule(
        ("could not find expected ':'",),
        "expected 'name: value'",
        "write ':' and a blank after the field's name",
        at_begin=True,
    ),
    _Rule(
        ("block collection", "block mapping"),
        "this line does not continue the block that began in {begin}",
        "indent it like its neighbours; nothing may follow a closing quote",
    ),
)


def explain(error: ParserError) -> Explanation:
    """The explanation of an error; the parser's own words where there is no better one."""
    if error.char == "\t":
        return Explanation("YAML allows no tab for indentation", "indent with spaces", error.mark)
    text = f"{error.problem} {error.context}"
    begin = f"line {error.begin.line}, column {error.begin.column}"
    for rule in _RULES:
        if any(word in text for word in rule.words):
            return Explanation(
                rule.message.format(char=error.char, begin=begin),
                rule.help.format(begin=begin),
                error.begin if rule.at_begin else error.mark,
            )
    help = "compare the indentation and the quotes with the lines around"
    return Explanation(f"this is not YAML: {error.problem}", help, error.mark)
