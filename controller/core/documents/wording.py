"""Turns what pydantic says about a document or the settings into sentences that say what to write instead."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import Problem, did_you_mean, escape, path_text, suggest
from controller.core.documents.forms import FORMS, Form, correction, fits
from controller.core.documents.model_fields import Field, field_at, owner_of
from controller.core.documents.shared_rules import EXACTLY_ONE, NOT_YET
from controller.core.documents.yaml_tree import Broken, Implicit, Loc

HABITS: Mapping[str, str] = {
    "ports": "port", "environment": "env", "replicas": "maxInstances", "max": "maxInstances", "tags": "instances",
    "hostnames": "domains", "hosts": "domains", "domain": "domains", "healthcheck": "healthCheck",
    "entrypoint": "command", "default": "defaultTag", "mem_limit": "memory", "limits": "resources", "cpu": "cpus",
    "target": "mountPath", "source": "hostPath", "expires": "ttl", "migrate": "preDeploy",
    "readinessProbe": "healthCheck", "livenessProbe": "healthCheck",
    "terminationGracePeriodSeconds": "stopGracePeriod", "stop_grace_period": "stopGracePeriod",
    "secretRef": "valueFrom", "from": "valueFrom", "ssl": "forceTLS",
}  # fmt: skip
"""Words of other tools, and what they are called here; offered only where that field exists."""


class Judge:
    """Says what is wrong with the data of one document.

    `written` gives the text of a scalar as it stands in the document, for help that can be copied.
    """

    def __init__(self, model: type[BaseModel], written: Callable[[Loc], str | None]) -> None:
        self._model = model
        self._written = written

    def problems(self, error: ValidationError) -> Iterator[Problem]:
        """One problem per mistake, those already reported left out."""
        for item in error.errors(include_url=False):
            if not isinstance(item["input"], Broken):
                yield self.problem(item, item["loc"])

    def problem(self, item: ErrorDetails, loc: Loc) -> Problem:
        """One mistake in words; `loc` is where it stands in the document."""
        kind, given, context = item["type"], item["input"], item.get("ctx", {})
        if kind == "extra_forbidden":
            return self._unknown(loc)
        if kind == "missing":
            message = f"field '{loc[-1]}' is missing"
            return Problem(loc[:-1], Code.MISSING_FIELD, message, self._example(loc), on_key=True)
        if kind in _TYPES:
            return self._type(kind, given, loc)
        if kind == "string_pattern_mismatch":
            return self._form(str(context["pattern"]), str(given), loc)
        if kind in _BOUNDS:
            code, message = _BOUNDS[kind]
            return Problem(loc, code, message.format(**context), _bound(kind, given, context))
        message = str(context.get("error") or item["msg"]).removeprefix("Value error, ")
        code = _OWN.get(kind, Code.FORM)
        return Problem(loc, code, message, str(context.get("help", "")), on_key=code == Code.NOT_YET)

    def _unknown(self, loc: Loc) -> Problem:
        name = str(loc[-1])
        known = field_at(self._model, loc[:-1]).names
        owner = owner_of(self._model, name)
        habit = HABITS.get(name, "")
        place = owner_of(self._model, habit) if habit else None
        if habit in known:
            help = f"it is called '{habit}' here"
        elif place is not None:
            help = f"it is called '{habit}' and belongs to {path_text(place)}"
        elif owner is not None and not suggest(name, known):
            help = f"'{name}' belongs to {path_text(owner) or 'the top of the document'}"
        else:
            help = did_you_mean(name, known)
        return Problem(loc, Code.UNKNOWN_FIELD, f"unknown field '{_shown(name)}'", help, on_key=True)

    def _type(self, kind: str, given: Any, loc: Loc) -> Problem:
        name = _name(loc)
        field = field_at(self._model, loc)
        if given is None:
            empty = f"write {name}: [] for an empty list, or remove the line" if kind == "list_type" else ""
            return Problem(
                loc, Code.NO_VALUE, f"{place_of(loc)} has no value", empty or "write one, or remove the line"
            )
        if kind == "string_type" and not isinstance(given, dict | list):
            return self._quotes(given, field, loc)
        expected, help = _TYPES[kind]
        if kind == "int_type" and isinstance(given, str) and given.lstrip("-").isdigit():
            help = f"write it without quotes: {name}: {given}"
        if kind == "bool_type" and isinstance(given, str) and given in ("true", "false"):
            help = f"write it without quotes: {name}: {given}"
        return Problem(loc, Code.TYPE, f"{place_of(loc)} must be {expected}, this is {_found(given)}", help)

    def _quotes(self, given: Any, field: Field, loc: Loc) -> Problem:
        text = self._written(loc) or (given.text if isinstance(given, Implicit) else str(given).lower())
        form = FORMS.get(field.pattern)
        if loc[-1] == "value":
            return Problem(loc, Code.QUOTES, f"without quotes this is {_found(given)} to YAML", "put it in quotes")
        if form is not None and not fits(field.pattern, text):
            return Problem(
                loc, Code.FORM, f"'{_shown(text)}' is not {form.noun}", _rule(form, field.pattern, text, loc)
            )
        help = f'put it in quotes: {_before(loc)}"{_shown(text)}"'
        return Problem(loc, Code.QUOTES, f"'{_shown(text)}' without quotes is {_found(given)} to YAML", help)

    def _form(self, pattern: str, text: str, loc: Loc) -> Problem:
        form = FORMS.get(pattern)
        if loc[-1] == "[key]":
            help = form.rule if form else f"it must match {pattern}"
            return Problem(loc[:-1], Code.FORM, f"'{_shown(text)}' cannot be a key here", help, on_key=True)
        if form is None:
            return Problem(loc, Code.FORM, f"'{_shown(text)}' does not fit here", f"it must match {pattern}")
        message = f"'{_shown(text)}' is not {form.noun}"
        return Problem(loc, Code.FORM, message, _rule(form, pattern, text, loc))

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
    "literal_error": (Code.CHOICE, "this must be {expected}"),
    "greater_than_equal": (Code.RANGE, "the number must be at least {ge}"),
    "less_than_equal": (Code.RANGE, "the number must be at most {le}"),
    "string_too_long": (Code.LENGTH, "the text has more than {max_length} characters"),
    "string_too_short": (Code.LENGTH, "the text is empty"),
    "too_long": (Code.LENGTH, "there are more than the {max_length} items allowed"),
    "too_short": (Code.LENGTH, "there are {actual_length} items, at least {min_length} are needed"),
}

_HELP = {
    "greater_than_equal": "write {ge} or more",
    "less_than_equal": "write {le} or less",
    "string_too_long": "shorten it to {max_length}",
    "string_too_short": "write at least {min_length}, or remove the line",
    "too_long": "keep at most {max_length}",
    "too_short": "write at least {min_length}, or remove the line",
}
"""What to write instead, by the kind of bound."""

_OWN = {NOT_YET: Code.NOT_YET, EXACTLY_ONE: Code.EXACTLY_ONE}
"""Errors that the models raise themselves, with their help in the context."""


def place_of(loc: Loc) -> str:
    """A field by its name, an item of a list by its number and the list's name."""
    return f"item {loc[-1] + 1} of '{_name(loc)}'" if isinstance(loc[-1], int) else f"'{loc[-1]}'"


def _before(loc: Loc) -> str:
    """What stands in front of a value that a person copies: its field, and nothing before an item of a list."""
    return f"{loc[-1]}: " if isinstance(loc[-1], str) else ""


def _rule(form: Form, pattern: str, text: str, loc: Loc) -> str:
    mended = correction(pattern, text)
    return f"write {_before(loc)}{mended} ({form.rule})" if mended else form.rule


def _bound(kind: str, given: Any, context: Mapping[str, Any]) -> str:
    if kind == "literal_error":
        words = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        return did_you_mean(str(given), words)
    return _HELP[kind].format(**context)


def _found(given: Any) -> str:
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


def _name(loc: Loc) -> str:
    return next((part for part in reversed(loc) if isinstance(part, str)), "this")


def _shown(text: object) -> str:
    shown = escape(str(text))
    return shown if len(shown) <= 64 else shown[:61] + "…"
