"""Dead letters as plain values: what the API answers and `--output json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipeline.dlq.letter import DeadLetter
from pipeline.dlq.queues import DeadLetterDepth, DeadLetterQueue
from pipeline.dlq.replay import Replayed


def depths_to_json(depths: Sequence[DeadLetterDepth]) -> dict[str, Any]:
    """The queues, and how many dead letters there are in all."""
    items = [{"name": each.queue.name, "origin": each.queue.origin, "messages": each.messages} for each in depths]
    return {"items": items, "total": sum(each.messages or 0 for each in depths)}


def letters_to_json(queue: DeadLetterQueue, letters: Sequence[DeadLetter]) -> dict[str, Any]:
    """A queue's entries, oldest first."""
    return {"name": queue.name, "origin": queue.origin, "items": [_letter(letter) for letter in letters]}


def replayed_to_json(replayed: Replayed) -> dict[str, Any]:
    """What became of a replay."""
    return {
        "replayed": replayed.replayed,
        "kept": replayed.kept,
        "unread": replayed.unread,
        "not_found": list(replayed.not_found),
        "failed": [{"message_id": letter.message_id, "error": reason} for letter, reason in replayed.failed],
    }


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {**asdict(letter), "failed_at": letter.failed_at.isoformat() if letter.failed_at else None}
