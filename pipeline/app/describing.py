"""The AsyncAPI document of a whole deployment: the topology's messages, and those of the API's WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from api.socket import described as socket_messages
from pipeline.app.models import examples_of, models_of
from pipeline.app.parts import program_version
from pipeline.describe.asyncapi import Socket, asyncapi_document
from pipeline.describe.payloads import Described
from pipeline.topology.model import Topology


def describe(topology: Topology) -> dict[str, Any]:
    """The document. Raises PipelineError where a model or the examples cannot be imported."""
    return asyncapi_document(topology, models_of(topology), examples_of(topology), _socket(), program_version())


def _socket() -> Socket:
    return Socket(
        path=socket_messages.PATH,
        description=socket_messages.DESCRIPTION,
        query=socket_messages.QUERY,
        received=_described(socket_messages.CLIENT_MESSAGES),
        sent=_described(socket_messages.SERVER_MESSAGES),
    )


def _described(messages: Mapping[str, type[BaseModel]]) -> list[Described]:
    examples = socket_messages.examples()
    return [
        Described(name, model, (examples[name],) if name in examples else (), amqp=False)
        for name, model in messages.items()
    ]
