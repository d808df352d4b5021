"""Queues, dead letters, definitions and publishing over HTTP."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.frames import quotable
from api.plane import plane_of
from api.problems import Problem, validation_reasons
from pipeline.dlq.inspect import peek
from pipeline.dlq.letters_json import depths_to_json, letters_to_json, replayed_to_json
from pipeline.dlq.queues import depths, find_queue
from pipeline.dlq.replay import replay
from pipeline.errors import ErrorCode, NoSuchQueue, PipelineError

_REPLAY_LIMIT = 1000

router = APIRouter(prefix="/v1")


class ReplayRequest(BaseModel):
    """Which dead letters to send back: those that match all that is given."""

    model_config = ConfigDict(extra="forbid", strict=True)

    message_ids: list[Annotated[str, Field(min_length=1, max_length=255)]] | None = Field(
        default=None, min_length=1, max_length=_REPLAY_LIMIT
    )
    error_code: str | None = Field(default=None, min_length=1, max_length=100)
    limit: int | None = Field(default=None, ge=1, le=_REPLAY_LIMIT, description=f"At most this many; {_REPLAY_LIMIT}")


@router.get("/queues", tags=["operations"])
async def list_queues(request: Request) -> dict[str, Any]:
    """The topology's queues with what waits in them; `declared` is false where the broker has no such queue."""
    services = plane_of(request).services
    queues = []
    for key, queue in services.topology.queues.items():
        name = services.topology.queue_name(key)
        try:
            depth = await services.broker.depth(name)
        except NoSuchQueue:
            queues.append({"name": name, "external": queue.external, "declared": False})
            continue
        queues.append({"name": name, "external": queue.external, "declared": True, **asdict(depth)})
    return {"items": queues, "total": len(queues)}


@router.get("/dlq", tags=["dead letters"])
async def list_dead_letter_queues(request: Request) -> dict[str, Any]:
    """The dead-letter queues and how much waits in each; null where one is not declared on the broker."""
    services = plane_of(request).services
    return depths_to_json(await depths(services.broker, services.topology))


@router.get("/dlq/{queue}", tags=["dead letters"])
async def list_dead_letters(
    request: Request, queue: str, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> dict[str, Any]:
    """Entries of a dead-letter queue, oldest first. The queue stays as it is."""
    services = plane_of(request).services
    found = _find_queue(request, queue)
    return letters_to_json(found, await peek(services.broker, found, limit))


@router.post("/dlq/{queue}/replay", tags=["dead letters"])
async def replay_dead_letters(request: Request, queue: str, wanted: ReplayRequest) -> dict[str, Any]:
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
    return replayed_to_json(done)


@router.get("/definitions", tags=["operations"])
async def show_definitions(request: Request) -> dict[str, Any]:
    """What the broker holds, in the form of RabbitMQ's definitions export."""
    return dict(await plane_of(request).services.definitions())


@router.post(
    "/messages/{message_name}",
    status_code=202,
    tags=["messages"],
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def publish_message(request: Request, message_name: str) -> dict[str, str]:
    """Validate a message of the contract, publish it, and answer once the broker has confirmed it."""
    services = plane_of(request).services
    contract = services.topology.messages.get(message_name)
    if contract is None:
        near = get_close_matches(message_name, services.topology.messages, n=1)
        fix = f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(services.topology.messages)}"
        raise Problem(404, f'No message is named "{quotable(message_name)}"', ErrorCode.UNKNOWN_MESSAGE, fix)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "The body has to be JSON", ErrorCode.INVALID_MESSAGE, "Send Content-Type: application/json")
    body = await _read(request, contract.max_size)
    try:
        message = services.model_of(message_name).model_validate_json(body)
    except ValidationError as error:
        raise Problem(
            422,
            f"The body is not a valid {message_name}",
            ErrorCode.INVALID_MESSAGE,
            "Correct the fields named in `reasons`",
            validation_reasons(error.errors(include_url=False, include_input=False)),
        ) from None
    message_id = str(uuid.uuid4())
    await services.publish(message_name, message, message_id)
    return {"message_id": message_id, "message": message_name}


async def _read(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            fix = f"Send at most {most} bytes, or raise max_size in the topology"
            raise Problem(413, "The body is too large", ErrorCode.MESSAGE_TOO_LARGE, fix)
    return bytes(body)


def _find_queue(request: Request, name: str) -> Any:
    try:
        return find_queue(plane_of(request).services.topology, name)
    except PipelineError as error:
        raise Problem(404, error.what, "NO_SUCH_QUEUE", error.fix) from None
