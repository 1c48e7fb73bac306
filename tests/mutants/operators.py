"""Small mistakes that a person could make, one at a time, in the syntax tree of a module.

A mutant is named by its place in the order in which `sites` finds them, so that the same source gives the same names.
What cannot change behaviour is left out: annotations, texts, decorators, imports, what `TYPE_CHECKING` hides.
"""

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeVar

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SWAPPED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
SKIPPED_CALLS = ("ConfigDict", "lru_cache", "TypeVar", "assert_never")

Node = TypeVar("Node", bound=ast.AST)
Edit = Callable[[ast.AST], ast.AST | None]
"""Changes a node, or gives another one in its place."""


@dataclass(frozen=True)
class Site:
    """One mutant of a module: which node is changed, how, and where it is."""

    number: int
    node: int
    """Place of the node in the order of `ast.walk`."""
    kind: str
    line: int


def sites(tree: ast.Module) -> list[Site]:
    """All mutants of a module."""
    hidden = set(_hidden(tree))
    found: list[Site] = []
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in hidden:
            for kind in _edits(node):
                found.append(Site(len(found), place, kind, _line(node)))
    return found


def _line(node: ast.AST) -> int:
    line: int = getattr(node.target if isinstance(node, ast.comprehension) else node, "lineno", 0)
    return line


def mutate(tree: ast.Module, site: Site) -> str:
    """The source of one mutant."""
    tree = deepcopy(tree)
    node = next(node for place, node in enumerate(ast.walk(tree)) if place == site.node)
    changed = _edits(node)[site.kind](node)
    if changed is not None:
        _Replace(node, changed).visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree))


class _Replace(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace or go on."""
        if node is self._old:
            return self._new
        found: ast.AST = self.generic_visit(node)
        return found


def _edits(node: ast.AST) -> dict[str, Edit]:  # noqa: PLR0911, PLR0912 - a table
    """What can be done to a node, by name."""
    match node:
        case ast.Compare():
            return {f"flip {number}": _flip(number) for number in range(len(node.ops))}
        case ast.BoolOp():
            return {"swap and, or": _set("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())}
        case ast.UnaryOp(op=ast.Not()):
            return {"drop not": _operand}
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Compare):
            return {"negate test": _negate}
        case ast.comprehension(ifs=[_, *_]):
            return {"drop filter": _set("ifs", [])}
        case ast.Constant(value=bool()):
            return {"turn truth": _set("value", not node.value)}
        case ast.Constant(value=int() | float() as value):
            return {"one more": _set("value", value + 1)}
        case ast.BinOp() if type(node.op) in SWAPPED and not (_text(node.left) or _text(node.right)):
            return {"swap operator": _set("op", SWAPPED[type(node.op)]())}
        case ast.Expr(value=ast.Call()):
            return {"drop call": lambda node: ast.Pass()}
        case ast.AugAssign():
            return {"drop step": lambda node: ast.Pass()}
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and not value.value):
            return {"return None": _set("value", ast.Constant(None))}
        case ast.Continue():
            return {"break": lambda node: ast.Break()}
        case _:
            return {}


def _text(node: ast.expr) -> bool:
    """Two texts put together: any other operator would fail at once."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _flip(number: int) -> Edit:
    def edit(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        node.ops[number] = FLIPPED[type(node.ops[number])]()

    return edit


def _set(name: str, value: object) -> Edit:
    def edit(node: ast.AST) -> None:
        setattr(node, name, value)

    return edit


def _operand(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _negate(node: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.While | ast.IfExp)
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _hidden(tree: ast.AST) -> Iterator[int]:
    """Ids of the nodes that are no behaviour."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                yield from _all(*node.decorator_list)
                if isinstance(node, ast.FunctionDef) and node.returns is not None:
                    yield from _all(node.returns)
            case ast.arg(annotation=ast.expr() as annotation) | ast.AnnAssign(annotation=annotation):
                yield from _all(annotation)
            case ast.Assign(
                value=ast.Subscript(value=ast.Name(id="Literal" | "Annotated")) | ast.BinOp(op=ast.BitOr())
            ):
                yield from _all(node.value)
            case ast.JoinedStr():
                yield from _all(node)
            case ast.Call(func=ast.Name(id=name)) if name in SKIPPED_CALLS:
                yield from _all(node)
            case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if name in SKIPPED_CALLS:
                yield id(node)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _all(node)


def _all(*nodes: ast.AST) -> Iterator[int]:
    for node in nodes:
        yield from (id(item) for item in ast.walk(node))
