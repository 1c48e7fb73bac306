"""Mistakes as compilers report them: the place, the line, a caret and what to write instead.

`Problem` says where in a document something is wrong. `DiagnosticCollector` makes of it a `Diagnostic` with line and
column, and `render` prints it. Used for documents and for the settings.
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


class DiagnosticCollector:
    """Collects what is wrong with one text; `source` is where the text came from."""

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self._text = text
        self._lines: list[str] = []
        self._hidden: dict[int, list[tuple[int, int]]] = {}
        self._diagnostics: list[Diagnostic] = []
        self._suppressed = 0

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """All mistakes by place; the last one says how many more there are, if any are left out."""
        by_place = sorted(self._diagnostics, key=lambda item: (item.line, item.column, item.code))
        if self._suppressed:
            more = f"{self._suppressed} more mistakes in this file are not shown"
            by_place.append(Diagnostic(Code.TOO_MANY, more, self.source, help="correct these first"))
        return by_place

    @property
    def full(self) -> bool:
        """Whether further mistakes would not be shown."""
        return self._suppressed > 0

    def add(self, mark: Mark, code: Code, message: str, help: str = "", path: str = "") -> None:
        """Report a mistake at a place."""
        if len(self._diagnostics) >= MAX_DIAGNOSTICS:
            self._suppressed += 1
            return
        line = self._line(mark.line)
        if mark.line not in self._hidden:
            self._hidden[mark.line] = [match.span("text") for match in _VALUE.finditer(line)]
        excerpt, cut = _excerpt(line, mark.column, self._hidden[mark.line])
        message, help = escape(message)[:MAX_MESSAGE], escape(help)[:MAX_MESSAGE]
        diagnostic = Diagnostic(code, message, self.source, mark.line, mark.column, path, excerpt, help, cut)
        if diagnostic not in self._diagnostics:
            self._diagnostics.append(diagnostic)

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
    return INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def suggest(word: str, choices: Iterable[str]) -> str:
    """The choice that was probably meant; empty when none is close. Case, dashes and underscores do not count."""
    by_form = {_normalized(choice): choice for choice in choices}
    close = difflib.get_close_matches(_normalized(word[:64]), by_form, n=1, cutoff=0.7)
    return by_form[close[0]] if close else ""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The help for an unknown word: the closest choice, else all choices."""
    choices = list(choices)
    close = suggest(word, choices)
    return f"did you mean '{close}'?" if close else "use " + listed(choices)


def listed(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "nothing"


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """All mistakes as text, each with its line and a caret; several are counted in a last line."""
    blocks = [_block(diagnostic) for diagnostic in diagnostics]
    files = len({diagnostic.source for diagnostic in diagnostics})
    where = f" in {files} files" if files > 1 else ""
    if len(diagnostics) > 1:
        blocks.append(f"{len(diagnostics)} errors{where}\n")
    return "\n".join(blocks)


def _block(diagnostic: Diagnostic) -> str:
    place = escape(diagnostic.source) + (f":{diagnostic.line}:{diagnostic.column}" if diagnostic.line else "")
    path = f"  ({diagnostic.path})" if diagnostic.path else ""
    lines = [f"error[{diagnostic.code}]: {diagnostic.message}", f"  --> {place}{path}"]
    gutter = len(str(diagnostic.line)) if diagnostic.line else 1
    margin = " " * (gutter + 1)
    if diagnostic.excerpt.strip():
        before_caret = diagnostic.excerpt[: diagnostic.column - 1 - diagnostic.cut]
        lines.append(f" {diagnostic.line} | {diagnostic.excerpt}")
        lines.append(f" {margin}| {_blank(before_caret)}^")
    if diagnostic.help:
        lines.append(f" {margin}= help: {diagnostic.help}")
    return "\n".join(lines) + "\n"


def _blank(text: str) -> str:
    """Blanks as wide as the text before the caret; tabs stay tabs."""
    return "".join("\t" if char == "\t" else " " * _width(char) for char in text)


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


def _normalized(word: str) -> str:
    return re.sub(r"[-_ ]", "", word).lower()
