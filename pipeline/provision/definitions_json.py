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
    PermissionDefinition,
    PolicyDefinition,
    QueueDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    UserLimitDefinition,
    VhostLimitDefinition,
)

Definition = (
    ExchangeDefinition
    | QueueDefinition
    | BindingDefinition
    | PolicyDefinition
    | UserDefinition
    | PermissionDefinition
    | TopicPermissionDefinition
    | UserLimitDefinition
    | VhostLimitDefinition
)

_EXCHANGES = TypeAdapter(tuple[ExchangeDefinition, ...])
_QUEUES = TypeAdapter(tuple[QueueDefinition, ...])
_BINDINGS = TypeAdapter(tuple[BindingDefinition, ...])
_POLICIES = TypeAdapter(tuple[PolicyDefinition, ...])
_USERS = TypeAdapter(tuple[UserDefinition, ...])
_PERMISSIONS = TypeAdapter(tuple[PermissionDefinition, ...])
_TOPIC_PERMISSIONS = TypeAdapter(tuple[TopicPermissionDefinition, ...])
_USER_LIMITS = TypeAdapter(tuple[UserLimitDefinition, ...])
_VHOST_LIMITS = TypeAdapter(tuple[VhostLimitDefinition, ...])
# RabbitMQ keeps a vhost's limits as a parameter, and a user's with the user.
VHOST_LIMITS = {"component": "vhost-limits", "name": "limits"}


def definition_to_json(definition: Definition) -> dict[str, Any]:
    """One definition as the management API takes it; of a user without its password's hash."""
    if isinstance(definition, UserDefinition):
        return {"name": definition.name, "tags": list(definition.tags)}
    values = ((field.name, getattr(definition, field.name)) for field in fields(definition))
    document = {name: dict(value) if isinstance(value, Mapping) else value for name, value in values}
    if isinstance(definition, PolicyDefinition):
        document["apply-to"] = document.pop("apply_to")
    return document


def user_to_json(user: UserDefinition) -> dict[str, Any]:
    """A user as the management API takes it, with its password's hash where that is known: not to be shown."""
    document = definition_to_json(user)
    if user.password_hash is not None:
        document |= {"password_hash": user.password_hash, "hashing_algorithm": user.hashing_algorithm}
    return document


def definitions_to_json(definitions: Definitions) -> dict[str, Any]:
    """Lists under `exchanges`, `queues`, `bindings`, `policies`, and what there is of users, permissions and limits.

    With the hashes of the users' passwords: not to be shown. `definitions_from_json` reads it back.
    """
    return {
        "exchanges": [definition_to_json(exchange) for exchange in definitions.exchanges],
        "queues": [definition_to_json(queue) for queue in definitions.queues],
        "bindings": [definition_to_json(binding) for binding in definitions.bindings],
        "policies": [definition_to_json(policy) for policy in definitions.policies],
        **{section: rows for section, rows in _access_to_json(definitions).items() if rows},
    }


def _access_to_json(definitions: Definitions) -> dict[str, list[dict[str, Any]]]:
    limits: dict[str, dict[str, int]] = {user.name: {} for user in definitions.users}
    strays = [limit for limit in definitions.user_limits if limit.user not in limits]
    for limit in definitions.user_limits:
        limits.setdefault(limit.user, {})[limit.name] = limit.value
    vhost = {limit.name: limit.value for limit in definitions.vhost_limits}
    return {
        "users": [{**user_to_json(user), "limits": limits[user.name]} for user in definitions.users],
        "permissions": [definition_to_json(permission) for permission in definitions.permissions],
        "topic_permissions": [definition_to_json(permission) for permission in definitions.topic_permissions],
        "user_limits": [definition_to_json(limit) for limit in strays],
        "parameters": [{**VHOST_LIMITS, "value": vhost}] if vhost else [],
    }


def definitions_from_json(document: Mapping[str, Any], *, where: str = "") -> Definitions:
    """Definitions from a document; unknown sections and fields are left out, tuples are sorted by name.

    Rows of several vhosts are not told apart: a document is about one.

    Args:
        where: what to name in an error: a file, a URL without credentials.
    Raises: PipelineError if it is not of that form.
    """
    try:
        exchanges = _EXCHANGES.validate_python(_rows(document, "exchanges"))
        queues = _QUEUES.validate_python([_queue_fields(row) for row in _rows(document, "queues")])
        bindings = _BINDINGS.validate_python(_rows(document, "bindings"))
        policies = policies_from_json(_rows(document, "policies"), where=where)
        users = _USERS.validate_python([_user_fields(row) for row in _rows(document, "users")])
        permissions = _PERMISSIONS.validate_python(_rows(document, "permissions"))
        topic_permissions = _TOPIC_PERMISSIONS.validate_python(_rows(document, "topic_permissions"))
        user_limits = _USER_LIMITS.validate_python([*_user_limits(document), *_rows(document, "user_limits")])
        vhost_limits = _VHOST_LIMITS.validate_python([*_vhost_limits(document), *_rows(document, "vhost_limits")])
    except ValidationError as error:
        raise _malformed(error, where) from error
    return Definitions(
        exchanges=tuple(sorted(exchanges, key=lambda exchange: exchange.name)),
        queues=tuple(sorted(queues, key=lambda queue: queue.name)),
        bindings=tuple(sorted(bindings, key=lambda binding: binding.identity)),
        policies=policies,
        users=tuple(sorted(users, key=lambda user: user.name)),
        permissions=tuple(sorted(permissions, key=lambda permission: permission.user)),
        topic_permissions=tuple(sorted(topic_permissions, key=lambda each: (each.user, each.exchange))),
        user_limits=tuple(sorted(user_limits, key=lambda limit: (limit.user, limit.name))),
        vhost_limits=tuple(sorted(vhost_limits, key=lambda limit: limit.name)),
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


def _user_fields(row: Any) -> Any:
    if not isinstance(row, Mapping):
        return row
    # One text, separated by commas, up to RabbitMQ 3.8.
    tags = row.get("tags") or []
    listed = tags.split(",") if isinstance(tags, str) else tags
    return {**row, "tags": sorted(listed) if isinstance(listed, list) else listed}


def _user_limits(document: Mapping[str, Any]) -> list[Any]:
    return [
        {"user": row.get("name"), "name": name, "value": value}
        for row in _rows(document, "users")
        if isinstance(row, Mapping)
        for name, value in _entries(row.get("limits"))
    ]


def _vhost_limits(document: Mapping[str, Any]) -> list[Any]:
    return [
        {"name": name, "value": value}
        for row in _rows(document, "parameters")
        if isinstance(row, Mapping) and row.get("component") == VHOST_LIMITS["component"]
        for name, value in _entries(row.get("value"))
    ]


def _entries(limits: Any) -> list[tuple[Any, Any]]:
    return list(limits.items()) if isinstance(limits, Mapping) else []


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
