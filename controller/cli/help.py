"""How the help of a verb is written: arguments and options by their names for people, without types of the program."""

import re
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperOption

_TYPE = re.compile(r" <[^>]*>$")
"""Type that typer writes behind an argument or option, such as <list[Path]>."""
_NOTE = re.compile(r"; x>=\d+|  \[required\]")
"""What typer adds to a help text and people need not read."""


class VerbCommand(TyperCommand):
    """A verb whose help names no types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line, where a required argument is KEY instead of {KEY}."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments, then the options."""
        for title, kind in (("Arguments", TyperArgument), ("Options", TyperOption)):
            records = [param.get_help_record(ctx) for param in self.get_params(ctx) if isinstance(param, kind)]
            rows = [(_TYPE.sub("", record[0]), _NOTE.sub("", record[1])) for record in records if record]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
