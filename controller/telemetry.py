"""The log of the controller: one line per event on stderr, as key=value for people or as JSON for collectors.

The event is a constant text, everything that varies is a named value:
`log.warning("state file moved aside", path=…)`. stdout belongs to the commands and is never written here.
No secret is ever given to the log; control characters in values are shown as escapes, so that no value can forge a
line or move a terminal's cursor.
"""

import json as json_module
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
"""The logger; every module but those of core may use it, before and after `configure`."""


def configure(json: bool, level: str, transitions: bool = True) -> None:
    """Choose the form of the lines and the least level: debug, info, warning or error.

    `transitions` False leaves out the steps of rollouts, which a command shows in its own words.
    """
    structlog.configure(
        processors=[
            *([] if transitions else [_no_transition]),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False) if json else _text,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _no_transition(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if "kind" in event:
        raise structlog.DropEvent
    return event


def _text(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """`time level event key=value …`, and below it the traceback when there is one."""
    head = f"{event.pop('time')} {event.pop('level'):<7} {_safe(str(event.pop('event')))}"
    trace = event.pop("exception", "")
    values = "".join(f" {key}={_value(value)}" for key, value in event.items())
    return head + values + (f"\n{trace}" if trace else "")


def _value(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    if text and text.isprintable() and not any(char in text for char in ' "='):
        return text
    return json_module.dumps(_safe(text), ensure_ascii=False)


def _safe(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


configure(json=False, level="info")
