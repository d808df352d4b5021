"""`/v1/topology`: what is between the queues, and what waits in them, as data and as a picture."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.http.files import revalidated
from api.http.json_response import Json
from api.plane import plane_of
from api.problems import documented
from api.services import Services
from pipeline.errors import NoSuchQueue
from pipeline.graph.live import Flow
from pipeline.graph.svg import STYLE, svg
from pipeline.topology.graph import Graph, graph_of

router = APIRouter(prefix="/v1", tags=["queues"], responses=documented(503))


class TopologyNode(BaseModel):
    """A box of the picture."""

    id: str
    kind: Literal["source", "exchange", "queue", "stage"]
    name: str
    notes: list[str]
    dead_letters: str | None = Field(description="The queue's dead-letter queue")
    external: bool = Field(description="Consumed by programs outside this pipeline")


class TopologyEdge(BaseModel):
    """A line of the picture; source and target are ids of nodes."""

    source: str
    target: str
    kind: Literal["publishes", "binding", "consumes", "dead letter"]
    labels: list[str] = Field(description="Messages, or routing keys")


class QueueFlow(BaseModel):
    """What a queue is doing."""

    messages: int | None = Field(description="Ready for delivery; null where the broker has no such queue")
    consumers: int
    publish_rate: float | None = Field(description="Messages per second, where they are known")
    deliver_rate: float | None


class TopologyGraph(BaseModel):
    name: str
    nodes: list[TopologyNode]
    edges: list[TopologyEdge]
    retries: list[str] = Field(description="The queues in which messages wait for another attempt")
    flows: dict[str, QueueFlow] = Field(description="By queue, dead-letter and retry queues included")


@router.get("/topology", responses={200: {"model": TopologyGraph}})
async def show_topology(request: Request) -> Json:
    """Sources, exchanges, queues and stages, the lines between them, and what waits in each queue."""
    graph, flows = await _looked_at(plane_of(request).services)
    return Json({**asdict(graph), "flows": {name: asdict(flow) for name, flow in flows.items()}})


@router.get("/topology.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}, 304: {}})
async def draw_topology(request: Request) -> Response:
    """The same as a picture."""
    drawn = svg(*await _looked_at(plane_of(request).services))
    return revalidated(request, drawn, "image/svg+xml", hashlib.sha256(drawn.encode()).hexdigest()[:32], {})


@router.get("/topology.css", include_in_schema=False)
async def style_topology(request: Request) -> Response:
    """The picture's colours, for a page that shows it without its own: a page's policy allows no inline style."""
    return revalidated(request, STYLE, "text/css", hashlib.sha256(STYLE.encode()).hexdigest()[:32], {})


async def _looked_at(services: Services) -> tuple[Graph, dict[str, Flow]]:
    graph = graph_of(services.topology)
    flows = await asyncio.gather(*(_flow(services, name) for name in graph.queues))
    return graph, dict(zip(graph.queues, flows, strict=True))


async def _flow(services: Services, name: str) -> Flow:
    try:
        depth = await services.broker.depth(name)
    except NoSuchQueue:
        return Flow()
    return Flow(depth.messages, depth.consumers)
