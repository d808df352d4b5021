"""`/v1/queues` and `/v1/definitions`: the broker's side."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.http.json_response import Json
from api.plane import plane_of
from api.problems import documented
from pipeline.errors import NoSuchQueue

router = APIRouter(prefix="/v1", tags=["queues"], responses=documented(503))


class Queue(BaseModel):
    """A queue of the topology, with what waits in it where the broker has it."""

    name: str
    external: bool = Field(description="Consumed by programs outside this pipeline")
    declared: bool = Field(description="Whether the broker has it")
    messages: int = Field(default=0, description="Ready for delivery")
    consumers: int = 0


class Queues(BaseModel):
    items: list[Queue]
    total: int


class Definitions(BaseModel):
    """RabbitMQ's definitions export."""

    exchanges: list[dict[str, Any]]
    queues: list[dict[str, Any]]
    bindings: list[dict[str, Any]]
    policies: list[dict[str, Any]]


@router.get("/queues", responses={200: {"model": Queues}})
async def list_queues(request: Request) -> Json:
    """The topology's queues with what waits in them; `declared` is false where the broker has no such queue."""
    services = plane_of(request).services
    topology = services.topology
    queues: list[dict[str, Any]] = []
    held = [(name, queue) for key, queue in topology.queues.items() for name in topology.queue_names(key)]
    for name, queue in held:
        try:
            depth = await services.broker.depth(name)
        except NoSuchQueue:
            queues.append({"name": name, "external": queue.external, "declared": False})
            continue
        queues.append({"name": name, "external": queue.external, "declared": True, **asdict(depth)})
    return Json({"items": queues, "total": len(queues)})


@router.get("/definitions", responses={200: {"model": Definitions}})
async def show_definitions(request: Request) -> Json:
    """What the broker holds, in the form of RabbitMQ's definitions export."""
    return Json(dict(await plane_of(request).services.definitions()))
