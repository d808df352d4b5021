"""What a topology made and gives up, and what others do to what it made, on a real RabbitMQ."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import ExitCode
from pipeline.messages.message import Message
from pipeline.provision.apply import apply
from pipeline.provision.changes import Kind, Plan
from pipeline.provision.drift import Drift, drift
from pipeline.provision.management import ManagementClient, NotFound
from pipeline.provision.observe import observe
from pipeline.provision.outcomes import Applied, Status
from pipeline.provision.ownership import read_ownership
from pipeline.provision.plan import plan
from pipeline.provision.planfile import StalePlan, read_plan, require_current, write_plan
from pipeline.provision.prune import Pruner
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)

pytestmark = pytest.mark.rabbitmq

_EVENTS = ExchangeDefinition("events", "topic")
_OLD_EVENTS = ExchangeDefinition("old.events", "topic")
_WORK, _OLD, _OLD_QUORUM = (
    QueueDefinition("work"),
    QueueDefinition("old"),
    QueueDefinition("old.quorum", arguments={"x-queue-type": "quorum"}),
)
_OLD_POLICY = PolicyDefinition("tracktion.old", exactly("old"), {"message-ttl": 3_600_000}, priority=10)
_WORK_POLICY = PolicyDefinition("tracktion.work", exactly("work"), {"message-ttl": 3_600_000}, priority=10)
_SMALL = Definitions(
    exchanges=(_EVENTS,),
    queues=(_WORK,),
    bindings=(BindingDefinition("events", "work", "queue", "file.#"),),
    policies=(_WORK_POLICY,),
)
_LARGE = Definitions(
    exchanges=(_EVENTS, _OLD_EVENTS),
    queues=(_OLD, _OLD_QUORUM, _WORK),
    bindings=(
        *_SMALL.bindings,
        BindingDefinition("events", "old", "queue", "file.created"),
        BindingDefinition("events", "old.quorum", "queue", "#", {"note": 1}),
        BindingDefinition("events", "work", "queue", "tag.*", {"odd": "é"}),
        BindingDefinition("events", "old.events", "exchange", "old.#"),
    ),
    policies=(_OLD_POLICY, _WORK_POLICY),
)


@pytest.fixture
async def client(rabbitmq_management_url: str) -> AsyncIterator[ManagementClient]:
    """The management API, seen from a new vhost."""
    async with ManagementClient(rabbitmq_management_url, f"prune/{uuid.uuid4()}") as made:
        await made.put("vhosts", made.vhost, body={})
        yield made
        for parameter in await made.list("global-parameters"):
            if parameter["name"].endswith(f"@{made.vhost}"):
                await made.delete("global-parameters", parameter["name"])
        await made.delete("vhosts", made.vhost)


@pytest.fixture
async def broker(client: ManagementClient, rabbitmq_url: str) -> AsyncIterator[RabbitMQBroker]:
    base = rabbitmq_url.split(",")[0].rpartition("/")[0]
    broker = RabbitMQBroker(f"{base}/{quote(client.vhost, safe='')}")
    await broker.connect()
    yield broker
    await broker.close()


Prune = Callable[..., Awaitable[Applied]]


async def _planned(client: ManagementClient, desired: Definitions, *, prune: bool = False) -> Plan:
    return plan(desired, await observe(client), await read_ownership(client, "tracktion"), prune=prune)


async def _applied(client: ManagementClient, desired: Definitions) -> Applied:
    return await apply(await _planned(client, desired), client)


@pytest.fixture
def pruned(client: ManagementClient, broker: RabbitMQBroker) -> Prune:
    """Applies with --prune, and --force for some names."""

    async def prune(desired: Definitions, *forced: str) -> Applied:
        shown = await _planned(client, desired, prune=True)
        return await apply(shown, client, pruner=Pruner(client, broker.depth, forced))

    return prune


def _left(applied: Applied) -> dict[str, str]:
    return {each.change.name: each.reason for each in applied.outcomes if each.status is Status.LEFT}


async def test_pruning_deletes_what_is_empty_and_owned_and_leaves_the_rest_of_the_broker_alone(
    client: ManagementClient,
    pruned: Prune,
) -> None:
    await client.put("queues", client.vhost, "foreign", body={"durable": True})
    await _applied(client, _LARGE)
    shown = await _planned(client, _SMALL, prune=True)
    assert shown.exit_code == ExitCode.CHANGES_PENDING
    applied = await pruned(_SMALL)
    assert applied.exit_code == ExitCode.DONE, applied
    held = (await observe(client)).definitions
    assert {queue.name for queue in held.queues} == {"foreign", "work"}
    assert [exchange.name for exchange in held.exchanges] == ["events"]
    assert [(binding.destination, binding.routing_key) for binding in held.bindings] == [("work", "file.#")]
    assert [policy.name for policy in held.policies] == ["tracktion.work"]
    assert not (await _planned(client, _SMALL, prune=True)).changes
    owned = await read_ownership(client, "tracktion")
    assert not {name for _, name in owned.objects} & {"old", "old.quorum", "old.events", "tracktion.old"}


async def test_without_prune_nothing_is_deleted(client: ManagementClient) -> None:
    await _applied(client, _LARGE)
    applied = await _applied(client, _SMALL)
    assert applied.exit_code == ExitCode.DONE
    assert set(_left(applied)) >= {"old", "old.quorum", "old.events", "tracktion.old"}
    assert {queue.name for queue in (await observe(client)).definitions.queues} == {"old", "old.quorum", "work"}


async def test_a_queue_with_messages_is_left_with_its_policy_until_it_is_named(
    client: ManagementClient, pruned: Prune, broker: RabbitMQBroker
) -> None:
    await _applied(client, _LARGE)
    for name in ("old", "old.quorum"):
        await broker.publish("", name, Message(b"{}"))
    applied = await pruned(_SMALL)
    assert applied.exit_code == ExitCode.PARTLY_DONE
    left = _left(applied)
    assert left["old"] == "1 message in it. `--force old` deletes it all the same"
    assert left["old.quorum"].endswith("1 message in it. `--force old.quorum` deletes it all the same")
    assert [row["source"] for row in await client.list("queues", client.vhost, "old.quorum", "bindings")] == [
        "",
        "events",
    ]
    assert left["tracktion.old"] == 'it holds for the queue "old", which is left'
    forced = await pruned(_SMALL, "old", "old.quorum")
    assert forced.exit_code == ExitCode.DONE
    assert [queue.name for queue in (await observe(client)).definitions.queues] == ["work"]


@pytest.mark.parametrize("name", ["old", "old.quorum"])
async def test_a_queue_with_a_consumer_is_left(
    client: ManagementClient, pruned: Prune, broker: RabbitMQBroker, name: str
) -> None:
    await _applied(client, _LARGE)
    consumer = await broker.consume(name, lambda _: None, prefetch=1)
    applied = await pruned(_SMALL)
    assert applied.exit_code == ExitCode.PARTLY_DONE
    assert _left(applied)[name].startswith("1 consumer on it")
    assert name in {queue.name for queue in (await observe(client)).definitions.queues}
    await consumer.close()


async def test_no_queue_is_deleted_while_messages_wait_that_may_return_to_it(
    client: ManagementClient, pruned: Prune, broker: RabbitMQBroker
) -> None:
    tier = QueueDefinition("tracktion.retry.2m")
    returns = PolicyDefinition(tier.name, exactly(tier.name), {"dead-letter-exchange": "", "message-ttl": 120_000})
    with_tier = replace(_SMALL, queues=(tier, _WORK), policies=(returns, _WORK_POLICY))
    await _applied(client, replace(with_tier, queues=(_OLD, tier, _WORK)))
    await broker.publish("", tier.name, Message(b"{}"))
    applied = await pruned(with_tier)
    assert "1 waiting in" in _left(applied)["old"]
    assert _OLD in (await observe(client)).definitions.queues


async def test_an_exchange_to_which_others_bound_something_is_left_until_it_is_named(
    client: ManagementClient, pruned: Prune
) -> None:
    await _applied(client, _LARGE)
    await client.put("queues", client.vhost, "foreign", body={"durable": True})
    bind = {"routing_key": "#", "arguments": {}}
    await client.post("bindings", client.vhost, "e", "old.events", "q", "foreign", body=bind)
    applied = await pruned(_SMALL)
    assert "something is still bound to it" in _left(applied)["old.events"]
    assert (await pruned(_SMALL, "old.events")).exit_code == ExitCode.DONE
    with pytest.raises(NotFound):
        await client.get("exchanges", client.vhost, "old.events")


async def test_a_kept_plan_is_applied_as_it_was_shown(client: ManagementClient, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    shown = await _planned(client, _LARGE)
    write_plan(file, shown)
    kept = read_plan(file)
    assert kept == shown
    now = await _planned(client, _LARGE)
    require_current(kept, now, str(file))
    assert (await apply(now, client)).exit_code == ExitCode.DONE


async def test_a_kept_plan_is_refused_once_the_broker_is_another(
    client: ManagementClient, broker: RabbitMQBroker, tmp_path: Path
) -> None:
    await _applied(client, _SMALL)
    file = tmp_path / "plan.json"
    write_plan(file, await _planned(client, _LARGE))
    await client.put("queues", client.vhost, "foreign", body={"durable": True})
    await broker.publish("", "work", Message(b"{}"))
    require_current(read_plan(file), await _planned(client, _LARGE), str(file))
    await client.put("queues", client.vhost, "old", body={"durable": True})
    with pytest.raises(StalePlan, match='to create the queue "old" is not needed any more') as caught:
        require_current(read_plan(file), await _planned(client, _LARGE), str(file))
    assert "pipeline plan --out" in caught.value.fix


async def _drift(client: ManagementClient, desired: Definitions) -> Drift:
    owned = await read_ownership(client, "tracktion")
    return drift(plan(desired, await observe(client), owned), owned)


async def test_drift_is_what_others_changed_and_not_what_the_file_changed(client: ManagementClient) -> None:
    await client.put("queues", client.vhost, "foreign", body={"durable": True})
    await _applied(client, _LARGE)
    assert (await _drift(client, _LARGE)).exit_code == ExitCode.DONE

    shorter = replace(_OLD_POLICY, definition={"message-ttl": 1000})
    edited = await _drift(client, replace(_LARGE, policies=(shorter, _WORK_POLICY)))
    assert (edited.exit_code, edited.unapplied) == (ExitCode.DONE, 1)

    body = {"pattern": exactly("work"), "definition": {"message-ttl": 5}, "priority": 10, "apply-to": "queues"}
    await client.put("policies", client.vhost, "tracktion.work", body=body)
    await client.delete("queues", client.vhost, "old.quorum")
    await client.delete("queues", client.vhost, "foreign")
    found = await _drift(client, replace(_LARGE, policies=(shorter, _WORK_POLICY)))
    assert found.exit_code == ExitCode.CHANGES_PENDING
    assert {(change.kind, change.name) for change in found.plan.changes} == {
        (Kind.QUEUE, "old.quorum"),
        (Kind.BINDING, "events → old.quorum #"),
        (Kind.POLICY, "tracktion.work"),
    }
    assert found.unapplied == 1
    await _applied(client, _LARGE)
    assert (await _drift(client, _LARGE)).exit_code == ExitCode.DONE
