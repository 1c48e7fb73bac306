"""Text to documents, strictly, with file, line and column of everything that is wrong."""

from dataclasses import dataclass, field

from controller.core.catalog.types import Sourced
from controller.core.documents import read as documents_read
from controller.core.documents.diagnostics import Page, path_text
from controller.core.documents.yaml_tree import Loc, Scalar, find, locate, plain
from controller.core.model.errors import Diagnostic
from controller.yaml_text import Tree, scan


@dataclass(frozen=True)
class Reading:
    """What a text holds: the documents that can be used, and what is wrong with the others."""

    documents: tuple[Sourced, ...] = ()
    diagnostics: list[Diagnostic] = field(default_factory=list)


def read_text(data: bytes | str, source: str) -> Reading:
    """Read one file's content; never raises. `source` is the file's name as the person wrote it.

    A text without documents gives none and no diagnostic. One wrong document does not keep the others from being read.
    """
    found = scan(data, source)
    read = [item for tree in found.trees if (item := _document(tree, found.page, source)) is not None]
    return Reading(tuple(read), found.page.diagnostics)


def _document(tree: Tree, page: Page, path: str) -> Sourced | None:
    def written(loc: Loc) -> str | None:
        node = find(tree.root, loc)
        return node.text if isinstance(node, Scalar) else None

    document, problems = documents_read.read(plain(tree.root), written)
    for item in problems:
        page.add(locate(tree.root, item.loc, item.on_key), item.code, item.message, item.help, path_text(item.loc))
    if document is None or not tree.sound:
        return None
    return Sourced(document, source="", path=path, line=tree.line)
