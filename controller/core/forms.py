"""What each text pattern of the documents means in words, and what was probably meant by text that does not fit."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from controller.core import spec
from controller.core.names import dns_label


@dataclass(frozen=True)
class Form:
    """One pattern in words; `mend` makes the probable correction, which is offered only when it fits."""

    noun: str
    rule: str
    mend: Callable[[str], str] | None = None


def correction(pattern: str, text: str) -> str:
    """The probable correction of a text; empty when there is none."""
    form = FORMS.get(pattern)
    if form is None or form.mend is None:
        return ""
    mended = form.mend(text)
    return mended if mended != text and fits(pattern, mended) else ""


def fits(pattern: str, text: str) -> bool:
    """True when the whole text has the form of the pattern."""
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text) is not None


def _hostname(text: str) -> str:
    host = re.sub(r"^[a-z+]+://", "", text.strip().lower())
    return re.split(r"[/:?#]", host, maxsplit=1)[0].strip(".")


def _image(text: str) -> str:
    name = re.sub(r"^[a-zA-Z+]+://", "", text.strip()).split("@", 1)[0]
    head, slash, last = name.rpartition("/")
    return head.lower() + slash + last.split(":", 1)[0].lower()


def _duration(text: str) -> str:
    words = {"sec": "s", "secs": "s", "seconds": "s", "second": "s", "min": "m", "mins": "m", "minutes": "m"}
    words |= {"minute": "m", "hour": "h", "hours": "h", "hr": "h", "day": "d", "days": "d"}
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", text.strip())
    if found is None:
        return text
    unit = found[2].lower() or "s"
    return found[1] + words.get(unit, unit)


def _memory(text: str) -> str:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg])i?b?", text.strip().lower())
    return f"{found[1]}{found[2].upper()}i" if found else text


FORMS = {
    spec.NAME_PATTERN: Form(
        "a name",
        "lower-case letters, digits and dashes, at most 40, with a letter or digit at both ends",
        lambda text: dns_label(text) if text.isascii() else text,
    ),
    spec.TAG_PATTERN: Form("an image tag", "letters, digits, '_', '.' and '-', at most 128, not beginning with . or -"),
    spec.DURATION_PATTERN: Form(
        "a duration", "a number and a unit (ms, s, m, h, d), such as 30s, 1h30m or 250ms", _duration
    ),
    spec.MEMORY_PATTERN: Form("an amount of memory", "a number and a unit, such as 256Mi or 1Gi", _memory),
    spec.CPUS_PATTERN: Form("a number of processors", 'a number in quotes, such as "0.5", "2" or "500m"'),
    spec.HOSTNAME_PATTERN: Form(
        "a hostname",
        "lower-case letters, digits, dashes and dots, without scheme, port, path or wildcard, such as shop.example.com;"
        " other scripts in their xn-- form",
        _hostname,
    ),
    spec.IMAGE_PATTERN: Form(
        "an image repository",
        "registry/path in lower case, without scheme, tag or digest; tags stand in stages[].instances",
        _image,
    ),
    spec.ENV_NAME_PATTERN: Form(
        "a variable's name", "letters, digits, '_', '.' and '-', beginning with a letter or '_'"
    ),
    spec.STATUSES_PATTERN: Form(
        "a list of status codes", "codes and ranges from 100 to 599, such as 200-399 or 200,204"
    ),
    spec.LABEL_KEY_PATTERN: Form(
        "a label key", "letters, digits, '-', '.', '_' and '/', such as team or example.com/team"
    ),
    spec.URL_PATH_PATTERN: Form("a path", "only the path of the URL, beginning with /, without blanks: /healthz"),
    spec.MOUNT_PATTERN: Form("an absolute path", "a path that begins with / and holds no ':' or ','"),
    spec.USER_PATTERN: Form("a user", "a user or user:group, by name or number, such as 1000:1000"),
    spec.SECRET_ENV_PATTERN: Form("a variable for secrets", "only variables named HOLDFAST_SECRET_… can be used"),
    spec.OBJECT_NAME_PATTERN: Form("a name", "lower-case letters, digits, dashes and dots, at most 253"),
}
"""Pattern to words."""
