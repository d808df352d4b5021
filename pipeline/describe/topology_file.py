"""The JSON Schema of topology files, for completion and checking in editors."""

from __future__ import annotations

from typing import Any

from pipeline.describe.schemas import DIALECT, Schema, UntitledFields, topology_id
from pipeline.topology.model import Topology

_VARIABLE = "Variable"
_VARIABLE_SCHEMA = {
    "description": "A value with a variable of the environment in it: ${NAME}, ${NAME:-default}, ${NAME:?message}",
    "type": "string",
    "pattern": r"\$\{",
}
_PLAIN_TYPES = ("integer", "number", "boolean")
_SCHEMA_MAPS = ("properties", "patternProperties", "$defs")
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "propertyNames")


def topology_schema() -> Schema:
    """The schema: the file's shape, as `pipeline lint` checks it first; what it refers to is left to lint."""
    schema: Schema = _with_variables(Topology.model_json_schema(schema_generator=UntitledFields))
    definitions = {_VARIABLE: _VARIABLE_SCHEMA, **schema.pop("$defs", {})}
    head = {"$schema": DIALECT, "$id": topology_id()}
    return {**head, **schema, "title": "A pipeline's topology", "$defs": dict(sorted(definitions.items()))}


def _with_variables(schema: Any) -> Any:
    """The schema in which each scalar that is not any text may be a variable too."""
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _SCHEMA_MAPS:
            found[keyword] = {name: _with_variables(each) for name, each in value.items()}
        elif keyword in _SCHEMA_LISTS:
            found[keyword] = [_with_variables(each) for each in value]
        else:
            found[keyword] = _with_variables(value) if keyword in _SCHEMAS else value
    restricted = {"enum", "const", "pattern"} & schema.keys() or schema.get("type") in _PLAIN_TYPES
    if not restricted:
        return found
    # What an editor shows beside the value stays outside.
    shown = {keyword: found.pop(keyword) for keyword in ("description", "default") if keyword in found}
    return {**shown, "anyOf": [found, {"$ref": f"#/$defs/{_VARIABLE}"}]}
