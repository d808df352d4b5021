"""What the service is and whether it can do its work: health, metrics, version."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.http.json_response import Json
from api.plane import plane_of
from api.security.gate import identity_of

router = APIRouter(tags=["service"])


class Alive(BaseModel):
    status: Literal["alive"]


class Check(BaseModel):
    """How a server behind the API answers; all but `status` only where it fails."""

    status: Literal["ok", "failing"]
    error: str = ""
    fix: str = ""
    since: str = Field(default="", description="RFC 3339")


class Ready(BaseModel):
    """Whether everything that is needed answers."""

    status: Literal["ready", "unavailable", "stopping"]
    checks: dict[str, Check]
    relay: Literal["connected", "reconnecting"] = Field(description="Whether events reach this process")


class Info(BaseModel):
    """Which service this is."""

    version: str
    profile: str
    engine: str = Field(description="The broker's", examples=["embedded"])
    roots: list[str] = Field(description="The library's folders")
    subject: str = Field(default="", description="Whose token the request came with")


class Worker(BaseModel):
    """A process that runs stages."""

    id: str
    host: str
    pid: int
    started_at: float = Field(description="Seconds since 1970")
    seen_at: float = Field(description="When it last told of itself; it does so every few seconds")
    revision: str = Field(description="Of the topology it runs: a digest of all that the file says")
    in_force_since: float = Field(description="Seconds since 1970, of that revision")
    refused: str = Field(description="Why it has not taken over a newer one; empty where there is none")
    stages: list[str]
    away: dict[str, str] = Field(
        default={},
        description="Dependencies that its stages wait for, and the state of their breakers: open, half open",
    )


class WorkerList(BaseModel):
    items: list[Worker]
    revisions: dict[str, int] = Field(description="How many run which")


@router.get("/health/live", responses={200: {"model": Alive}})
async def live() -> Json:
    """The process answers."""
    return Json({"status": "alive"})


@router.get(
    "/health/ready",
    responses={200: {"model": Ready}, 503: {"model": Ready, "description": "What fails, and since when"}},
)
async def ready(request: Request) -> Json:
    """Asks the broker and the state store."""
    plane = plane_of(request)
    is_ready, answer = await plane.readiness.check()
    answer["relay"] = "connected" if plane.relay.connected else "reconnecting"
    return Json(answer, 200 if is_ready else 503, headers={"Cache-Control": "no-store"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics() -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/info", responses={200: {"model": Info}})
async def info(request: Request) -> Json:
    """The version, and the folders that are watched."""
    services = plane_of(request).services
    answer: dict[str, Any] = {
        "version": services.version,
        "profile": services.profile,
        "engine": services.broker.features.name,
        "roots": [str(root) for root in services.roots],
        "subject": identity_of(request).subject,
    }
    return Json(answer)


@router.get("/v1/workers", responses={200: {"model": WorkerList}})
async def workers(request: Request) -> Json:
    """The processes that run stages, and which revision of the topology is in force in each."""
    known = plane_of(request).workers.known
    return Json({"items": known, "revisions": Counter(each["revision"] for each in known)})
