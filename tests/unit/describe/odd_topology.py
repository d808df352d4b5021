"""A topology in which whatever can be unusual about names and types is."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from pipeline.describe.asyncapi import Socket, asyncapi_document
from pipeline.describe.payloads import Described
from pipeline.topology.model import Topology


class Task(BaseModel):
    """Something to do."""

    pair: tuple[int, str]
    next: Task | None = None


class Note(BaseModel):
    text: str


TOPOLOGY = Topology.model_validate(
    {
        "version": 1,
        "name": "odd",
        "exchanges": {
            "every/thing": {"type": "fanout", "durable": False},
            "sharded": {"type": "x-consistent-hash"},
            "named": {"type": "headers", "name": "its name: ünï"},
        },
        "queues": {
            "all of it": {"bindings": [{"source": "every/thing"}]},
            "all_of_it": {"bindings": [{"source": "named", "arguments": {"x-match": "any", "a": 1}}]},
            "plain": {"name": "quite/plain", "external": True, "ttl": "1h30m"},
        },
        "messages": {
            "task": {"model": "odd:Task", "exchange": "every/thing", "routing_key": ""},
            "task/again": {"model": "odd:Task", "exchange": "every/thing", "routing_key": ""},
            "task again": {"model": "odd:Task", "exchange": "sharded"},
            "note": {"model": "odd:Note", "exchange": "", "routing_key": "quite/plain"},
            "memo": {"model": "odd:Note", "exchange": "named"},
        },
        "stages": {
            "work": {"from": {"all of it": ["task", "task/again"]}, "run": ["odd:work"], "emits": ["note"]},
            "rest": {"from": {"all_of_it": ["memo"]}, "run": ["odd:rest"]},
        },
    }
)
MODELS = {"task": Task, "task/again": Task, "task again": Task, "note": Note, "memo": Note}


def odd_document() -> dict[str, Any]:
    """Its document, beside a small WebSocket."""
    said, heard = (Described(name, Note, amqp=False) for name in ("said", "heard"))
    socket = Socket("/socket", "", {"type": "object"}, [said], [heard])
    return asyncapi_document(TOPOLOGY, MODELS, {"note": [{"text": "ünï"}]}, socket, "1")
