"""`/v1/history` and `/v1/alerts`: what the queues have been doing, and what an operator should know."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.alerts import Level, alerts
from api.history import EVERY_S
from api.http.json_response import Json
from api.plane import plane_of

router = APIRouter(prefix="/v1", tags=["service"])


class QueueHistory(BaseModel):
    """One number for each of the times; null where it is not known."""

    messages: list[int | None]
    consumers: list[int | None]
    publish_rate: list[float | None] = Field(description="Messages per second that came")
    deliver_rate: list[float | None] = Field(description="Messages per second that were delivered")


class QueuesHistory(BaseModel):
    """The last ten minutes, as far as this process has seen them."""

    every_s: float = Field(description="Seconds between two samples, while the broker answers")
    times: list[float] = Field(description="Seconds since 1970, the oldest first")
    queues: dict[str, QueueHistory] = Field(description="Dead-letter and retry queues included")


class OperatorAlert(BaseModel):
    """Something that is not as it should be."""

    code: str = Field(description="Stable, for programs", examples=["NO_CONSUMER"])
    level: Level
    subject: str = Field(description="The queue or dependency that it is about; may be empty")
    text: str
    fix: str
    place: str = Field(description="Where the dashboard shows it: what follows `#/`")


class Alerts(BaseModel):
    items: list[OperatorAlert] = Field(description="The critical ones first")


@router.get("/history", responses={200: {"model": QueuesHistory}})
async def show_history(request: Request) -> Json:
    """Depths, consumers and rates of the topology's queues in the last ten minutes."""
    plane = plane_of(request)
    samples = plane.history.samples
    series = {}
    for name in plane.queue_names:
        flows = [asdict(sample.flows[name]) if name in sample.flows else {} for sample in samples]
        series[name] = {field: [flow.get(field) for flow in flows] for field in QueueHistory.model_fields}
    return Json({"every_s": EVERY_S, "times": [sample.at for sample in samples], "queues": series})


@router.get("/alerts", responses={200: {"model": Alerts}})
async def show_alerts(request: Request) -> Json:
    """What is wrong at the moment, with what to do about it."""
    return Json({"items": [asdict(each) for each in alerts(plane_of(request).known())]})
