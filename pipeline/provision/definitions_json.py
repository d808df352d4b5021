"""Definitions to and from JSON, in the form of RabbitMQ's `definitions.json` and of its management API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import PipelineError
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
)

Definition = ExchangeDefinition | QueueDefinition | BindingDefinition | PolicyDefinition

_EXCHANGES = TypeAdapter(tuple[ExchangeDefinition, ...])
_QUEUES = TypeAdapter(tuple[QueueDefinition, ...])
_BINDINGS = TypeAdapter(tuple[BindingDefinition, ...])
_POLICIES = TypeAdapter(tuple[PolicyDefinition, ...])


def definition_to_json(definition: Definition) -> dict[str, Any]:
    """One definition as the management API takes it."""
    values = ((field.name, getattr(definition, field.name)) for field in fields(definition))
    document = {name: dict(value) if isinstance(value, Mapping) else value for name, value in values}
    if isinstance(definition, PolicyDefinition):
        document["apply-to"] = document.pop("apply_to")
    return document


def definitions_to_json(definitions: Definitions) -> dict[str, Any]:
    """Lists under `exchanges`, `queues`, `bindings`, `policies`. `definitions_from_json` reads it back."""
    return {
        "exchanges": [definition_to_json(exchange) for exchange in definitions.exchanges],
        "queues": [definition_to_json(queue) for queue in definitions.queues],
        "bindings": [definition_to_json(binding) for binding in definitions.bindings],
        "policies": [definition_to_json(policy) for policy in definitions.policies],
    }


def definitions_from_json(document: Mapping[str, Any], *, where: str = "") -> Definitions:
    """Definitions from a document; unknown sections and fields are left out, tuples are sorted by name.

    Args:
        where: what to name in an error: a file, a URL without credentials.
    Raises: PipelineError if it is not of that form.
    """
    try:
        exchanges = _EXCHANGES.validate_python(_rows(document, "exchanges"))
        queues = _QUEUES.validate_python([_queue_fields(row) for row in _rows(document, "queues")])
        bindings = _BINDINGS.validate_python(_rows(document, "bindings"))
        policies = policies_from_json(_rows(document, "policies"), where=where)
    except ValidationError as error:
        raise _malformed(error, where) from error
    return Definitions(
        exchanges=tuple(sorted(exchanges, key=lambda exchange: exchange.name)),
        queues=tuple(sorted(queues, key=lambda queue: queue.name)),
        bindings=tuple(sorted(bindings, key=lambda binding: binding.identity)),
        policies=policies,
    )


def policies_from_json(rows: Iterable[Mapping[str, Any]], *, where: str = "") -> tuple[PolicyDefinition, ...]:
    """Policies, or operator policies, sorted by name. Raises PipelineError."""
    try:
        policies = _POLICIES.validate_python([_policy_fields(row) for row in rows])
    except ValidationError as error:
        raise _malformed(error, where) from error
    return tuple(sorted(policies, key=lambda policy: policy.name))


def _rows(document: Mapping[str, Any], section: str) -> list[Any]:
    rows = document.get(section, [])
    return rows if isinstance(rows, list) else [rows]


def _queue_fields(row: Any) -> Any:
    # Quorum queues have `"exclusive": null` in some answers: they can't be exclusive.
    return {**row, "exclusive": bool(row.get("exclusive"))} if isinstance(row, Mapping) else row


def _policy_fields(row: Any) -> Any:
    return {**row, "apply_to": row.get("apply-to", "all")} if isinstance(row, Mapping) else row


def _malformed(error: ValidationError, where: str) -> PipelineError:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return PipelineError(
        f"Not RabbitMQ definitions: {place}: {first['msg']}",
        where=where,
        fix="Expected lists named exchanges, queues, bindings and policies, as in RabbitMQ's definitions.json",
    )
