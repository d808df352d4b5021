"""`/v1/dlq`: what could not be processed and why; correcting it, sending it back, taking it away."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.http.dead_letter_models import (
    LINES,
    AuditTrail,
    DeadLetterGroups,
    DeadLetterQueues,
    DeadLetters,
    Edited,
    EditRequest,
    ExportQuery,
    GroupQuery,
    LetterQuery,
    LetterWish,
    Purged,
    PurgeRequest,
    Replayed,
    ReplayRequest,
)
from api.http.json_response import Json
from api.plane import plane_of
from api.problems import Problem, documented
from api.security.gate import identity_of
from pipeline.dlq.edit import LetterChanged, NoSuchLetter, edit
from pipeline.dlq.inspect import find, group, largest_first
from pipeline.dlq.letters_json import (
    depths_to_json,
    edited_to_json,
    exported,
    groups_to_json,
    letters_to_json,
    purged_to_json,
    replayed_to_json,
    trail_to_json,
)
from pipeline.dlq.purge import purge
from pipeline.dlq.queues import DeadLetterQueue, depths, find_queue
from pipeline.dlq.replay import replay
from pipeline.dlq.selection import Selection
from pipeline.dlq.trail import Actor, Trail, read_trail
from pipeline.errors import ErrorCode, PipelineError

_WITHIN_S = 20.0

router = APIRouter(prefix="/v1/dlq", tags=["dead letters"], responses=documented(503))
_CHANGES = documented(400, 403, 404, 413, 422)

QueueName = Annotated[
    str, Path(min_length=1, max_length=255, description="The dead-letter queue, or the queue it is of")
]


@router.get("", responses={200: {"model": DeadLetterQueues}})
async def list_dead_letter_queues(request: Request) -> Json:
    """The dead-letter queues and how much waits in each; null where one is not declared on the broker."""
    services = plane_of(request).services
    return Json(depths_to_json(await depths(services.broker, services.topology)))


@router.get("/groups", responses={200: {"model": DeadLetterGroups}, **documented(422)})
async def group_all_dead_letters(request: Request, query: Annotated[GroupQuery, Query()]) -> Json:
    """How many there are in all queues by what they died of. A queue called "groups" is asked for as "groups.dlq"."""
    services = plane_of(request).services
    selection = query.selection(query.limit)
    found = []
    for each in await depths(services.broker, services.topology):
        if each.messages:
            async with plane_of(request).reading(each.queue.name):
                found += await group(services.broker, each.queue, selection)
    return Json(groups_to_json(largest_first(found)))


@router.get("/audit", responses={200: {"model": AuditTrail}, **documented(400, 422)})
async def list_audit_trail(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Json:
    """Who replayed, edited and purged what, newest first. A queue called "audit" is asked for as "audit.dlq"."""
    services = plane_of(request).services
    async with plane_of(request).reading(services.topology.audit_queue):
        return Json(trail_to_json(await read_trail(services.broker, services.topology, limit)))


@router.get("/{queue}", responses={200: {"model": DeadLetters}, **documented(404, 422)})
async def list_dead_letters(request: Request, queue: QueueName, query: Annotated[LetterQuery, Query()]) -> Json:
    """Entries of a dead-letter queue, oldest first. The queue stays as it is."""
    found = _find_queue(request, queue)
    async with plane_of(request).reading(found.name):
        letters = await find(plane_of(request).services.broker, found, query.selection(query.limit))
    return Json(letters_to_json(found, letters, bodies=query.bodies))


@router.get("/{queue}/groups", responses={200: {"model": DeadLetterGroups}, **documented(404, 422)})
async def group_dead_letters(request: Request, queue: QueueName, query: Annotated[GroupQuery, Query()]) -> Json:
    """How many there are by error code, class and stage. The queue stays as it is."""
    found = _find_queue(request, queue)
    async with plane_of(request).reading(found.name):
        groups = await group(plane_of(request).services.broker, found, query.selection(query.limit))
    return Json(groups_to_json(groups))


@router.get("/{queue}/export", response_class=Response, responses={**LINES, **documented(404, 422)})
async def export_dead_letters(request: Request, queue: QueueName, query: Annotated[ExportQuery, Query()]) -> Response:
    """All that is in them, to keep it before they are purged. The queue stays as it is."""
    found = _find_queue(request, queue)
    async with plane_of(request).reading(found.name):
        letters = await find(plane_of(request).services.broker, found, query.selection(query.limit))
    lines = "".join(f"{json.dumps(exported(*each))}\n" for each in letters)
    headers = {"Content-Disposition": 'attachment; filename="dead-letters.jsonl"'}
    return Response(lines, media_type="application/x-ndjson", headers=headers)


@router.post("/{queue}/replay", responses={200: {"model": Replayed}, **_CHANGES})
async def replay_dead_letters(request: Request, queue: QueueName, wanted: ReplayRequest) -> Json:
    """Send dead letters back to the queue they died in; those that their stage would refuse again stay."""
    services, selection = plane_of(request).services, _chosen(wanted)
    found = _find_queue(request, queue)
    async with plane_of(request).reading(found.name):
        done = await replay(
            services.broker,
            found,
            selection,
            validate=services.refusal_of if wanted.check else None,
            trail=_trail(request),
            rate_per_s=wanted.rate_per_s,
            within_s=_WITHIN_S,
            dry_run=wanted.dry_run,
        )
    return Json(replayed_to_json(done))


@router.post("/{queue}/purge", responses={200: {"model": Purged}, **_CHANGES})
async def purge_dead_letters(request: Request, queue: QueueName, wanted: PurgeRequest) -> Json:
    """Take dead letters away for good."""
    selection, found = _chosen(wanted), _find_queue(request, queue)
    async with plane_of(request).reading(found.name):
        broker = plane_of(request).services.broker
        done = await purge(broker, found, selection, trail=_trail(request), dry_run=wanted.dry_run)
    return Json(purged_to_json(done))


@router.post("/{queue}/edit", responses={200: {"model": Edited}, **_CHANGES, **documented(409)})
async def edit_dead_letter(request: Request, queue: QueueName, wanted: EditRequest) -> Json:
    """Send a dead letter back with another body, under its message id. 422 names what its stage would refuse."""
    services, found = plane_of(request).services, _find_queue(request, queue)
    try:
        async with plane_of(request).reading(found.name):
            done = await edit(
                services.broker,
                found,
                wanted.message_id,
                wanted.body.encode(),
                expected=wanted.expected,
                validate=services.refusal_of,
                trail=_trail(request),
                dry_run=wanted.dry_run,
            )
    except NoSuchLetter as error:
        raise Problem(404, "There is no dead letter with this id", "NO_SUCH_LETTER", "It may be replayed") from error
    except LetterChanged as error:
        raise Problem(409, error.what, "LETTER_CHANGED", error.fix) from error
    if done.refusal is not None:
        reasons = [{"field": field or "body", "problem": problem} for field, problem in done.refusal.fields]
        fix = "Nothing was changed. Correct the fields named in `reasons`" if reasons else "Nothing was changed"
        raise Problem(422, done.refusal.reason, ErrorCode.INVALID_MESSAGE, fix, reasons)
    return Json(edited_to_json(done))


def _chosen(wanted: LetterWish) -> Selection:
    selection = wanted.chosen()
    if selection is None:
        raise Problem(
            422,
            "Nothing says which dead letters are meant",
            ErrorCode.INVALID_MESSAGE,
            'Give "message_ids", "error_code" or another field of a selection, or "limit"',
        )
    return selection


def _trail(request: Request) -> Trail:
    """What is done is recorded as the doing of the caller, whose name is known only where somebody checked it."""
    services = plane_of(request).services
    name = identity_of(request).subject or "anonymous"
    address = request.client.host if request.client else "unknown"
    return Trail(services.broker, services.topology, Actor(name=name, address=address, via="api"))


def _find_queue(request: Request, name: str) -> DeadLetterQueue:
    try:
        return find_queue(plane_of(request).services.topology, name)
    except PipelineError as error:
        raise Problem(404, error.what, "NO_SUCH_QUEUE", error.fix) from None
