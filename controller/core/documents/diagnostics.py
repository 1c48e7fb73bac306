"""Mistakes as compilers report them: the place, the line, a caret and what to write instead.

`Problem` says where in a document something is wrong, `Page` turns it into a `Diagnostic` with line and column, and
`render` prints. Used for documents and for the settings.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.core.documents.codes import Code
from controller.core.documents.yaml_tree import Loc, Mark
from controller.core.model.errors import Diagnostic
from controller.core.model.limits import MAX_DIAGNOSTICS, MAX_EXCERPT, MAX_MESSAGE

LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What YAML 1.1 counts as the end of a line."""

INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff\ud800-\udfff]")
"""Control characters, zero-width ones and those that turn the direction of writing."""

_VALUE = re.compile(
    r"""(?P<flow>\{[^{}]*?)?\bvalue["']?\s*:\s*(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|["'].*|(?(flow)[^,}\s][^,}]*|\S.*))"""
)
"""A literal value in a line; inside braces it ends at a comma."""


@dataclass(frozen=True)
class Problem:
    """A mistake at a place inside one document, before line and column are known."""

    loc: Loc
    code: Code
    message: str
    help: str = ""
    on_key: bool = False
    """True: the field's name is wrong, not its value."""


class Page:
    """One text and where it came from; gathers what is wrong with it."""

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self._text = text
        self._lines: list[str] = []
        self._hidden: dict[int, list[tuple[int, int]]] = {}
        self._found: list[Diagnostic] = []
        self._suppressed = 0

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Everything found, by place; the last one says how many more there are, if any are left out."""
        found = sorted(self._found, key=lambda item: (item.line, item.column, item.code))
        if self._suppressed:
            more = f"{self._suppressed} more mistakes in this file are not shown"
            found.append(Diagnostic(Code.TOO_MANY, more, self.source, help="correct these first"))
        return found

    @property
    def full(self) -> bool:
        """True when no further mistake would be shown."""
        return self._suppressed > 0

    def add(self, mark: Mark, code: Code, message: str, help: str = "", path: str = "") -> None:
        """Report a mistake at a place."""
        if len(self._found) >= MAX_DIAGNOSTICS:
            self._suppressed += 1
            return
        line = self._line(mark.line)
        if mark.line not in self._hidden:
            self._hidden[mark.line] = [found.span("text") for found in _VALUE.finditer(line)]
        excerpt, cut = _excerpt(line, mark.column, self._hidden[mark.line])
        message, help = escape(message)[:MAX_MESSAGE], escape(help)[:MAX_MESSAGE]
        found = Diagnostic(code, message, self.source, mark.line, mark.column, path, excerpt, help, cut)
        if found not in self._found:
            self._found.append(found)

    def _line(self, number: int) -> str:
        self._lines = self._lines or LINE_BREAK.split(self._text)
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


def path_text(loc: Loc) -> str:
    """A place as people write it, such as spec.stages[0].maxInstances."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def escape(text: str) -> str:
    """The text with invisible characters written as escapes, so that a terminal shows what is there."""
    return INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def suggest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; empty when none is close. Case, dashes and underscores do not count."""
    plain = {_plain(item): item for item in known}
    close = difflib.get_close_matches(_plain(word[:64]), plain, n=1, cutoff=0.7)
    return plain[close[0]] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The help line for an unknown word; without a close one it lists what there is."""
    choices = list(known)
    found = suggest(word, choices)
    return f"did you mean '{found}'?" if found else "use " + listed(choices)


def listed(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "nothing"


def render(found: Sequence[Diagnostic]) -> str:
    """All mistakes as text, each with its line and a caret, closed with one line that counts them."""
    blocks = [_block(item) for item in found]
    files = len({item.source for item in found})
    where = f" in {files} files" if files > 1 else ""
    if len(found) > 1:
        blocks.append(f"{len(found)} errors{where}\n")
    return "\n".join(blocks)


def _block(item: Diagnostic) -> str:
    place = escape(item.source) + (f":{item.line}:{item.column}" if item.line else "")
    lines = [f"error[{item.code}]: {item.message}", f"  --> {place}" + (f"  ({item.path})" if item.path else "")]
    gutter = len(str(item.line)) if item.line else 1
    margin = " " * (gutter + 1)
    if item.excerpt.strip():
        lines.append(f" {item.line} | {item.excerpt}")
        lines.append(f" {margin}| {_blank(item.excerpt[: item.column - 1 - item.cut])}^")
    if item.help:
        lines.append(f" {margin}= help: {item.help}")
    return "\n".join(lines) + "\n"


def _blank(head: str) -> str:
    """Blanks as wide as the text before the caret; tabs stay tabs."""
    return "".join("\t" if char == "\t" else " " * _width(char) for char in head)


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _excerpt(line: str, column: int, hidden: Sequence[tuple[int, int]]) -> tuple[str, int]:
    """The part of a line around a column, and how many characters are left out of it before the column.

    What follows `value:` is not shown: it may be a password that somebody wrote down, and this text reaches logs.
    """
    shown, caret, end = "", column - 1, 0
    for begin, stop in hidden:
        shown += line[end:begin] + "***"[: stop - begin]
        if begin < column - 1:
            caret -= max(0, min(stop, column - 1) - begin - 3)
        end = stop
    shown += line[end:]
    start = 0 if caret <= MAX_EXCERPT * 3 // 4 else caret - MAX_EXCERPT // 2
    lead = "… " if start else ""
    shown, caret = lead + shown[start : start + MAX_EXCERPT - len(lead)], caret - start + len(lead)
    visible = "".join("\t" if char == "\t" else INVISIBLE.sub("\ufffd", char) for char in shown)
    return visible, column - 1 - caret


def _plain(word: str) -> str:
    return re.sub(r"[-_ ]", "", word).lower()
