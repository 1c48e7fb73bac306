"""Strict YAML: text to trees with places, for documents and settings. The only importer of yaml.

Everything that YAML readers disagree about, or that costs more than it says (anchors, aliases, merge keys, tags,
duplicate keys, deep nesting), is reported with its place and never guessed. Only the parser's events are used, so
nothing is ever expanded or constructed. `scan` never raises, whatever it is given.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import LINE_BREAK, Page
from controller.core.documents.syntax_words import Complaint, explain
from controller.core.documents.yaml_tree import Fields, Items, Kind, Mark, Node, Scalar, Unread
from controller.core.model.limits import MAX_DEPTH, MAX_DOCUMENTS, MAX_FILE_BYTES, MAX_NODES


class _PureParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's parser without its composer, for where the C library is missing."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


PARSERS: tuple[Any, ...] = (yaml.cyaml.CParser, _PureParser) if yaml.__with_libyaml__ else (_PureParser,)  # type: ignore[attr-defined]
"""The first one is used. libyaml is fifteen times faster; its recursive composer, which can crash, is never entered."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|$)", re.MULTILINE)
_DIRECTIVES = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*%")
_OTHER_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+|[-+]?0o[0-7]+")
"""Numbers to readers of YAML 1.2 and to kubectl, though not to PyYAML; a commit such as 1234e56 is one."""

_LETTERS = frozenset("abcdeghijklmpqrsuvwxzABCDEGHIJKLMPQRSUVWXZ/")
"""Text that begins with one of these is text to everybody; what is left may be a number, on, no, true or null."""

_KINDS: dict[str, Kind] = {
    "bool": "yes/no", "int": "number", "float": "number", "timestamp": "date", "null": "nothing",
}  # fmt: skip
_RESOLVER: Any = yaml.resolver.Resolver()


@dataclass(frozen=True)
class Tree:
    """One document of a text. `sound` False: something in it was reported."""

    root: Node
    line: int
    sound: bool


@dataclass(frozen=True)
class Scan:
    """What a text holds; `page` has what is wrong with it."""

    trees: tuple[Tree, ...]
    page: Page


class _Stop(Exception):
    """The rest of the text is not worth reading."""


def scan(data: bytes | str, source: str) -> Scan:
    """Read a text into trees, one per document that is not empty; what is wrong is reported to the page."""
    text, page, fine = _decode(data, source)
    trees: list[Tree] = []
    if not fine:
        return Scan((), page)
    if (mark := _forbidden(text)) is not None:
        page.add(mark, Code.CONTROL, "there is a control character here", "remove it; in quotes write it as \\x..")
        return Scan((), page)
    budget = _Budget()
    try:
        for line, part in _parts(text, page):
            trees += _Reader(part, line, page, budget).trees()
    except _Stop:
        pass
    return Scan(tuple(trees), page)


def _decode(data: bytes | str, source: str) -> tuple[str, Page, bool]:
    try:
        raw = data if isinstance(data, bytes) else data.encode("utf-8")
        if len(raw) > MAX_FILE_BYTES:
            page = Page(source, "")
            message = f"the file has {len(raw)} bytes, at most {MAX_FILE_BYTES} are read"
            page.add(Mark(1, 1), Code.SIZE, message, "split it into several files")
            return "", page, False
        text = raw.decode("utf-8").removeprefix("\ufeff")
        return text, Page(source, text), True
    except UnicodeDecodeError as error:
        before = LINE_BREAK.split(error.object[: error.start].decode("utf-8", "replace"))
        shown = error.object[: error.start + 200].decode("utf-8", "replace")
    except UnicodeEncodeError as error:
        before = LINE_BREAK.split(error.object[: error.start])
        shown = error.object[: error.start + 200]
    page = Page(source, shown.removeprefix("\ufeff"))
    page.add(Mark(len(before), len(before[-1]) + 1), Code.ENCODING, "this is not UTF-8 text", "save the file as UTF-8")
    return "", page, False


def _forbidden(text: str) -> Mark | None:
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    before = LINE_BREAK.split(text[: found.start()])
    return Mark(len(before), len(before[-1]) + 1)


def _parts(text: str, page: Page) -> Iterator[tuple[int, str]]:
    """The text cut before each `---`, so that a mistake in one document does not hide those of the next."""
    starts = [0, *(found.start() for found in _SEPARATOR.finditer(text) if found.start())]
    if len(starts) > MAX_DOCUMENTS:
        page.add(Mark(1, 1), Code.NODES, f"there are more than {MAX_DOCUMENTS} documents here", "split the file")
        return
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        yield line, part
        if end < len(text):
            line += len(LINE_BREAK.findall(part))


class _Budget:
    """Values that may still be read of this text."""

    def __init__(self) -> None:
        self.left = MAX_NODES


class _Reader:
    """Builds the trees of one part from the parser's events."""

    def __init__(self, text: str, line: int, page: Page, budget: _Budget) -> None:
        self._text = text
        self._line = line
        self._page = page
        self._budget = budget
        self._sound = True

    def trees(self) -> list[Tree]:
        """The documents of this part that are not empty; on a syntax error those before it."""
        found: list[Tree] = []
        if directive := _DIRECTIVES.match(self._text):
            line = self._line + len(LINE_BREAK.findall(directive[0]))
            self._page.add(Mark(line, 1), Code.DIRECTIVE, "a directive is not read", "remove this line")
            return found
        try:
            events: Iterator[yaml.Event] = yaml.parse(self._text, Loader=PARSERS[0])
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self._sound = True
                    root = self._node(events, next(events), 1)
                    if not (isinstance(root, Scalar) and root.kind == "nothing"):
                        found.append(Tree(root, root.mark.line, self._sound))
        except yaml.YAMLError as error:
            self._syntax(error)
        return found

    def _node(self, events: Iterator[yaml.Event], event: yaml.Event, depth: int) -> Node:
        mark = self._mark(event.start_mark)
        self._budget.left -= 1
        if self._budget.left < 0:
            self._fatal(mark, Code.NODES, f"there are more than {MAX_NODES} values in this file", "split the file")
        if depth > MAX_DEPTH:
            self._deep(mark)
        if isinstance(event, yaml.AliasEvent):
            self._report(mark, Code.ALIAS, f"'*{event.anchor}' repeats another part", "write the value out here")
            return Unread(mark)
        assert isinstance(event, yaml.NodeEvent)
        self._marks_of(event, mark)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, mark)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self._node(events, event, depth + 1))
            return Items(mark, tuple(items))
        return self._fields(events, mark, depth)

    def _fields(self, events: Iterator[yaml.Event], mark: Mark, depth: int) -> Node:
        entries: dict[str, tuple[Mark, Node]] = {}
        lost = False
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._node(events, event, depth + 1)
            value = self._node(events, next(events), depth + 1)
            name = self._key(key, isinstance(event, yaml.ScalarEvent) and not event.style)
            if name is None:
                lost = True
                continue
            if name in entries:
                message = f"field '{name}' is here twice, first in line {entries[name][0].line}"
                self._report(key.mark, Code.DUPLICATE_KEY, message, "keep one of the two")
            entries[name] = (key.mark, value)
        return Unread(mark) if lost and not entries else Fields(mark, entries)

    def _key(self, key: Node, bare: bool) -> str | None:
        if isinstance(key, Unread):
            return None
        if not isinstance(key, Scalar):
            self._report(
                key.mark, Code.KEY, "a list or mapping is no name for a field",
                "write 'name: value'; text that begins with { or [ needs quotes",
            )  # fmt: skip
            return None
        if bare and key.text == "<<":
            self._report(key.mark, Code.MERGE, "a merge key is not read", "write the fields out here")
            return None
        if key.kind != "text":
            was = f"a {key.kind}" if key.kind != "nothing" else "nothing"
            self._report(
                key.mark, Code.KEY, f"field '{key.text}' without quotes is {was} to YAML",
                f'put it in quotes: "{key.text}":',
            )  # fmt: skip
            return None
        return key.text

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Node:
        text = event.value
        if _UNSTORABLE.search(text):
            what = "a NUL character" if "\0" in text else "half of a character"
            self._report(mark, Code.UNSTORABLE, f"the text holds {what}", "remove it, or write the whole character")
            return Unread(mark)
        if event.style or text[:1] in _LETTERS:
            return Scalar(mark, text)
        if _OTHER_NUMBER.fullmatch(text):
            return Scalar(mark, text, "number")
        tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
        return Scalar(mark, text, _KINDS.get(tag.rsplit(":", 1)[-1], "text"))

    def _marks_of(self, event: yaml.NodeEvent, mark: Mark) -> None:
        if event.anchor is not None:
            self._report(mark, Code.ALIAS, f"the anchor '&{event.anchor}' is not read", f"remove '&{event.anchor}'")
        tag = getattr(event, "tag", None)
        if tag is not None:
            short = tag.replace("tag:yaml.org,2002:", "!!")
            self._report(mark, Code.TAG, f"the type tag '{short}' is not read", "remove it and write plain text")

    def _syntax(self, error: yaml.YAMLError) -> None:
        problem = str(getattr(error, "problem", None) or error)
        context = str(getattr(error, "context", None) or "")
        place = getattr(error, "problem_mark", None)
        opened = getattr(error, "context_mark", None)
        mark = self._within(place) if place is not None else Mark(self._line, 1)
        if "nesting depth" in problem:
            self._deep(mark)
        begun = self._mark(opened) if opened is not None else mark
        told = explain(Complaint(problem, context, self._char(place), mark, begun))
        self._report(told.mark, Code.SYNTAX, told.message, told.help)

    def _char(self, place: Any) -> str:
        if place is None:
            return ""
        lines = LINE_BREAK.split(self._text)
        line = lines[place.line] if place.line < len(lines) else ""
        return line[place.column : place.column + 1]

    def _within(self, place: Any) -> Mark:
        """The parser's place, but not behind the last thing that is written: nobody sees the end of a file."""
        written = LINE_BREAK.split(self._text.rstrip())
        if (place.line, place.column) < (len(written) - 1, len(written[-1])):
            return self._mark(place)
        return Mark(self._line + len(written) - 1, len(written[-1]) + 1)

    def _mark(self, mark: Any) -> Mark:
        return Mark(self._line + mark.line, mark.column + 1)

    def _deep(self, mark: Mark) -> None:
        self._fatal(mark, Code.DEPTH, f"fields are nested deeper than {MAX_DEPTH} levels", "no document needs that")

    def _fatal(self, mark: Mark, code: Code, message: str, help: str) -> None:
        self._report(mark, code, message, help)
        raise _Stop

    def _report(self, mark: Mark, code: Code, message: str, help: str) -> None:
        self._sound = False
        self._page.add(mark, code, message, help)
        if self._page.full:
            raise _Stop
