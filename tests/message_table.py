"""The README's table of messages, as data."""

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


def rows(text: str | None = None, *, table: int = 0) -> list[Row]:
    """All rows, in order, of the document's messages; of table 1, those of the messages of our own.

    Raises: ValueError where the table, or a cell of it, is not as it should be.
    """
    lines = iter((README.read_text(encoding="utf-8") if text is None else text).splitlines())
    for _ in range(table + 1):
        if _HEADING not in lines:
            raise ValueError(f"there is no table headed {_HEADING}")
    next(lines)
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append(_row([cell.strip() for cell in line.strip("|").split("|")]))
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
