"""Dead letters as plain values: what the API answers and `--output json` prints."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from typing import Any

from pipeline.dlq.edit import Edited, digest
from pipeline.dlq.inspect import Group
from pipeline.dlq.letter import DeadLetter
from pipeline.dlq.purge import Purged
from pipeline.dlq.queues import DeadLetterDepth, DeadLetterQueue
from pipeline.dlq.replay import Replayed
from pipeline.dlq.trail import Record
from pipeline.messages.message import Message


def depths_to_json(depths: Sequence[DeadLetterDepth]) -> dict[str, Any]:
    """The queues, and how many dead letters there are in all."""
    items = [{"name": each.queue.name, "origin": each.queue.origin, "messages": each.messages} for each in depths]
    return {"items": items, "total": sum(each.messages or 0 for each in depths)}


def letters_to_json(
    queue: DeadLetterQueue, found: Sequence[tuple[DeadLetter, Message]], *, bodies: bool = False
) -> dict[str, Any]:
    """A queue's entries, oldest first.

    Args:
        bodies: with them: what was asked for, since they may be anybody's.
    """
    items = [_letter(letter) | (body_to_json(message.body) if bodies else {}) for letter, message in found]
    return {"name": queue.name, "origin": queue.origin, "items": items}


def body_to_json(body: bytes) -> dict[str, str]:
    """As text where it is UTF-8, else in base64; and its digest."""
    try:
        shown = {"body": body.decode()}
    except UnicodeDecodeError:
        shown = {"body_base64": base64.b64encode(body).decode()}
    return shown | {"body_sha256": digest(body)}


def groups_to_json(groups: Sequence[Group]) -> dict[str, Any]:
    """Groups in their order, and how many letters are in them."""
    items = [
        {
            "name": each.queue.name,
            "origin": each.queue.origin,
            "error_code": each.error_code,
            "error_class": each.error_class,
            "stage": each.stage,
            "count": each.count,
            "oldest": _time(each.oldest),
            "newest": _time(each.newest),
            "example_id": each.example_id,
        }
        for each in groups
    ]
    return {"items": items, "total": sum(each.count for each in groups)}


def replayed_to_json(replayed: Replayed) -> dict[str, Any]:
    """What became of a replay."""
    return {
        "dry_run": replayed.dry_run,
        "replayed": replayed.replayed,
        "kept": replayed.kept,
        "unread": replayed.unread,
        "not_found": list(replayed.not_found),
        "refused": [
            {
                "message_id": letter.message_id,
                "error": refusal.reason,
                "fields": [{"field": field, "problem": problem} for field, problem in refusal.fields],
            }
            for letter, refusal in replayed.refused
        ],
        "failed": [{"message_id": letter.message_id, "error": reason} for letter, reason in replayed.failed],
    }


def purged_to_json(purged: Purged) -> dict[str, Any]:
    """What became of a purge."""
    return {
        "dry_run": purged.dry_run,
        "purged": purged.purged,
        "kept": purged.kept,
        "not_found": list(purged.not_found),
    }


def edited_to_json(edited: Edited) -> dict[str, Any]:
    """What became of an edit that was not refused."""
    return {"edited": edited.done, "message_id": edited.letter.message_id, "fields": list(edited.fields)}


def exported(letter: DeadLetter, message: Message) -> dict[str, Any]:
    """All of a letter, as it is kept elsewhere: one line of JSON lines. What JSON does not have is told by its kind."""
    return {
        "queue": letter.queue,
        "message_id": message.message_id,
        "message": letter.message,
        "exchange": letter.exchange,
        "routing_key": letter.routing_key,
        "failed_at": _time(letter.failed_at),
        "correlation_id": message.correlation_id,
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "priority": message.priority,
        "timestamp": _time(message.timestamp),
        "headers": _json(message.headers),
        "body_base64": base64.b64encode(message.body).decode(),
    }


def trail_to_json(records: Sequence[Record]) -> dict[str, Any]:
    """What was done with dead letters, newest first."""
    return {"items": [record.model_dump(mode="json") for record in records]}


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {**asdict(letter), "failed_at": _time(letter.failed_at)}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    if isinstance(value, bytes | bytearray):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, float) and not isfinite(value):
        return {"float": str(value)}
    return value if value is None or isinstance(value, str | int | float) else {"text": str(value)}
