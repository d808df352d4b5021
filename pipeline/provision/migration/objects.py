"""Making and removing what a migration needs on the broker; everything here may be done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pipeline.provision.changes import Kind
from pipeline.provision.compare import policy_targets, understood
from pipeline.provision.definitions_json import definition_to_json, definitions_from_json, policies_from_json
from pipeline.provision.management import ManagementClient, NotFound
from pipeline.topology.definitions import BindingDefinition, ExchangeDefinition, PolicyDefinition, QueueDefinition

_PATHS = {"queue": "q", "exchange": "e"}
DEAD_LETTER_EXCHANGE = "dead-letter-exchange"
DEAD_LETTER_KEY = "dead-letter-routing-key"


class Objects:
    """The client's vhost."""

    def __init__(self, client: ManagementClient) -> None:
        self._client = client
        self._vhost = client.vhost

    async def make_exchange(self, exchange: ExchangeDefinition) -> None:
        """Raises Refused where there is one of that name with other attributes."""
        body = definition_to_json(exchange)
        del body["name"]
        await self._client.put("exchanges", self._vhost, exchange.name, body=body)

    async def make_queue(self, queue: QueueDefinition) -> None:
        """Raises Refused where there is one of that name with other attributes."""
        body = {"durable": queue.durable, "auto_delete": queue.auto_delete, "arguments": dict(queue.arguments)}
        await self._client.put("queues", self._vhost, queue.name, body=body)

    async def queue(self, name: str) -> Mapping[str, Any] | None:
        """What the management API says of a queue; None if there is none."""
        try:
            return await self._client.get("queues", self._vhost, name)
        except NotFound:
            return None

    async def exchange(self, name: str) -> Mapping[str, Any] | None:
        """What the management API says of an exchange; None if there is none."""
        try:
            return await self._client.get("exchanges", self._vhost, name)
        except NotFound:
            return None

    async def queue_names(self) -> list[str]:
        """Of the queues that outlive the connection that made them."""
        rows = await self._client.list("queues", self._vhost, disable_stats="true", enable_queue_totals="true")
        return [str(row["name"]) for row in rows if not row.get("exclusive") and not row.get("owner_pid_details")]

    async def messages(self, queue: str) -> int | None:
        """Ready and unacknowledged; a quorum queue's may be 5 s old. None if there is no such queue."""
        rows = await self._client.list("queues", self._vhost, disable_stats="true", enable_queue_totals="true")
        return next((int(row.get("messages") or 0) for row in rows if row.get("name") == queue), None)

    async def remove(self, kind: str, name: str, **query: str) -> None:
        """An exchange or a queue, if it is there. `query`: conditions, such as `if-empty`; Refused if not fulfilled."""
        try:
            await self._client.delete(f"{kind}s", self._vhost, name, **query)
        except NotFound:
            return

    async def settings(self, queue: str) -> dict[str, Any]:
        """What holds for a queue, in the terms of policies: its policy, operators' limits, and its arguments.

        The API's own `effective_policy_definition` is some seconds old.
        """
        rows, policies, limits = await asyncio.gather(
            self._client.list("queues", self._vhost, disable_stats="true", enable_queue_totals="true"),
            self.policies(),
            self._client.list("operator-policies", self._vhost),
        )
        row: Mapping[str, Any] = next((row for row in rows if row.get("name") == queue), {})
        settings: dict[str, Any] = {}
        for policy in policies:
            if policy.name == row.get("policy"):
                settings |= policy.definition
        for limit in policies_from_json(limits, where=self._client.where):
            if (Kind.QUEUE, queue) in policy_targets(limit, {(Kind.QUEUE, queue): None}) or not understood(limit):
                settings |= limit.definition
        arguments = dict(row.get("arguments") or {})
        return settings | {key.removeprefix("x-"): value for key, value in arguments.items()}

    async def bindings_to(self, kind: str, name: str) -> tuple[BindingDefinition, ...]:
        """Whose destination it is, without the default exchange's implicit one."""
        path: tuple[str, ...] = ("queues", self._vhost, name, "bindings")
        if kind == "exchange":
            path = ("exchanges", self._vhost, name, "bindings", "destination")
        return await self._bindings(path)

    async def bindings_from(self, exchange: str) -> tuple[BindingDefinition, ...]:
        """Whose source it is."""
        return await self._bindings(("exchanges", self._vhost, exchange, "bindings", "source"))

    async def bind(self, bindings: Iterable[BindingDefinition]) -> list[BindingDefinition]:
        """Returns: those that could not be made, because what they bind is gone."""
        wanted = list(bindings)
        made = await asyncio.gather(*(self._bind(binding) for binding in wanted))
        return [binding for binding, done in zip(wanted, made, strict=True) if not done]

    async def unbind(self, bindings: Iterable[BindingDefinition]) -> None:
        """Those of them that are there."""
        await asyncio.gather(*(self._unbind(binding) for binding in bindings))

    async def policies(self) -> tuple[PolicyDefinition, ...]:
        return policies_from_json(await self._client.list("policies", self._vhost), where=self._client.where)

    async def make_policy(self, policy: PolicyDefinition) -> None:
        body = definition_to_json(policy)
        del body["name"]
        await self._client.put("policies", self._vhost, policy.name, body=body)

    async def remove_policy(self, name: str) -> None:
        try:
            await self._client.delete("policies", self._vhost, name)
        except NotFound:
            return

    async def set_in_policy(self, policy: PolicyDefinition, key: str, value: Any) -> None:
        """One key of it; the rest stays."""
        await self.make_policy(replace(policy, definition={**policy.definition, key: value}))

    async def nodes(self) -> int | None:
        """How many the cluster has; None if the user may not know."""
        overview = await self._client.get("overview")
        listeners = overview.get("listeners")
        return len({row.get("node") for row in listeners}) if isinstance(listeners, list) and listeners else None

    async def _bindings(self, path: tuple[str, ...]) -> tuple[BindingDefinition, ...]:
        try:
            rows = await self._client.list(*path)
        except NotFound:
            return ()
        rows = [row for row in rows if row.get("source")]
        return definitions_from_json({"bindings": rows}, where=self._client.where).bindings

    async def _bind(self, binding: BindingDefinition) -> bool:
        body = {"routing_key": binding.routing_key, "arguments": dict(binding.arguments)}
        try:
            await self._client.post("bindings", *self._between(binding), body=body)
        except NotFound:
            return False
        return True

    async def _unbind(self, binding: BindingDefinition) -> None:
        path = self._between(binding)
        try:
            rows = await self._client.list("bindings", *path)
        except NotFound:
            return
        for row in rows:
            (found,) = definitions_from_json({"bindings": [row]}, where=self._client.where).bindings
            if found.identity == binding.identity:
                try:
                    await self._client.delete("bindings", *path, str(row["properties_key"]))
                except NotFound:
                    continue

    def _between(self, binding: BindingDefinition) -> tuple[str, ...]:
        return self._vhost, "e", binding.source, _PATHS[binding.destination_type], binding.destination
