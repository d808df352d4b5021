"""The AsyncAPI 3.0 document of a topology: its broker side, and the WebSocket beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from pipeline.describe.channels import BROKER, Channels
from pipeline.describe.operations import operations
from pipeline.describe.payloads import Described, Object, Payloads
from pipeline.describe.references import reference
from pipeline.describe.schemas import Schema
from pipeline.topology.model import Topology

_SOCKET = "websocket"


@dataclass(frozen=True, slots=True)
class Socket:
    """The WebSocket: where it is, and its messages.

    Attributes:
        query: schema of the query parameters.
        received, sent: names unique among all messages of the document.
    """

    path: str
    description: str
    query: Schema
    received: Sequence[Described]
    sent: Sequence[Described]


def asyncapi_document(
    topology: Topology,
    models: Mapping[str, type[BaseModel]],
    examples: Mapping[str, Sequence[Any]],
    socket: Socket,
    version: str,
) -> Object:
    """The document; the same input gives the same one, in the same order. No server's real address is in it.

    Args:
        models: of every message of the topology.
        examples: bodies by message name, where there are any.
        version: of the program.
    """
    on_broker = [Described(name, models[name], tuple(examples.get(name, ()))) for name in topology.messages]
    payloads = Payloads([*on_broker, *socket.received, *socket.sent])
    channels = Channels(topology, payloads)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": topology.name,
            "version": version,
            "description": "Exchanges, queues and messages of the topology, the stages that work on them, and the "
            "WebSocket on which their progress is shown.",
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {**channels.documents(), _SOCKET: _socket_channel(socket, payloads)},
        "operations": {**operations(topology, channels), **_socket_operations(socket, payloads)},
        "components": {**payloads.components(), "securitySchemes": _security()},
    }


def _servers() -> Object:
    return {
        BROKER: {
            "host": "{host}:{port}",
            "protocol": "amqp",
            "protocolVersion": "0.9.1",
            "description": "RabbitMQ; RABBITMQ_URL says where",
            "variables": {"host": {"default": "localhost"}, "port": {"default": "5672"}},
            "security": [reference("components", "securitySchemes", "user")],
        },
        _SOCKET: {
            "host": "{host}:{port}",
            "protocol": "ws",
            "description": "The API; API_HOST and API_PORT say where",
            "variables": {"host": {"default": "localhost"}, "port": {"default": "8000"}},
        },
    }


def _security() -> Object:
    return {"user": {"type": "userPassword", "description": "A user of the broker"}}


def _socket_channel(socket: Socket, payloads: Payloads) -> Object:
    names = [each.name for each in (*socket.received, *socket.sent)]
    return {
        "address": socket.path,
        "title": "WebSocket",
        "description": socket.description,
        "servers": [reference("servers", _SOCKET)],
        "messages": payloads.in_channel(names),
        "bindings": {"ws": {"method": "GET", "query": socket.query, "bindingVersion": "0.1.0"}},
    }


def _socket_operations(socket: Socket, payloads: Payloads) -> dict[str, Object]:
    both = {"receive": ("From clients", socket.received), "send": ("To clients", socket.sent)}
    return {
        f"{_SOCKET}.{action}": {
            "action": action,
            "channel": reference("channels", _SOCKET),
            "summary": summary,
            "messages": [reference("channels", _SOCKET, "messages", payloads.key(each.name)) for each in messages],
            "tags": [{"name": _SOCKET}],
        }
        for action, (summary, messages) in both.items()
    }
