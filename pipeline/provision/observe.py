"""What the broker holds now: its definitions, and what each queue is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.provision.definitions_json import VHOST_LIMITS, definitions_from_json, policies_from_json
from pipeline.provision.management import Denied, ManagementClient
from pipeline.topology.definitions import Definitions, PolicyDefinition


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A queue at the time of asking.

    Attributes:
        messages: ready and unacknowledged, a quorum queue's up to 5 s old; None if the broker does not say.
        consumers: up to a few seconds old; None if the broker does not say (a new queue, statistics off).
        state: `running`, `down`, `minority`, …; empty if the broker does not say.
    """

    messages: int | None = None
    consumers: int | None = None
    state: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """One vhost. RabbitMQ's own `amq.*` objects and the default exchange's implicit bindings are left out.

    Attributes:
        facts: by queue name.
        access: whether users, permissions and limits were looked at; else the definitions hold none.
        operator_policies: merged by the broker with the policies, and not changed by anything here.
    """

    definitions: Definitions
    facts: Mapping[str, QueueFacts] = field(default_factory=dict)
    operator_policies: tuple[PolicyDefinition, ...] = ()
    access: bool = False


async def observe(client: ManagementClient, *, access: bool = False) -> Observed:
    """The client's vhost, in six requests. The tag `management` is enough.

    `/api/definitions` would be one request but wants an administrator, and knows nothing of depths.

    Args:
        access: look at users, permissions and limits too, in four more; for others than administrators it is left.
    Raises: Unreachable, PipelineError.
    """
    vhost = client.vhost
    exchanges, queues, statistics, bindings, policies, operator_policies = await asyncio.gather(
        client.list("exchanges", vhost, columns="name,type,durable,auto_delete,internal,arguments"),
        # Without statistics the depths are asked of the queues themselves, so they are not some seconds old.
        client.list("queues", vhost, disable_stats="true", enable_queue_totals="true"),
        client.list("queues", vhost, columns="name,consumers"),
        client.list("bindings", vhost),
        client.list("policies", vhost),
        client.list("operator-policies", vhost),
    )
    allowed = await _access(client) if access else None
    definitions = definitions_from_json(
        {
            "exchanges": [row for row in exchanges if not _reserved(row.get("name"))],
            "queues": [row for row in queues if not _reserved(row.get("name"))],
            "bindings": [row for row in bindings if row.get("source") and not _reserved(row.get("destination"))],
            "policies": policies,
            **(allowed or {}),
        },
        where=client.where,
    )
    consumers = {row.get("name"): row.get("consumers") for row in statistics}
    facts = {row["name"]: _facts(row, consumers.get(row["name"])) for row in queues}
    overriding = policies_from_json(operator_policies, where=client.where)
    return Observed(definitions, facts, overriding, access=allowed is not None)


async def _access(client: ManagementClient) -> dict[str, list[dict[str, Any]]] | None:
    """None if the user may not see it."""
    try:
        users = await client.list("users")
    except Denied:
        return None
    permissions, topic_permissions, limits = await asyncio.gather(
        client.list("vhosts", client.vhost, "permissions"),
        client.list("vhosts", client.vhost, "topic-permissions"),
        client.list("vhost-limits", client.vhost),
    )
    return {
        "users": users,
        "permissions": permissions,
        "topic_permissions": topic_permissions,
        "parameters": [{**VHOST_LIMITS, "value": row.get("value")} for row in limits],
    }


def _reserved(name: Any) -> bool:
    return name == "" or str(name).startswith("amq.")


def _facts(row: Mapping[str, Any], consumers: Any) -> QueueFacts:
    messages = row.get("messages")
    return QueueFacts(
        messages=messages if isinstance(messages, int) else None,
        consumers=consumers if isinstance(consumers, int) else None,
        state=str(row.get("state") or ""),
    )
