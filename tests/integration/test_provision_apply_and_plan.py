"""Plan and apply against a real RabbitMQ, in a vhost of each test's own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.errors import ExitCode, PipelineError, Unreachable
from pipeline.provision.apply import apply
from pipeline.provision.changes import Action, Kind, Plan, Risk, identity_of
from pipeline.provision.management import Denied, ManagementClient, NotFound, Refused
from pipeline.provision.observe import Observed, observe
from pipeline.provision.outcomes import Applied, Outcome, Status
from pipeline.provision.ownership import read_ownership
from pipeline.provision.plan import plan
from pipeline.servers.tcp_proxy import tcp_proxy
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)

pytestmark = pytest.mark.rabbitmq

_LOST = ExchangeDefinition("lost & found", "fanout")
_EVENTS = ExchangeDefinition("tracktion.events", "topic", arguments={"x-note": "é"})
_OLD = ExchangeDefinition("old/events%", "topic", durable=False, internal=False)
_WORK = QueueDefinition("analysis_queue", arguments={"x-max-priority": 10})
_DEAD = QueueDefinition("analysis_queue.dlq")
_QUORUM = QueueDefinition("ü #?", arguments={"x-queue-type": "quorum"})
_POLICY = PolicyDefinition(
    "tracktion:analysis_queue",
    "^analysis_queue$",
    {"message-ttl": 60_000, "dead-letter-exchange": "", "dead-letter-routing-key": "analysis_queue.dlq"},
    priority=10,
)
_ALTERNATE = PolicyDefinition(
    "tracktion:tracktion.events", exactly("tracktion.events"), {"alternate-exchange": "lost & found"}, "exchanges", 10
)
_TOPOLOGY = Definitions(
    exchanges=(_LOST, _OLD, _EVENTS),
    queues=(_WORK, _DEAD, _QUORUM),
    bindings=(
        BindingDefinition("old/events%", "tracktion.events", "exchange", "#"),
        BindingDefinition("tracktion.events", "analysis_queue", "queue", "file.analyze"),
        BindingDefinition("tracktion.events", "analysis_queue", "queue", "a b/c%.*"),
        BindingDefinition("lost & found", "ü #?", "queue", "", {"x-match": "all", "kind": "é"}),
    ),
    policies=(_POLICY, _ALTERNATE),
)


@pytest.fixture
async def client(rabbitmq_management_url: str) -> AsyncIterator[ManagementClient]:
    """The management API, seen from a new vhost."""
    async with ManagementClient(rabbitmq_management_url, f"provision/{uuid.uuid4()}") as made:
        await made.put("vhosts", made.vhost, body={})
        yield made
        for parameter in await made.list("global-parameters"):
            if parameter["name"].endswith(f"@{made.vhost}"):
                await made.delete("global-parameters", parameter["name"])
        await made.delete("vhosts", made.vhost)


MakeUser = Callable[..., Any]


@pytest.fixture
async def log_in(client: ManagementClient, rabbitmq_management_url: str) -> AsyncIterator[MakeUser]:
    """Makes a user with tags and permissions in the test's vhost, and logs in as that user."""
    users: list[str] = []
    opened: list[ManagementClient] = []

    async def make(tags: str, *, configure: str = ".*", permitted: bool = True) -> ManagementClient:
        name = f"u-{uuid.uuid4()}"
        users.append(name)
        await client.put("users", name, body={"password": "pass/word", "tags": tags})
        if permitted:
            rights = {"configure": configure, "write": ".*", "read": ".*"}
            await client.put("permissions", client.vhost, name, body=rights)
        parts = urlsplit(rabbitmq_management_url)
        url = f"{parts.scheme}://{name}:pass%2Fword@{parts.hostname}:{parts.port}"
        opened.append(ManagementClient(url, client.vhost))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()
    for user in users:
        await client.delete("users", user)


async def _planned(client: ManagementClient, desired: Definitions) -> Plan:
    return plan(desired, await observe(client), await read_ownership(client, "tracktion"))


async def _apply(client: ManagementClient, desired: Definitions) -> Applied:
    return await apply(await _planned(client, desired), client)


async def test_an_empty_vhost_is_observed_as_empty(client: ManagementClient) -> None:
    assert await observe(client) == Observed(Definitions())


async def test_after_apply_the_plan_is_empty_and_the_broker_holds_the_topology(client: ManagementClient) -> None:
    first = await _planned(client, _TOPOLOGY)
    assert first.exit_code == ExitCode.CHANGES_PENDING
    seen: list[Outcome] = []
    applied = await apply(first, client, seen.append)
    assert applied.exit_code == ExitCode.DONE, applied
    assert applied.notes == ()
    assert seen == list(applied.outcomes)
    kinds = [outcome.change.kind for outcome in seen]
    assert kinds == sorted(kinds, key=[Kind.POLICY, Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING].index)
    second = await _planned(client, _TOPOLOGY)
    assert second.changes == ()
    assert second.exit_code == ExitCode.DONE
    observed = await observe(client)
    assert set(map(identity_of, observed.definitions.bindings)) == set(map(identity_of, _TOPOLOGY.bindings))
    assert (await _apply(client, _TOPOLOGY)).outcomes == ()


async def test_a_changed_ttl_is_a_live_update(client: ManagementClient) -> None:
    await _apply(client, _TOPOLOGY)
    longer = replace(_POLICY, definition={**_POLICY.definition, "message-ttl": 86_400_000})
    wanted = replace(_TOPOLOGY, policies=(longer, _ALTERNATE))
    changed = await _planned(client, wanted)
    (change,) = changed.changes
    assert (change.action, change.risk) == (Action.UPDATE, Risk.LIVE)
    assert (await apply(changed, client)).exit_code == ExitCode.DONE
    assert not (await _planned(client, wanted)).changes
    assert (await observe(client)).definitions.policies == (longer, _ALTERNATE)


async def test_a_queue_with_other_immutable_arguments_is_shown_and_not_touched(client: ManagementClient) -> None:
    before = {"durable": True, "arguments": {"x-max-priority": 5}}
    await client.put("queues", client.vhost, "analysis_queue", body=before)
    await _publish(client, "analysis_queue", 3)
    shown = await _planned(client, _TOPOLOGY)
    (change,) = [change for change in shown.changes if change.action is Action.REPLACE]
    assert (change.name, change.risk, change.messages) == ("analysis_queue", Risk.MIGRATE, 3)
    applied = await apply(shown, client)
    assert applied.exit_code == ExitCode.PARTLY_DONE
    assert applied.count(Status.LEFT) == 1
    assert applied.count(Status.FAILED) == applied.count(Status.SKIPPED) == 0
    queue = await client.get("queues", client.vhost, "analysis_queue")
    # RabbitMQ 4 lists the type of every queue among its arguments.
    assert queue["arguments"].items() - {("x-queue-type", "classic")} == {("x-max-priority", 5)}
    assert [each.action for each in (await _planned(client, _TOPOLOGY)).changes] == [Action.REPLACE]


async def test_what_is_not_declared_any_more_is_listed_kept_and_not_pending(client: ManagementClient) -> None:
    await client.put("exchanges", client.vhost, "somebody else's", body={"type": "topic"})
    await _apply(client, _TOPOLOGY)
    smaller = replace(_TOPOLOGY, exchanges=(_LOST, _EVENTS), bindings=_TOPOLOGY.bindings[1:])
    listed = await _planned(client, smaller)
    assert [(change.action, change.name) for change in listed.changes] == [(Action.DELETE, "old/events%")]
    assert listed.exit_code == ExitCode.DONE
    applied = await apply(listed, client)
    assert applied.exit_code == ExitCode.DONE
    assert [outcome.status for outcome in applied.outcomes] == [Status.LEFT]
    assert "old/events%" in {exchange.name for exchange in (await observe(client)).definitions.exchanges}


async def test_what_was_there_before_is_not_owned(client: ManagementClient) -> None:
    await client.put("queues", client.vhost, "analysis_queue.dlq", body={"durable": True})
    await _apply(client, _TOPOLOGY)
    owned = (await read_ownership(client, "tracktion")).objects
    assert (Kind.QUEUE, "analysis_queue") in owned
    assert (Kind.QUEUE, "analysis_queue.dlq") not in owned
    assert {change.name for change in (await _planned(client, Definitions())).changes} == {
        "analysis_queue",
        "ü #?",
        "lost & found",
        "old/events%",
        "tracktion.events",
        "tracktion:analysis_queue",
        "tracktion:tracktion.events",
    }


async def test_what_somebody_made_meanwhile_with_other_arguments_is_reported_and_the_rest_goes_on(
    client: ManagementClient,
) -> None:
    stale = await _planned(client, _TOPOLOGY)
    await client.put("queues", client.vhost, "analysis_queue", body={"durable": True})
    await client.put("queues", client.vhost, "analysis_queue.dlq", body={"durable": True})
    applied = await apply(stale, client)
    assert applied.exit_code == ExitCode.PARTLY_DONE
    (failed,) = [outcome for outcome in applied.outcomes if outcome.status is Status.FAILED]
    assert failed.change.name == "analysis_queue"
    assert "somebody made it meanwhile" in failed.reason
    assert "x-max-priority" in failed.reason
    skipped = [outcome for outcome in applied.outcomes if outcome.status is Status.SKIPPED]
    assert {outcome.change.kind for outcome in skipped} == {Kind.BINDING}
    assert all('"analysis_queue" could not be made' in outcome.reason for outcome in skipped)
    owned = (await read_ownership(client, "tracktion")).objects
    assert (Kind.QUEUE, "ü #?") in owned
    assert not {(Kind.QUEUE, "analysis_queue"), (Kind.QUEUE, "analysis_queue.dlq")} & owned
    await client.delete("queues", client.vhost, "analysis_queue")
    assert (await _apply(client, _TOPOLOGY)).exit_code == ExitCode.DONE
    assert not (await _planned(client, _TOPOLOGY)).changes


async def test_an_apply_cut_off_half_way_is_completed_by_the_next(client: ManagementClient) -> None:
    first = await _planned(client, _TOPOLOGY)
    cut = asyncio.Event()

    def cut_after_two(outcome: Outcome) -> None:
        if len(seen) < 2:
            seen.append(outcome)
        else:
            cut.set()

    seen: list[Outcome] = []
    running = asyncio.create_task(apply(first, client, cut_after_two))
    await cut.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await _planned(client, _TOPOLOGY)).pending
    assert (await _apply(client, _TOPOLOGY)).exit_code == ExitCode.DONE
    assert not (await _planned(client, _TOPOLOGY)).changes
    made = {change.identity for change in (await _planned(client, Definitions())).changes}
    assert {"analysis_queue", "tracktion.events", "lost & found"} <= made


async def test_two_applies_at_once_both_succeed_and_leave_nothing_to_do(client: ManagementClient) -> None:
    shown = await _planned(client, _TOPOLOGY)
    both = await asyncio.gather(apply(shown, client), apply(shown, client))
    assert [applied.exit_code for applied in both] == [ExitCode.DONE, ExitCode.DONE]
    assert not (await _planned(client, _TOPOLOGY)).changes


async def test_no_binding_is_made_to_a_queue_whose_policy_was_refused(client: ManagementClient) -> None:
    broken = replace(_POLICY, definition={"message-ttl": "soon"})
    applied = await _apply(client, replace(_TOPOLOGY, policies=(broken,)))
    assert applied.exit_code == ExitCode.PARTLY_DONE
    (failed,) = [outcome for outcome in applied.outcomes if outcome.status is Status.FAILED]
    assert failed.change.kind is Kind.POLICY
    assert "is not a valid message TTL" in failed.reason
    skipped = [outcome for outcome in applied.outcomes if outcome.status is Status.SKIPPED]
    assert len(skipped) == 2
    assert all("policy" in outcome.reason for outcome in skipped)
    bound = {binding.destination for binding in (await observe(client)).definitions.bindings}
    assert bound == {"tracktion.events", "ü #?"}


async def test_a_policy_of_somebody_else_that_wins_is_noted(client: ManagementClient) -> None:
    body = {"pattern": "^analysis", "definition": {"max-length": 5}, "priority": 99, "apply-to": "queues"}
    await client.put("policies", client.vhost, "house rule", body=body)
    limit = {"pattern": ".*", "definition": {"max-length": 7}, "priority": 1, "apply-to": "queues"}
    await client.put("operator-policies", client.vhost, "cap", body=limit)
    noted = (await _planned(client, _TOPOLOGY)).notes
    assert len(noted) == 2
    assert '"house rule" (priority 99) wins over ours on queue "analysis_queue"' in noted[0]
    assert '"cap" (max-length 7)' in noted[1]


async def test_a_user_with_the_management_tag_alone_can_plan_and_is_told_what_else_apply_needs(
    client: ManagementClient, log_in: MakeUser
) -> None:
    user = await log_in("management")
    shown = await _planned(user, _TOPOLOGY)
    assert any("policymaker" in note for note in shown.notes)
    applied = await apply(shown, user)
    assert applied.exit_code == ExitCode.PARTLY_DONE
    assert any("not recorded as owned" in note for note in applied.notes)
    failed = [outcome for outcome in applied.outcomes if outcome.status is Status.FAILED]
    assert {outcome.change.definition.name for outcome in failed} == {_POLICY.name, _ALTERNATE.name}
    assert all("policymaker" in outcome.reason for outcome in failed)
    completed = await _apply(await log_in("policymaker"), _TOPOLOGY)
    assert completed.exit_code == ExitCode.DONE
    assert not (await _planned(client, _TOPOLOGY)).changes


async def test_a_user_without_the_management_tag_is_told_which_tag_is_missing(log_in: MakeUser) -> None:
    with pytest.raises(Denied) as caught:
        await observe(await log_in(""))
    assert '"management"' in caught.value.fix


async def test_a_user_without_permissions_on_the_vhost_is_told_so(log_in: MakeUser) -> None:
    with pytest.raises(Denied) as caught:
        await observe(await log_in("management", permitted=False))
    assert "set_permissions" in caught.value.fix


async def test_a_user_who_may_not_configure_gets_nothing_done_and_is_told_why(log_in: MakeUser) -> None:
    user = await log_in("policymaker", configure="^$")
    applied = await apply(await _planned(user, replace(_TOPOLOGY, policies=())), user)
    assert applied.exit_code == ExitCode.ERROR
    failed = [outcome for outcome in applied.outcomes if outcome.status is Status.FAILED]
    assert {outcome.change.kind for outcome in failed} == {Kind.EXCHANGE, Kind.QUEUE}
    assert all("configure" in outcome.reason for outcome in failed)
    assert (await read_ownership(user, "tracktion")).objects == frozenset()


async def test_a_wrong_password_is_told_without_showing_it(rabbitmq_management_url: str) -> None:
    parts = urlsplit(rabbitmq_management_url)
    url = f"{parts.scheme}://{parts.username}:wrongpass@{parts.hostname}:{parts.port}"
    async with ManagementClient(url, "/") as wrong:
        with pytest.raises(Denied, match="password") as caught:
            await observe(wrong)
    assert "wrongpass" not in str(caught.value)


async def test_a_missing_vhost_is_named(rabbitmq_management_url: str) -> None:
    async with ManagementClient(rabbitmq_management_url, "no such/vhost") as elsewhere:
        with pytest.raises(NotFound, match="no such/vhost"):
            await observe(elsewhere)


async def test_another_page_of_the_same_server_is_no_management_api(rabbitmq_management_url: str) -> None:
    async with ManagementClient(f"{rabbitmq_management_url}/js", "/") as wrong:
        with pytest.raises(PipelineError) as caught:
            await observe(wrong)
    assert caught.value.fix


async def test_at_the_amqp_port_the_right_port_is_told(rabbitmq_url: str) -> None:
    parts = urlsplit(rabbitmq_url)
    async with ManagementClient(f"http://guest:guest@{parts.hostname}:{parts.port}", "/") as wrong:
        with pytest.raises(PipelineError) as caught:
            await observe(wrong)
    assert "15672" in caught.value.fix


async def test_a_record_of_ownership_in_another_format_is_not_overwritten(client: ManagementClient) -> None:
    shown = await _planned(client, _TOPOLOGY)
    name = (await read_ownership(client, "tracktion")).parameter
    await client.put("global-parameters", name, body={"name": name, "value": {"format": 99}})
    with pytest.raises(PipelineError, match="not a record that this version can read"):
        await apply(shown, client)
    assert (await client.get("global-parameters", name))["value"] == {"format": 99}
    assert not (await observe(client)).definitions.queues


async def test_a_broker_that_goes_away_before_anything_is_done_is_unreachable(client: ManagementClient) -> None:
    shown = await _planned(client, _TOPOLOGY)
    gone = ManagementClient("http://guest:guest@127.0.0.1:1", client.vhost)
    with pytest.raises(Unreachable):
        await apply(shown, gone)
    await gone.close()


@pytest.mark.parametrize("silent", [True, False], ids=["stops answering", "breaks off"])
@pytest.mark.parametrize("answers", [0, 1, 4, 9, 12])
async def test_an_apply_that_loses_the_broker_in_the_middle_is_completed_by_another(
    client: ManagementClient, rabbitmq_management_url: str, answers: int, silent: bool
) -> None:
    shown = await _planned(client, _TOPOLOGY)
    parts = urlsplit(rabbitmq_management_url)
    given = 0

    async with tcp_proxy(parts.hostname or "", parts.port or 0) as proxy:

        def swallows() -> bool:
            nonlocal given
            given += 1
            proxy.silent = silent and given > answers
            return not silent and given > answers

        proxy.swallows = swallows
        url = f"http://{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        async with ManagementClient(url, client.vhost, timeout_s=0.5) as through:
            if answers < 4:
                with pytest.raises(Unreachable, match="management API"):
                    await apply(shown, through)
            else:
                applied = await apply(shown, through)
                assert applied.exit_code == ExitCode.PARTLY_DONE
                assert applied.count(Status.SKIPPED) > 0
                assert all(each.reason for each in applied.outcomes if each.status is not Status.DONE)
    assert (await _apply(client, _TOPOLOGY)).exit_code == ExitCode.DONE
    assert not (await _planned(client, _TOPOLOGY)).changes


async def test_the_broker_refuses_what_it_can_not_hold_with_its_own_words(client: ManagementClient) -> None:
    with pytest.raises(Refused, match="unknown exchange type 'nonsense'"):
        await client.put("exchanges", client.vhost, "e", body={"type": "nonsense"})


async def _publish(client: ManagementClient, queue: str, count: int) -> None:
    """Messages straight into a queue, through the management API."""
    body = {"properties": {}, "routing_key": queue, "payload": "{}", "payload_encoding": "string"}
    for _ in range(count):
        await client.post("exchanges", client.vhost, "amq.default", "publish", body=body)
