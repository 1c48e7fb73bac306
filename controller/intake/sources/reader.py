"""Text to documents, strictly, with file, line and column of everything that is wrong."""

from dataclasses import dataclass, field

from controller.core.catalog.types import Sourced
from controller.core.documents import read
from controller.core.documents.diagnostics import DiagnosticCollector, path_text
from controller.core.documents.spec import Document
from controller.core.documents.yaml_tree import Loc, ScalarNode, find, locate, to_data
from controller.core.model.errors import Diagnostic
from controller.yaml_text import Tree, scan


@dataclass(frozen=True)
class Reading:
    """What a text holds: the documents that can be used, and what is wrong with the others."""

    documents: tuple[Sourced, ...] = ()
    diagnostics: list[Diagnostic] = field(default_factory=list)


def read_text(data: bytes | str, path: str, source: str = "") -> Reading:
    """Read one file's content; never raises. `path` is the file's name as the person wrote it.

    A text without documents gives none and no diagnostic. One wrong document does not keep the others from being read.
    """
    text = scan(data, path)
    documents = [(_document(tree, text.collector), tree.line) for tree in text.trees]
    good = (Sourced.of_file(document, source, path, line) for document, line in documents if document is not None)
    return Reading(tuple(good), text.collector.diagnostics)


def _document(tree: Tree, collector: DiagnosticCollector) -> Document | None:
    def written(loc: Loc) -> str | None:
        node = find(tree.root, loc)
        return node.text if isinstance(node, ScalarNode) else None

    document, problems = read.read(to_data(tree.root), written)
    for problem in problems:
        place = locate(tree.root, problem.loc, problem.on_key)
        collector.add(place, problem.code, problem.message, problem.help, path_text(problem.loc))
    return document if tree.sound else None
