"""Random topologies applied to a real RabbitMQ, imported from it, and planned against it: nothing is left to do."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from pydantic import ValidationError

from pipeline.errors import ExitCode
from pipeline.provision.apply import apply
from pipeline.provision.import_text import prove, text_of
from pipeline.provision.importing import import_definitions
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import observe
from pipeline.provision.ownership import read_ownership, topologies_of
from pipeline.provision.plan import plan
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from tests.random_topologies import topologies

pytestmark = pytest.mark.rabbitmq


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(document=topologies())
def test_apply_import_and_plan_leave_nothing_to_do(rabbitmq_management_url: str, document: dict[str, Any]) -> None:
    try:
        topology = Topology.model_validate(document)
    except ValidationError:
        assume(False)
        raise
    quorum = [queue for key, queue in topology.queues.items() if topology.queue_type(key) == "quorum"]
    assume(not any(queue.max_priority for queue in quorum))  # RabbitMQ refuses it
    asyncio.run(_round_trip(rabbitmq_management_url, topology))


async def _round_trip(management_url: str, topology: Topology) -> None:
    desired = definitions_of(topology)
    vhost = f"import/{uuid.uuid4()}"
    async with ManagementClient(management_url, vhost) as client:
        await client.put("vhosts", vhost, body={})
        try:
            owned = await read_ownership(client, topology.name)
            applied = await apply(plan(desired, await observe(client), owned), client)
            assume(applied.exit_code is ExitCode.DONE)
            assert await topologies_of(client) == [topology.name]
            observed, owned = await observe(client), await read_ownership(client, topology.name)
            text = text_of(import_definitions(observed.definitions, topology.name), client.where)
            proof = prove(text, observed, owned)
            if proof.plan is None:
                assert {error.code for error in proof.errors} <= {"T204", "T205"}, text
            else:
                assert proof.plan.changes == (), text
        finally:
            for parameter in await client.list("global-parameters"):
                if parameter["name"].endswith(f"@{vhost}"):
                    await client.delete("global-parameters", parameter["name"])
            await client.delete("vhosts", vhost)
