"""What `validate` knows of documents beside each other: the conflicts that `apply` would refuse, by the same catalog.

What runs decides conflicts too and is not asked here: which of two documents loses may differ, never that one does.
"""

import os
from collections.abc import Sequence
from dataclasses import replace

from controller.cli.output import OPTIONS
from controller.core.catalog import build
from controller.core.catalog.types import CatalogRules, Incumbents, Sourced
from controller.core.model.errors import InvalidInput

HERE = "these documents"
"""Stands for the source where documents are checked that no source of the settings holds."""
PENDING = ("UnknownProject", "UnknownStage")
"""Reasons of what only waits: its project may be declared elsewhere."""
OF_SETTINGS = ("UnsupportedOption",)
"""Reasons that only settings can give."""


def look(documents: Sequence[Sourced]) -> tuple[list[str], list[str]]:
    """Sentences about documents that would be refused, and about those that would wait for others."""
    rules, left_out = _rules()
    placed = [replace(item, origin=replace(item.origin, source=HERE)) for item in documents]
    found = build.catalog(placed, rules, Incumbents())
    notices = [*found.notices, *(notice for stage in found.stages.values() for notice in stage.notices)]
    told = {notice.message: notice.reason for notice in notices if notice.reason not in left_out}
    refused = [message for message, reason in told.items() if reason not in PENDING]
    return refused, [message for message, reason in told.items() if reason in PENDING]


def _rules() -> tuple[CatalogRules, tuple[str, ...]]:
    """The rules of the settings; without usable ones those of their defaults, and what then cannot be known."""
    from controller.settings import load_settings

    try:
        rules = load_settings(OPTIONS.config, os.environ).catalog_rules()
    except InvalidInput:
        return CatalogRules("", "example.com", sources=(HERE,)), OF_SETTINGS
    return replace(rules, sources=(HERE,)), ()
