"""Sentences for the errors that pydantic finds in documents and settings: what is wrong, what to write instead."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import Problem, did_you_mean, escape, path_text, suggest
from controller.core.documents.forms import FORMS, correction, fits
from controller.core.documents.model_fields import field_at, owner_of
from controller.core.documents.shared_rules import EXACTLY_ONE, NOT_YET
from controller.core.documents.yaml_tree import Broken, Implicit, Loc

NAMES_ELSEWHERE: Mapping[str, str] = {
    "ports": "port", "environment": "env", "replicas": "maxInstances", "max": "maxInstances", "tags": "instances",
    "hostnames": "domains", "hosts": "domains", "domain": "domains", "healthcheck": "healthCheck",
    "entrypoint": "command", "default": "defaultTag", "mem_limit": "memory", "limits": "resources", "cpu": "cpus",
    "target": "mountPath", "source": "hostPath", "expires": "ttl", "migrate": "preDeploy",
    "readinessProbe": "healthCheck", "livenessProbe": "healthCheck",
    "terminationGracePeriodSeconds": "stopGracePeriod", "stop_grace_period": "stopGracePeriod",
    "secretRef": "valueFrom", "from": "valueFrom", "ssl": "forceTLS",
}  # fmt: skip
"""Fields of other tools, and what they are called here; offered only where such a field exists."""


class ErrorTranslator:
    """Makes problems of pydantic's errors about one document.

    `written` gives a scalar as it stands in the document, for help that can be copied.
    """

    def __init__(self, model: type[BaseModel], written: Callable[[Loc], str | None]) -> None:
        self._model = model
        self._written = written

    def problems(self, error: ValidationError) -> Iterator[Problem]:
        """One problem per error; what was reported when the text was read is left out."""
        for details in error.errors(include_url=False):
            if not isinstance(details["input"], Broken):
                yield self.problem(details, details["loc"])

    def problem(self, details: ErrorDetails, loc: Loc) -> Problem:
        """One error in words; `loc` is its place in the document."""
        kind, given, context = details["type"], details["input"], details.get("ctx", {})
        if kind == "extra_forbidden":
            return self._unknown_field(loc)
        if kind == "missing":
            message = f"field '{loc[-1]}' is missing"
            return Problem(loc[:-1], Code.MISSING_FIELD, message, self._example(loc), on_key=True)
        if kind in _TYPES:
            return self._wrong_type(kind, given, loc)
        if kind == "string_pattern_mismatch":
            return self._wrong_form(str(context["pattern"]), str(given), loc)
        if kind in _BOUNDS:
            code, message, help = _BOUNDS[kind]
            help = _choice_help(given, context) if kind == "literal_error" else help.format(**context)
            return Problem(loc, code, message.format(**context), help)
        message = str(context.get("error") or details["msg"]).removeprefix("Value error, ")
        code = _CODES_OF_OWN_ERRORS.get(kind, Code.FORM)
        return Problem(loc, code, message, str(context.get("help", "")), on_key=code == Code.NOT_YET)

    def _unknown_field(self, loc: Loc) -> Problem:
        name = str(loc[-1])
        names = field_at(self._model, loc[:-1]).names
        owner = owner_of(self._model, name)
        name_here = NAMES_ELSEWHERE.get(name, "")
        owner_here = owner_of(self._model, name_here) if name_here else None
        if name_here in names:
            help = f"it is called '{name_here}' here"
        elif owner_here is not None:
            help = f"it is called '{name_here}' and belongs to {path_text(owner_here)}"
        elif owner is not None and not suggest(name, names):
            help = f"'{name}' belongs to {path_text(owner) or 'the top of the document'}"
        else:
            help = did_you_mean(name, names)
        return Problem(loc, Code.UNKNOWN_FIELD, f"unknown field '{_shortened(name)}'", help, on_key=True)

    def _wrong_type(self, kind: str, given: Any, loc: Loc) -> Problem:
        name = _field_name(loc)
        if given is None:
            empty = f"write {name}: [] for an empty list" if kind == "list_type" else "write one"
            return Problem(loc, Code.NO_VALUE, f"{place_of(loc)} has no value", f"{empty}, or remove the line")
        if kind == "string_type" and not isinstance(given, dict | list):
            return self._missing_quotes(given, loc)
        expected, help = _TYPES[kind]
        if kind == "int_type" and isinstance(given, str) and given.lstrip("-").isdigit():
            help = f"write it without quotes: {name}: {given}"
        if kind == "bool_type" and isinstance(given, str) and given in ("true", "false"):
            help = f"write it without quotes: {name}: {given}"
        return Problem(loc, Code.TYPE, f"{place_of(loc)} must be {expected}, this is {_type_name(given)}", help)

    def _missing_quotes(self, given: Any, loc: Loc) -> Problem:
        """A text field with a scalar that is no text to YAML. What stands in `value` is never repeated."""
        text = self._written(loc) or (given.text if isinstance(given, Implicit) else str(given).lower())
        pattern = field_at(self._model, loc).pattern
        if loc[-1] == "value":
            return Problem(loc, Code.QUOTES, f"without quotes this is {_type_name(given)} to YAML", "put it in quotes")
        if pattern in FORMS and not fits(pattern, text):
            return self._wrong_form(pattern, text, loc)
        help = f'put it in quotes: {_field_prefix(loc)}"{_shortened(text)}"'
        message = f"'{_shortened(text)}' without quotes is {_type_name(given)} to YAML"
        return Problem(loc, Code.QUOTES, message, help)

    def _wrong_form(self, pattern: str, text: str, loc: Loc) -> Problem:
        form = FORMS.get(pattern)
        if loc[-1] == "[key]":
            help = form.rule if form else f"it must match {pattern}"
            return Problem(loc[:-1], Code.FORM, f"'{_shortened(text)}' cannot be a key here", help, on_key=True)
        if form is None:
            return Problem(loc, Code.FORM, f"'{_shortened(text)}' does not fit here", f"it must match {pattern}")
        corrected = correction(pattern, text)
        help = f"write {_field_prefix(loc)}{corrected} ({form.rule})" if corrected else form.rule
        return Problem(loc, Code.FORM, f"'{_shortened(text)}' is not {form.noun}", help)

    def _example(self, loc: Loc) -> str:
        form = FORMS.get(field_at(self._model, loc).pattern)
        return f"add '{loc[-1]}: …' ({form.rule})" if form else f"add '{loc[-1]}: …'"


_TYPES = {
    "string_type": ("text", "write text, in quotes if need be"),
    "int_type": ("a whole number", "write digits only, such as 3"),
    "bool_type": ("true or false", "write true or false, without quotes"),
    "list_type": ("a list", "write '- …' lines, or [a, b]"),
    "dict_type": ("a mapping", "write 'name: value' lines"),
    "model_type": ("a mapping", "write 'name: value' lines"),
    "model_attributes_type": ("a mapping", "write 'name: value' lines"),
}

_BOUNDS = {
    "literal_error": (Code.CHOICE, "this must be {expected}", ""),
    "greater_than_equal": (Code.RANGE, "the number must be at least {ge}", "write {ge} or more"),
    "less_than_equal": (Code.RANGE, "the number must be at most {le}", "write {le} or less"),
    "string_too_long": (
        Code.LENGTH, "the text has more than {max_length} characters", "shorten it to {max_length} characters",
    ),
    "string_too_short": (Code.LENGTH, "the text is empty", "write a text, or remove the line"),
    "too_long": (Code.LENGTH, "there are more than {max_length} items", "keep at most {max_length}"),
    "too_short": (
        Code.LENGTH, "there are {actual_length} items, fewer than {min_length}",
        "write at least {min_length}, or remove the line",
    ),
}  # fmt: skip
"""Code, message and help by the kind of error."""

_CODES_OF_OWN_ERRORS = {NOT_YET: Code.NOT_YET, EXACTLY_ONE: Code.EXACTLY_ONE}
"""Errors that the models raise themselves; their help is in the context."""


def place_of(loc: Loc) -> str:
    """A field by its name, an item of a list by its number and the list's name."""
    return f"item {loc[-1] + 1} of '{_field_name(loc)}'" if isinstance(loc[-1], int) else f"'{loc[-1]}'"


def _field_name(loc: Loc) -> str:
    return next((part for part in reversed(loc) if isinstance(part, str)), "this")


def _field_prefix(loc: Loc) -> str:
    """What stands before a value that a person copies: its field, and nothing before an item of a list."""
    return f"{loc[-1]}: " if isinstance(loc[-1], str) else ""


def _choice_help(given: Any, context: Mapping[str, Any]) -> str:
    choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
    return did_you_mean(str(given), choices)


def _type_name(given: Any) -> str:
    match given:
        case Implicit():
            return f"a {given.kind}"
        case bool():
            return "a yes/no"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _shortened(text: object) -> str:
    escaped = escape(str(text))
    return escaped if len(escaped) <= 64 else escaped[:61] + "…"
