"""What the controller says in its log while a world lasts: nothing is printed, everything is kept."""

import contextlib
import logging
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, NoReturn

import structlog

BUGS_KEPT_MAX = 3
"""So many bugs are told of."""


@contextlib.contextmanager
def captured_log(bugs: list[str], said: list[MutableMapping[str, Any]]) -> Iterator[None]:
    """Collect what the log calls a bug, with its traceback, and each line that a person would see."""

    def hear(_: object, __: str, event: MutableMapping[str, Any]) -> NoReturn:
        said.append(event)
        if str(event.get("event", "")).startswith("bug"):
            shown = event.pop("exc_info", None)
            trace = "".join(traceback.format_exception(shown)) if isinstance(shown, BaseException) else ""
            if len(bugs) < BUGS_KEPT_MAX:
                bugs.append(f"{event}\n{trace}")
        raise structlog.DropEvent

    configuration = structlog.get_config()
    structlog.configure(processors=[hear], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    try:
        yield
    finally:
        structlog.configure(**configuration)
