"""The README's tables of messages, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_HEADING = "| message | exchange | queue | handled by | answer |"
_OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Row:
    """One message.

    Attributes:
        stages: that handle it; none where programs outside do.
        answers: messages that come out.
        events: types of events on the WebSocket that come out.
    """

    message: str
    exchange: str
    queues: tuple[str, ...]
    stages: tuple[str, ...]
    answers: tuple[str, ...]
    events: tuple[str, ...]


def rows(text: str | None = None) -> list[Row]:
    """All rows, in order: of the document's messages, and of our own.

    Raises: ValueError where there is no such table, or a cell of one is not as it should be.
    """
    lines = iter((README.read_text(encoding="utf-8") if text is None else text).splitlines())
    found = []
    while _HEADING in lines:
        next(lines)
        for line in lines:
            if not line.startswith("|"):
                break
            found.append(_row([cell.strip() for cell in line.strip("|").split("|")]))
    if not found:
        raise ValueError(f"there is no table headed {_HEADING}")
    return found


def _row(cells: list[str]) -> Row:
    message, exchange, queues, stages, answers = cells
    parts = [part.strip() for part in answers.split(",") if part.strip()]
    return Row(
        _name(message),
        _name(exchange),
        tuple(_name(part.strip()) for part in queues.split(",")),
        () if stages == _OUTSIDE else tuple(part.strip() for part in stages.split(",")),
        tuple(_name(part) for part in parts if not part.startswith("WebSocket ")),
        tuple(_name(part.removeprefix("WebSocket ")) for part in parts if part.startswith("WebSocket ")),
    )


def _name(cell: str) -> str:
    match = re.fullmatch(r"`([^`]+)`", cell)
    if match is None:
        raise ValueError(f"{cell!r} is not one name between backticks")
    return match[1]
