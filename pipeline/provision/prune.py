"""Deleting what a topology made and does not declare any more: only what is empty, unused, or named explicitly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from pipeline.broker.port import Depth
from pipeline.provision.changes import Change, Kind
from pipeline.provision.definitions_json import policies_from_json
from pipeline.provision.granting import revoke
from pipeline.provision.management import ManagementClient, NotFound, Refused
from pipeline.topology.definitions import (
    BindingDefinition,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)

# What stands on other objects goes before them.
ORDER = (
    *(Kind.PERMISSION, Kind.TOPIC_PERMISSION, Kind.USER_LIMIT, Kind.USER, Kind.VHOST_LIMIT),
    *(Kind.BINDING, Kind.QUEUE, Kind.EXCHANGE, Kind.POLICY),
)


class Pruner:
    """Deletes one object at a time, and says why where it does not.

    RabbitMQ deletes a classic queue only if it is empty and unused when asked so, in one step. For quorum queues it
    has no such thing: what is bound to one is unbound first, so that nothing new comes in between the look at its
    depth and its deletion.

    Args:
        depth: asks the broker over AMQP how many messages wait in a queue, and how many consumers it has.
        forced: names that are deleted even with messages, consumers, or bindings of others.
    """

    def __init__(
        self, client: ManagementClient, depth: Callable[[str], Awaitable[Depth]], forced: Collection[str] = ()
    ) -> None:
        self._client = client
        self._depth = depth
        self._forced = frozenset(forced)
        self._kept: set[str] = set()
        self._returning: str | None = None

    async def delete(self, change: Change) -> str:
        """Returns: why it is left as it is; empty if it is gone. Raises Denied, Unreachable, PipelineError."""
        try:
            match change.definition:
                case BindingDefinition() as binding:
                    return await self._unbind(binding)
                case QueueDefinition(name=name):
                    return await self._delete_queue(name)
                case ExchangeDefinition(name=name):
                    return await self._delete_exchange(name)
                case PolicyDefinition() as policy:
                    return await self._delete_policy(policy)
                case _:
                    return await revoke(self._client, change, self._forced)
        except NotFound:
            return ""

    async def _unbind(self, binding: BindingDefinition) -> str:
        to = "q" if binding.destination_type == "queue" else "e"
        path = ("bindings", self._client.vhost, "e", binding.source, to, binding.destination)
        for row in await self._client.list(*path):
            if row["routing_key"] == binding.routing_key and row["arguments"] == dict(binding.arguments):
                await self._client.delete(*path, row["properties_key"])
        return ""

    async def _delete_queue(self, name: str) -> str:
        path = ("queues", self._client.vhost, name)
        if name in self._forced:
            await self._client.delete(*path)
            return ""
        reason, queue_type = await self._look(name)
        reason = reason or await self._awaited()
        if reason:
            self._kept.add(name)
            return f"{reason}. `--force {name}` deletes it all the same"
        if queue_type == "classic":
            try:
                await self._client.delete(*path, **{"if-empty": "true", "if-unused": "true"})
            except Refused as error:
                self._kept.add(name)
                return f"it is not empty or not unused any more: {error.reason}"
            return ""
        for row in await self._client.list(*path, "bindings"):
            if row["source"]:
                source = ("bindings", self._client.vhost, "e", row["source"], "q", name, row["properties_key"])
                await self._client.delete(*source)
        if reason := (await self._look(name))[0]:
            self._kept.add(name)
            return f"{reason}, come while it was being unbound. Apply again once it is empty"
        await self._client.delete(*path)
        return ""

    async def _look(self, name: str) -> tuple[str, str]:
        """Why the queue can't go, or empty, and its type. Raises NotFound."""
        row = await self._totals(name)
        messages, queue_type = row.get("messages"), row.get("type", "classic")
        if not isinstance(messages, int):
            return f"how many messages it holds is not known (it is {row.get('state') or 'new'})", queue_type
        if messages:
            return f"{_counted(messages, 'message')} in it", queue_type
        # What the management API tells of consumers, and of a quorum queue, may be seconds old.
        depth = await self._depth(name)
        if depth.messages:
            return f"{_counted(depth.messages, 'message')} in it", queue_type
        if depth.consumers:
            return f"{_counted(depth.consumers, 'consumer')} on it", queue_type
        return "", queue_type

    async def _totals(self, name: str) -> dict[str, Any]:
        """The queue with its depth, which RabbitMQ gives only in a list. Raises NotFound."""
        page = {"page": "1", "page_size": "1", "name": exactly(name), "use_regex": "true"}
        totals = {"disable_stats": "true", "enable_queue_totals": "true"}
        rows = (await self._client.get("queues", self._client.vhost, **page, **totals)).get("items") or []
        if not rows:
            raise NotFound(f'There is no queue "{name}"', where=self._client.where)
        row: dict[str, Any] = rows[0]
        return row

    async def _awaited(self) -> str:
        """What waits in queues that give messages back to the queue they came from, which is lost if that is gone."""
        if self._returning is None:
            vhost, self._returning = self._client.vhost, ""
            for policy in policies_from_json(await self._client.list("policies", vhost), where=self._client.where):
                if _gives_back(policy) and policy.exact_name is not None:
                    try:
                        row = await self._totals(policy.exact_name)
                    except NotFound:
                        continue
                    if messages := row.get("messages"):
                        self._returning = (
                            f'{messages:,} waiting in "{policy.exact_name}" for another attempt may come back to it'
                        )
                        break
        return self._returning

    async def _delete_exchange(self, name: str) -> str:
        query = {} if name in self._forced else {"if-unused": "true"}
        try:
            await self._client.delete("exchanges", self._client.vhost, name, **query)
        except Refused as error:
            return f"something is still bound to it: {error.reason}. `--force {name}` deletes it all the same"
        return ""

    async def _delete_policy(self, policy: PolicyDefinition) -> str:
        if held := [name for name in sorted(self._kept) if policy.matches(name)]:
            return f'it holds for the queue "{held[0]}", which is left'
        await self._client.delete("policies", self._client.vhost, policy.name)
        return ""


def _gives_back(policy: PolicyDefinition) -> bool:
    settings = policy.definition
    return settings.get("dead-letter-exchange") == "" and "dead-letter-routing-key" not in settings


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
