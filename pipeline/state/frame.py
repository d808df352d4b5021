"""The WebSocket contract's message for an update, and the line in which it is kept and published."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from pipeline.state.port import Event, Status, Update

_OURS = frozenset({"type", "status", "progress", "timestamp"})


def frame_around_sequence(update: Update, event_id: str, timestamp: float) -> tuple[str, str]:
    """The frame's JSON text in two parts: up to the sequence, and what follows the epoch.

    The store puts the two values between them by concatenation, so that no number is encoded twice.

    Args:
        timestamp: seconds since the epoch.
    Raises: ValueError if the progress is not within 0 and 1.
    """
    if not 0.0 <= update.progress <= 1.0:
        raise ValueError(f"progress is {update.progress}, which is not within 0 and 1")
    further = {name: value for name, value in update.data.items() if name not in _OURS}
    data: dict[str, Any]
    if update.type == "progress":
        message = further.pop("message", "")
        shown = {"progress": float(update.progress), "status": update.status.value, "message": message}
        data = {"type": "progress", **shown, **further, "timestamp": timestamp}
    else:
        data = {"type": update.type, **further, "status": update.status.value, "timestamp": timestamp}
    job = "" if update.job_id is None else f'"job_id":{json_text(update.job_id)},'
    head = f'{{"recording_id":{json_text(update.recording_id)},{job}"data":{json_text(data)},"sequence":'
    return head, f'","event_id":{json_text(event_id)}}}'


def finished_frame(parts: tuple[str, str], sequence: int, epoch: str) -> str:
    """The whole frame; the script that stores it puts it together in the same way."""
    return f'{parts[0]}{sequence},"epoch":"{epoch}{parts[1]}'


def wire_key(update: Update) -> str:
    """What the update is about, as the script writes it before the frame: a recording's id, or a job's in a list."""
    return json_text(update.key if update.job_id is None else [update.job_id])


def event_from_wire(line: str) -> Event:
    """An event as the script writes it: sequence, epoch, status and key as JSON, then the frame."""
    header, _, frame = line.partition("\n")
    sequence, epoch, status, key = header.split(" ", 3)
    subject = json.loads(key)
    is_job = isinstance(subject, list)
    return Event(subject[0] if is_job else subject, int(sequence), epoch, Status(status), frame, is_job)


def json_text(value: object) -> str:
    """Compact JSON that every client can read: NaN and infinities are null, lone surrogates question marks."""
    try:
        return to_json(value, inf_nan_mode="null").decode()
    except PydanticSerializationError:
        return json.dumps(_readable(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _readable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_readable(str(name)): _readable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
