"""The forms that text in documents must have: their patterns, their rules in words, and probable corrections."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.core.model.desired import SECRET_VARIABLE_PREFIX
from controller.core.model.names import dns_label

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"
TAG_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
MEMORY_PATTERN = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|k|K|M|G)?$"
CPUS_PATTERN = r"^[0-9]+(\.[0-9]+)?m?$"
HOSTNAME_PATTERN = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
"""The last label begins with a letter, so that an address is no hostname."""
IMAGE_PATTERN = (
    r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?/)?"
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$"
)
ENV_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,254}$"
STATUSES_PATTERN = r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?(,[1-5][0-9]{2}(-[1-5][0-9]{2})?)*$"
LABEL_KEY_PATTERN = r"^[A-Za-z0-9]([-A-Za-z0-9._/]{0,253}[A-Za-z0-9])?$"
URL_PATH_PATTERN = r"^/[!-~]*$"
MOUNT_PATTERN = r"^/[^\x00-\x1f:,]*$"
USER_PATTERN = r"^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?$"
SECRET_VARIABLE_PATTERN = rf"^{SECRET_VARIABLE_PREFIX}[A-Za-z0-9_]+$"
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"


@dataclass(frozen=True)
class Form:
    """One pattern in words. `correct` makes a probable correction, which is offered only when it fits the pattern."""

    noun: str
    rule: str
    correct: Callable[[str], str] | None = None


def correction(pattern: str, text: str) -> str:
    """The probable correction of a text; empty when there is none."""
    form = FORMS.get(pattern)
    if form is None or form.correct is None:
        return ""
    corrected = form.correct(text)
    return corrected if corrected != text and fits(pattern, corrected) else ""


def fits(pattern: str, text: str) -> bool:
    """Whether the whole text has the form of the pattern."""
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text) is not None


def _correct_name(text: str) -> str:
    return dns_label(text) if text.isascii() else text


def _correct_hostname(text: str) -> str:
    host = re.sub(r"^[a-z+]+://", "", text.strip().lower())
    return re.split(r"[/:?#]", host, maxsplit=1)[0].strip(".")


def _correct_image(text: str) -> str:
    name = re.sub(r"^[a-zA-Z+]+://", "", text.strip()).split("@", 1)[0]
    head, slash, last = name.rpartition("/")
    return head.lower() + slash + last.split(":", 1)[0].lower()


def _correct_duration(text: str) -> str:
    units = {"sec": "s", "secs": "s", "seconds": "s", "second": "s", "min": "m", "mins": "m", "minutes": "m"}
    units |= {"minute": "m", "hour": "h", "hours": "h", "hr": "h", "day": "d", "days": "d"}
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", text.strip())
    if match is None:
        return text
    unit = match[2].lower() or "s"
    return match[1] + units.get(unit, unit)


def _correct_memory(text: str) -> str:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg])i?b?", text.strip().lower())
    return f"{match[1]}{match[2].upper()}i" if match else text


FORMS: Mapping[str, Form] = {
    NAME_PATTERN: Form(
        "a name",
        "lower-case letters, digits and dashes, at most 40, with a letter or digit at both ends",
        _correct_name,
    ),
    TAG_PATTERN: Form("an image tag", "letters, digits, '_', '.' and '-', at most 128, not beginning with . or -"),
    DURATION_PATTERN: Form(
        "a duration", "a number and a unit (ms, s, m, h, d), such as 30s, 1h30m or 250ms", _correct_duration
    ),
    MEMORY_PATTERN: Form("an amount of memory", "a number and a unit, such as 256Mi or 1Gi", _correct_memory),
    CPUS_PATTERN: Form("a number of processors", 'a number in quotes, such as "0.5", "2" or "500m"'),
    HOSTNAME_PATTERN: Form(
        "a hostname",
        "lower-case letters, digits, dashes and dots, without scheme, port, path or wildcard, such as shop.example.com;"
        " other scripts in their xn-- form",
        _correct_hostname,
    ),
    IMAGE_PATTERN: Form(
        "an image repository",
        "registry/path in lower case, without scheme, tag or digest; tags belong to stages[].instances",
        _correct_image,
    ),
    ENV_NAME_PATTERN: Form("a variable's name", "letters, digits, '_', '.' and '-', beginning with a letter or '_'"),
    STATUSES_PATTERN: Form("a list of status codes", "codes and ranges from 100 to 599, such as 200-399 or 200,204"),
    LABEL_KEY_PATTERN: Form("a label key", "letters, digits, '-', '.', '_' and '/', such as team or example.com/team"),
    URL_PATH_PATTERN: Form("a path", "only the path of the URL, beginning with /, without blanks: /healthz"),
    MOUNT_PATTERN: Form("an absolute path", "a path that begins with / and holds no ':' or ','"),
    USER_PATTERN: Form("a user", "a user or user:group, by name or number, such as 1000:1000"),
    SECRET_VARIABLE_PATTERN: Form(
        "a variable for secrets", f"only variables named {SECRET_VARIABLE_PREFIX}… can be used"
    ),
    OBJECT_NAME_PATTERN: Form("a name", "lower-case letters, digits, dashes and dots, at most 253"),
}
"""Each pattern in words."""
