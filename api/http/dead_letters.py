"""`/v1/dlq`: what could not be processed, why, and sending it back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.http.json_response import Json
from api.http.submissions import WHOLE, Wish
from api.plane import plane_of
from api.problems import Problem, documented
from pipeline.dlq.inspect import peek
from pipeline.dlq.letters_json import depths_to_json, letters_to_json, replayed_to_json
from pipeline.dlq.queues import DeadLetterQueue, depths, find_queue
from pipeline.dlq.replay import replay
from pipeline.errors import ErrorCode, PipelineError

_REPLAY_LIMIT = 1000

router = APIRouter(prefix="/v1/dlq", tags=["dead letters"], responses=documented(503))

QueueName = Annotated[
    str, Path(min_length=1, max_length=255, description="The dead-letter queue, or the queue it is of")
]


class DeadLetterDepth(BaseModel):
    name: str
    origin: str = Field(description="The queue they died in")
    messages: int | None = Field(description="null where the broker has no such queue")


class DeadLetterQueues(BaseModel):
    items: list[DeadLetterDepth]
    total: int = Field(description="Dead letters in all")


class DeadLetterEntry(BaseModel):
    """A dead letter; what is not known is empty or null."""

    position: int = Field(description="1 for the oldest")
    message_id: str | None
    message: str
    error_class: str
    error_code: str
    error_message: str
    stage: str
    attempts: int | None
    failed_at: str | None = Field(description="RFC 3339")
    exchange: str = Field(description="Where it was first published")
    routing_key: str
    queue: str
    body_size: int = Field(description="Bytes")


class DeadLetters(BaseModel):
    name: str
    origin: str
    items: list[DeadLetterEntry] = Field(description="Oldest first")


class NotReplayed(BaseModel):
    message_id: str | None
    error: str


class Replayed(BaseModel):
    """What became of a replay."""

    replayed: int
    kept: int
    unread: int
    not_found: list[str] = Field(description="Ids that were asked for and not there")
    failed: list[NotReplayed]


_SOMETHING: list[JsonValue] = [
    {"required": [name], "properties": {name: {"type": kind}}}
    for name, kind in (("message_ids", "array"), ("error_code", "string"), ("limit", "integer"))
]


class ReplayRequest(Wish):
    """Which dead letters to send back: those that match all that is given, and something has to be."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _SOMETHING})

    message_ids: list[Annotated[str, Field(min_length=1, max_length=255)]] | None = Field(
        default=None, min_length=1, max_length=_REPLAY_LIMIT
    )
    error_code: str | None = Field(default=None, min_length=1, max_length=100)
    limit: Annotated[int, Field(ge=1, le=_REPLAY_LIMIT), WHOLE] | None = Field(
        default=None, description=f"At most this many; {_REPLAY_LIMIT}"
    )


@router.get("", responses={200: {"model": DeadLetterQueues}})
async def list_dead_letter_queues(request: Request) -> Json:
    """The dead-letter queues and how much waits in each; null where one is not declared on the broker."""
    services = plane_of(request).services
    return Json(depths_to_json(await depths(services.broker, services.topology)))


@router.get("/{queue}", responses={200: {"model": DeadLetters}, **documented(404, 422)})
async def list_dead_letters(
    request: Request, queue: QueueName, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> Json:
    """Entries of a dead-letter queue, oldest first. The queue stays as it is."""
    services = plane_of(request).services
    found = _find_queue(request, queue)
    return Json(letters_to_json(found, await peek(services.broker, found, limit)))


@router.post("/{queue}/replay", responses={200: {"model": Replayed}, **documented(400, 403, 404, 413, 422)})
async def replay_dead_letters(request: Request, queue: QueueName, wanted: ReplayRequest) -> Json:
    """Send dead letters back to the queue they died in."""
    if wanted.message_ids is None and wanted.error_code is None and wanted.limit is None:
        raise Problem(
            422,
            "Nothing says which dead letters to replay",
            ErrorCode.INVALID_MESSAGE,
            'Give "message_ids", "error_code" or "limit"',
        )
    done = await replay(
        plane_of(request).services.broker,
        _find_queue(request, queue),
        message_ids=wanted.message_ids,
        error_code=wanted.error_code,
        limit=wanted.limit or _REPLAY_LIMIT,
    )
    return Json(replayed_to_json(done))


def _find_queue(request: Request, name: str) -> DeadLetterQueue:
    try:
        return find_queue(plane_of(request).services.topology, name)
    except PipelineError as error:
        raise Problem(404, error.what, "NO_SUCH_QUEUE", error.fix) from None
