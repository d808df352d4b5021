"""Example bodies of the messages: as the contract document prints them, and in its manner for those it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Body = dict[str, Any]

_DOCUMENT: dict[str, Body] = json.loads(Path(__file__).with_name("contract_examples.json").read_text(encoding="utf-8"))


_OURS: dict[str, Body] = {
    "catalog.sweep": {"timestamp": "2024-01-01T00:00:00Z", "correlation_id": "uuid-string"},
    "waveform.generate": {"recording_id": "uuid-string", "correlation_id": "uuid-string"},
}


def _examples() -> Iterator[tuple[str, Sequence[Body]]]:
    for name, body in _DOCUMENT.items():
        choices = {field: value.split("|") for field, value in body.items() if isinstance(value, str) and "|" in value}
        if name == "file.lifecycle":
            for event in choices["event_type"]:
                yield f"file.{event}", [body | {"event_type": event}]
        else:
            yield name, _expanded(body, choices)
        if name == "analysis.request":
            yield "file.analyze", [body]
    yield from ((name, [body]) for name, body in _OURS.items())


def _expanded(body: Body, choices: Mapping[str, Sequence[str]]) -> list[Body]:
    """One body for each value where the document writes `success|failure`."""
    bodies = [body]
    for field, values in choices.items():
        bodies = [each | {field: value} for each in bodies for value in values]
    return bodies


EXAMPLES: Mapping[str, Sequence[Body]] = dict(_examples())
"""Message name to its bodies. Ids and hashes in them are the document's placeholders."""
