"""`field_of` gives what `getattr` would, of fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from pipeline.messages.fields import field_of


class Strict(BaseModel):
    number: int = 1
    missing: str | None = None


class Open(Strict):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        (Strict(number=2), "number", 2),
        (Strict(), "missing", None),
        (Strict(), "unheard_of", None),
        (Strict(), "model_dump", None),
        (Open.model_validate({"more": [1]}), "more", [1]),
        (Open(), "more", None),
    ],
)
def test_a_field_is_found_declared_or_extra_and_nothing_else(body: BaseModel, name: str, value: Any) -> None:
    assert field_of(body, name) == value
