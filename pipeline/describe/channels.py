"""The AMQP channels of an AsyncAPI document: where messages are published, and the queues they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.describe.payloads import AMQP_BINDING, Object, Payloads
from pipeline.describe.references import Reference, keys_for, reference
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Exchange, Topology
from pipeline.topology.route import Router
from pipeline.topology.values import format_duration

BROKER = "rabbitmq"
# What the binding knows; a type of a plugin is told in an extension field instead.
_EXCHANGE_TYPES = ("direct", "topic", "fanout", "headers")


class Channels:
    """The channels of a topology, and references to them and to the messages in them."""

    def __init__(self, topology: Topology, payloads: Payloads) -> None:
        self._topology = topology
        self._payloads = payloads
        self._addresses = {name: self._address(name) for name in topology.messages}
        router = Router.of(definitions_of(topology))
        self._in_queues = {key: self._messages_of(key, router) for key in topology.queues}
        published = dict.fromkeys(f"exchange.{exchange}.{key}" for exchange, key in self._addresses.values())
        self._keys = keys_for([*published, *(f"queue.{topology.queue_name(key)}" for key in topology.queues)])

    def publication(self, message: str) -> str:
        """The channel's key under which a message is published."""
        exchange, routing_key = self._addresses[message]
        return self._keys[f"exchange.{exchange}.{routing_key}"]

    def queue(self, key: str) -> str:
        """The key of a queue's channel."""
        return self._keys[f"queue.{self._topology.queue_name(key)}"]

    def messages(self, channel: str, names: Sequence[str]) -> list[Reference]:
        """References to messages of a channel."""
        return [reference("channels", channel, "messages", self._payloads.key(name)) for name in names]

    def in_queue(self, key: str) -> list[str]:
        """The messages that come to a queue."""
        return self._in_queues[key]

    def documents(self) -> dict[str, Object]:
        """The `channels` of the document."""
        found: dict[str, Object] = {}
        for message in self._topology.messages:
            found.setdefault(self.publication(message), self._published(message))
        for key in self._topology.queues:
            found[self.queue(key)] = self._queue(key)
        return found

    def _address(self, message: str) -> tuple[str, str]:
        contract = self._topology.messages[message]
        key = message if contract.routing_key is None else contract.routing_key
        return self._topology.exchange_name(contract.exchange), key

    def _messages_of(self, key: str, router: Router) -> list[str]:
        """What is routed to the queue, and what a stage takes from it all the same."""
        taken = {name for stage in self._topology.stages.values() for name in stage.from_.get(key, ())}
        queue = self._topology.queue_name(key)
        return [name for name, address in self._addresses.items() if name in taken or queue in router.route(*address)]

    def _published(self, message: str) -> Object:
        contract = self._topology.messages[message]
        exchange, routing_key = self._addresses[message]
        together = [name for name, address in self._addresses.items() if address == (exchange, routing_key)]
        binding = _exchange_binding(exchange, self._topology.exchanges.get(contract.exchange))
        return {
            "address": routing_key,
            "title": f"{exchange}: {routing_key}",
            "servers": [reference("servers", BROKER)],
            "messages": self._payloads.in_channel(together),
            "bindings": {"amqp": {"is": "routingKey", "exchange": binding, "bindingVersion": AMQP_BINDING}},
        }

    def _queue(self, key: str) -> Object:
        queue, name = self._topology.queues[key], self._topology.queue_name(key)
        binding = {"name": name, "durable": queue.durable, "exclusive": False, "autoDelete": False}
        return {
            "address": name,
            "title": f"queue {name}",
            "servers": [reference("servers", BROKER)],
            "messages": self._payloads.in_channel(self._in_queues[key]),
            "bindings": {"amqp": {"is": "queue", "queue": binding, "bindingVersion": AMQP_BINDING}},
            "x-queue": self._further(key),
        }

    def _further(self, key: str) -> Object:
        """What the binding has no fields for."""
        queue = self._topology.queues[key]
        return _known(
            type=self._topology.queue_type(key),
            external=queue.external,
            bindings=[
                {"exchange": self._topology.exchange_name(binding.source), "routing_keys": list(binding.routing_key)}
                for binding in queue.bindings
            ],
            max_priority=queue.max_priority,
            ttl=None if queue.ttl is None else format_duration(queue.ttl),
            max_length=queue.max_length,
            dead_letter_queue=self._topology.dead_letter_queue(key),
        )


def _exchange_binding(name: str, exchange: Exchange | None) -> Object:
    if exchange is None:
        return {"name": name, "type": "default", "durable": True, "autoDelete": False}
    kind = {"type": exchange.type} if exchange.type in _EXCHANGE_TYPES else {"x-type": exchange.type}
    return {"name": name, **kind, "durable": exchange.durable, "autoDelete": exchange.auto_delete}


def _known(**values: Any) -> Object:
    return {name: value for name, value in values.items() if value is not None}
