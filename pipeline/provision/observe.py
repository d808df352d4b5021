"""What the broker holds now: its definitions, and what each queue is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.provision.definitions_json import definitions_from_json, policies_from_json
from pipeline.provision.management import ManagementClient
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
        operator_policies: merged by the broker with the policies, and not changed by anything here.
    """

    definitions: Definitions
    facts: Mapping[str, QueueFacts] = field(default_factory=dict)
    operator_policies: tuple[PolicyDefinition, ...] = ()


async def observe(client: ManagementClient) -> Observed:
    """The client's vhost, in six requests. The tag `management` is enough.

    `/api/definitions` would be one request but wants an administrator, and knows nothing of depths.
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
    definitions = definitions_from_json(
        {
            "exchanges": [row for row in exchanges if not _reserved(row.get("name"))],
            "queues": [row for row in queues if not _reserved(row.get("name"))],
            "bindings": [row for row in bindings if row.get("source") and not _reserved(row.get("destination"))],
            "policies": policies,
        },
        where=client.where,
    )
    consumers = {row.get("name"): row.get("consumers") for row in statistics}
    facts = {row["name"]: _facts(row, consumers.get(row["name"])) for row in queues}
    return Observed(definitions, facts, policies_from_json(operator_policies, where=client.where))


def _reserved(name: Any) -> bool:
    return name == "" or str(name).startswith("amq.")


def _facts(row: Mapping[str, Any], consumers: Any) -> QueueFacts:
    messages = row.get("messages")
    return QueueFacts(
        messages=messages if isinstance(messages, int) else None,
        consumers=consumers if isinstance(consumers, int) else None,
        state=str(row.get("state") or ""),
    )
