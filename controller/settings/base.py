"""What all blocks of the settings are made of: the strict base, and the reference to a secret."""

from types import NoneType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from controller.core.documents.shared_rules import require_exactly_one
from controller.core.model.desired import SECRET_VARIABLE_PREFIX, SecretRef
from controller.settings import values

REFERENCE_HELP = f"write {{file: NAME}}, a file below policy.secretRoots, or {{env: {SECRET_VARIABLE_PREFIX}NAME}}"


class Block(BaseModel):
    """Strict base of all blocks: unknown keys are errors, and a block that is absent has its defaults."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    @classmethod
    def keys(cls) -> list[str]:
        """Names of the keys that can be used, as they are written."""
        return [info.alias or name for name, info in cls.model_fields.items() if info.annotation is not NoneType]

    @model_validator(mode="before")
    @classmethod
    def _absent_blocks(cls, data: Any) -> Any:
        """Validate absent blocks like empty ones, so that the paths among their defaults become absolute too."""
        if not isinstance(data, dict):
            return data
        absent = (name for name, field in cls.model_fields.items() if _is_block(field.annotation))
        return {**{name: {} for name in absent if not cls.model_fields[name].is_required()}, **data}


def _is_block(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Block)


class Reference(Block):
    """A secret: exactly one of file and env."""

    file: values.SecretFile | None = None
    """File below one of policy.secretRoots; one trailing newline is dropped."""
    env: values.SecretVariable | None = None
    """Variable of the controller whose name begins with HOLDFAST_SECRET_."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        require_exactly_one(self, ("file", "env"), REFERENCE_HELP)
        return self

    @property
    def ref(self) -> SecretRef:
        """The reference as the rest of the program knows it."""
        return SecretRef("env", self.env) if self.env is not None else SecretRef("file", self.file or "")
