"""Strict YAML: text to trees with places, for documents and settings. The only importer of yaml.

What YAML readers disagree about, and what costs more than it looks (anchors, aliases, merge keys, tags, duplicate keys,
deep nesting), is reported with its place. Only the parser's events are used, so nothing is ever expanded or
constructed. `scan` never raises, whatever it is given.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import LINE_BREAK, DiagnosticCollector
from controller.core.documents.syntax_words import ParserError, explain
from controller.core.documents.yaml_tree import Kind, MappingNode, Mark, Node, ScalarNode, SequenceNode, UnreadableNode
from controller.core.model.limits import MAX_DEPTH, MAX_DOCUMENTS, MAX_FILE_BYTES, MAX_NODES


class _PureParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's parser without its composer, for where the C library is missing."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


PARSERS: tuple[Any, ...] = (yaml.cyaml.CParser, _PureParser) if yaml.__with_libyaml__ else (_PureParser,)  # type: ignore[attr-defined]
"""The first one is used. libyaml is fifteen times faster; its recursive composer, which can crash, is not used."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|$)", re.MULTILINE)
_DIRECTIVES = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*%")
_OTHER_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+|[-+]?0o[0-7]+")
"""Numbers to readers of YAML 1.2 and to kubectl, though not to PyYAML; a commit such as 1234e56 is one."""

_LETTERS = frozenset("abcdeghijklmpqrsuvwxzABCDEGHIJKLMPQRSUVWXZ/")
"""Text that begins with one of these is text to all readers; other text may be a number, on, no, true or null."""

_KINDS: dict[str, Kind] = {
    "bool": "yes/no", "int": "number", "float": "number", "timestamp": "date", "null": "nothing",
}  # fmt: skip
_RESOLVER: Any = yaml.resolver.Resolver()


@dataclass(frozen=True)
class Tree:
    """One document of a text. `sound` False: a mistake in it was reported."""

    root: Node
    line: int
    sound: bool


@dataclass(frozen=True)
class Scan:
    """What a text holds; `collector` has what is wrong with it."""

    trees: tuple[Tree, ...]
    collector: DiagnosticCollector


class _Stop(Exception):
    """The rest of the text is not worth reading."""


def scan(data: bytes | str, source: str) -> Scan:
    """Read a text into trees, one per document that is not empty; mistakes are reported to the collector."""
    text, collector = _decode(data, source)
    if text is None:
        return Scan((), collector)
    forbidden = _FORBIDDEN.search(text)
    if forbidden is not None:
        mark = _mark_of_end(text[: forbidden.start()])
        message, help = "there is a control character here", "remove it; in quotes write it as \\x.."
        collector.add(mark, Code.CONTROL, message, help)
        return Scan((), collector)
    trees: list[Tree] = []
    budget = _Budget()
    try:
        for line, part in _parts(text, collector):
            trees += _Reader(part, line, collector, budget).trees()
    except _Stop:
        pass
    return Scan(tuple(trees), collector)


def _decode(data: bytes | str, source: str) -> tuple[str | None, DiagnosticCollector]:
    """The text, None when it cannot be read, and the collector of its mistakes."""
    try:
        raw = data if isinstance(data, bytes) else data.encode("utf-8")
        if len(raw) > MAX_FILE_BYTES:
            collector = DiagnosticCollector(source, "")
            message = f"the file has {len(raw)} bytes, more than {MAX_FILE_BYTES}"
            collector.add(Mark(1, 1), Code.SIZE, message, "split it into several files")
            return None, collector
        text = raw.decode("utf-8").removeprefix("\ufeff")
        return text, DiagnosticCollector(source, text)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")
        excerpt = error.object[: error.start + 200].decode("utf-8", "replace")
    except UnicodeEncodeError as error:
        before = error.object[: error.start]
        excerpt = error.object[: error.start + 200]
    collector = DiagnosticCollector(source, excerpt.removeprefix("\ufeff"))
    collector.add(_mark_of_end(before), Code.ENCODING, "this is not UTF-8 text", "save the file as UTF-8")
    return None, collector


def _mark_of_end(text: str) -> Mark:
    """The place behind a text."""
    lines = LINE_BREAK.split(text)
    return Mark(len(lines), len(lines[-1]) + 1)


def _parts(text: str, collector: DiagnosticCollector) -> Iterator[tuple[int, str]]:
    """The text cut before each `---`, so that a mistake in one document does not hide those of the next."""
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text) if match.start())]
    if len(starts) > MAX_DOCUMENTS:
        collector.add(Mark(1, 1), Code.NODES, f"there are more than {MAX_DOCUMENTS} documents here", "split the file")
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

    def __init__(self, text: str, line: int, collector: DiagnosticCollector, budget: _Budget) -> None:
        self._text = text
        self._line = line
        self._collector = collector
        self._budget = budget
        self._sound = True

    def trees(self) -> list[Tree]:
        """The documents of this part that are not empty; on a syntax error those before it."""
        trees: list[Tree] = []
        if directive := _DIRECTIVES.match(self._text):
            line = self._line + len(LINE_BREAK.findall(directive[0]))
            message = "a YAML directive is not allowed here"
            self._collector.add(Mark(line, 1), Code.DIRECTIVE, message, "remove this line")
            return trees
        try:
            events: Iterator[yaml.Event] = yaml.parse(self._text, Loader=PARSERS[0])
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self._sound = True
                    root = self._node(events, next(events), 1)
                    if not (isinstance(root, ScalarNode) and root.kind == "nothing"):
                        trees.append(Tree(root, root.mark.line, self._sound))
        except yaml.YAMLError as error:
            self._syntax(error)
        return trees

    def _node(self, events: Iterator[yaml.Event], event: yaml.Event, depth: int) -> Node:
        mark = self._mark(event.start_mark)
        self._budget.left -= 1
        if self._budget.left < 0:
            self._fatal(mark, Code.NODES, f"there are more than {MAX_NODES} values in this file", "split the file")
        if depth > MAX_DEPTH:
            self._too_deep(mark)
        if isinstance(event, yaml.AliasEvent):
            self._report(mark, Code.ALIAS, f"the alias '*{event.anchor}' is not allowed", "write the value out here")
            return UnreadableNode(mark)
        assert isinstance(event, yaml.NodeEvent)
        self._refuse_anchor_and_tag(event, mark)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, mark)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self._node(events, event, depth + 1))
            return SequenceNode(mark, tuple(items))
        return self._mapping(events, mark, depth)

    def _mapping(self, events: Iterator[yaml.Event], mark: Mark, depth: int) -> Node:
        entries: dict[str, tuple[Mark, Node]] = {}
        has_unreadable_key = False
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._node(events, event, depth + 1)
            value = self._node(events, next(events), depth + 1)
            name = self._field_name(key, isinstance(event, yaml.ScalarEvent) and not event.style)
            if name is None:
                has_unreadable_key = True
                continue
            if name in entries:
                message = f"field '{name}' is written twice, first in line {entries[name][0].line}"
                self._report(key.mark, Code.DUPLICATE_KEY, message, "keep one of the two")
            entries[name] = (key.mark, value)
        return UnreadableNode(mark) if has_unreadable_key and not entries else MappingNode(mark, entries)

    def _field_name(self, key: Node, bare: bool) -> str | None:
        if isinstance(key, UnreadableNode):
            return None
        if not isinstance(key, ScalarNode):
            message = "a field's name must be text, not a list or mapping"
            help = "write 'name: value'; text that begins with { or [ needs quotes"
            self._report(key.mark, Code.KEY, message, help)
            return None
        if bare and key.text == "<<":
            self._report(key.mark, Code.MERGE, "a merge key is not allowed", "write the fields out here")
            return None
        if key.kind != "text":
            meaning = f"a {key.kind}" if key.kind != "nothing" else "nothing"
            message = f"field '{key.text}' without quotes is {meaning} to YAML"
            self._report(key.mark, Code.KEY, message, f'put it in quotes: "{key.text}":')
            return None
        return key.text

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Node:
        text = event.value
        if _UNSTORABLE.search(text):
            what = "a NUL character" if "\0" in text else "half of a surrogate pair"
            self._report(mark, Code.UNSTORABLE, f"the text holds {what}", "remove it, or write the whole character")
            return UnreadableNode(mark)
        if event.style or text[:1] in _LETTERS:
            return ScalarNode(mark, text)
        if _OTHER_NUMBER.fullmatch(text):
            return ScalarNode(mark, text, "number")
        tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
        return ScalarNode(mark, text, _KINDS.get(tag.rsplit(":", 1)[-1], "text"))

    def _refuse_anchor_and_tag(self, event: yaml.NodeEvent, mark: Mark) -> None:
        if event.anchor is not None:
            self._report(mark, Code.ALIAS, f"the anchor '&{event.anchor}' is not allowed", f"remove '&{event.anchor}'")
        tag = getattr(event, "tag", None)
        if tag is not None:
            short = tag.replace("tag:yaml.org,2002:", "!!")
            self._report(mark, Code.TAG, f"the type tag '{short}' is not allowed", "remove it and write plain text")

    def _syntax(self, error: yaml.YAMLError) -> None:
        problem = str(getattr(error, "problem", None) or error)
        context = str(getattr(error, "context", None) or "")
        stopped = getattr(error, "problem_mark", None)
        began = getattr(error, "context_mark", None)
        mark = self._within(stopped) if stopped is not None else Mark(self._line, 1)
        if "nesting depth" in problem:
            self._too_deep(mark)
        begin = self._mark(began) if began is not None else mark
        explanation = explain(ParserError(problem, context, self._char(stopped), mark, begin))
        self._report(explanation.mark, Code.SYNTAX, explanation.message, explanation.help)

    def _char(self, place: Any) -> str:
        if place is None:
            return ""
        lines = LINE_BREAK.split(self._text)
        line = lines[place.line] if place.line < len(lines) else ""
        return line[place.column : place.column + 1]

    def _within(self, place: Any) -> Mark:
        """The parser's place, at most the end of the last line with text: nobody looks for a mistake behind it."""
        written = LINE_BREAK.split(self._text.rstrip())
        if (place.line, place.column) < (len(written) - 1, len(written[-1])):
            return self._mark(place)
        return Mark(self._line + len(written) - 1, len(written[-1]) + 1)

    def _mark(self, mark: Any) -> Mark:
        return Mark(self._line + mark.line, mark.column + 1)

    def _too_deep(self, mark: Mark) -> None:
        message = f"fields are nested deeper than {MAX_DEPTH} levels"
        self._fatal(mark, Code.DEPTH, message, "remove levels: no document needs so many")

    def _fatal(self, mark: Mark, code: Code, message: str, help: str) -> None:
        self._report(mark, code, message, help)
        raise _Stop

    def _report(self, mark: Mark, code: Code, message: str, help: str) -> None:
        self._sound = False
        self._collector.add(mark, code, message, help)
        if self._collector.full:
            raise _Stop
