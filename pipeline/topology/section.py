"""What the sections of the topology file are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


ONE_OR_MORE: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
OneOrMore = Annotated[list[str], BeforeValidator(_listed), WithJsonSchema(ONE_OR_MORE)]


class Section(BaseModel):
    """A part of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
