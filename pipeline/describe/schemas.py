"""A JSON Schema (draft 2020-12) for each message of a topology, from the model that validates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ID = "urn:tracktion-pipeline"

Schema = dict[str, Any]


class UntitledFields(GenerateJsonSchema):
    """Without the titles that pydantic makes of field names: they say nothing that the names do not."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def message_schemas(pipeline: str, models: Mapping[str, type[BaseModel]]) -> dict[str, Schema]:
    """Message name to its schema: what a publisher may send. Whatever it takes, the model takes too.

    Args:
        pipeline: the topology's name, part of each `$id`.
        models: by message name.
    """
    return {name: _message_schema(pipeline, name, model) for name, model in models.items()}


def _message_schema(pipeline: str, name: str, model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema(schema_generator=UntitledFields)
    return {"$schema": DIALECT, "$id": message_id(pipeline, name), **schema, "title": name}


def message_id(pipeline: str, name: str) -> str:
    """The `$id` of a message's schema."""
    return f"{_ID}:{pipeline}:message:{quote(name, safe='')}"


def file_name(message: str) -> str:
    """What the file with a message's schema is called."""
    return f"{quote(message, safe='')}.schema.json"


def bundle(pipeline: str, schemas: Mapping[str, Schema]) -> Schema:
    """All of them as one compound schema document, by name under `$defs`; each keeps its `$id`.

    Source: JSON Schema core 2020-12, section 9.3.1.
    """
    return {"$schema": DIALECT, "$id": f"{_ID}:{pipeline}:messages", "$defs": dict(schemas)}


def topology_id() -> str:
    """The `$id` of the schema of topology files."""
    return f"{_ID}:topology"
