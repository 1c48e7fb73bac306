"""Two rules that models of documents and of settings share: exactly one of some fields, and fields for later versions.

They raise errors of these two kinds; `wording` makes problems of them.
"""

from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError

EXACTLY_ONE = "exactly_one"
NOT_YET = "not_yet"


def require_exactly_one(model: BaseModel, names: tuple[str, ...], help: str) -> None:
    """Raise a pydantic error unless exactly one of these fields is set."""
    if sum(getattr(model, name) is not None for name in names) != 1:
        keys = " and ".join(f"'{type(model).model_fields[name].alias or name}'" for name in names)
        raise PydanticCustomError(EXACTLY_ONE, "write exactly one of {keys}", {"keys": keys, "help": help})


def not_yet(what: str, help: str) -> BeforeValidator:
    """Validator of a field that only a later version will accept; `SkipJsonSchema` around it hides it from schemas."""

    def refuse(value: object) -> object:
        if value is not None:
            raise PydanticCustomError(NOT_YET, "{what} cannot be used yet", {"what": what, "help": help})
        return value

    return BeforeValidator(refuse)
