"""Migrations, under way and done, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.provision.migration.record import Record
from pipeline.provision.render import printable

# In their order, with what is said of them; each kind has the same names for the same steps.
DOING: Mapping[str, Mapping[str, str]] = {
    "queue": {
        "prepare": "making the holding queues",
        "bypass": "leading everything past it",
        "divert": "leading everything past it",
        "set aside": "moving its messages aside",
        "remake": "making it anew",
        "bring back": "moving its messages back",
        "catch up": "moving back what arrived meanwhile",
        "rebind": "binding it again",
        "clean": "removing the holding queues",
    },
    "exchange": {
        "prepare": "making its twin",
        "pass by": "leading everything to its twin",
        "remake": "making it anew",
        "rebind": "binding it again",
        "clean": "removing its twin",
    },
}


def under_way(record: Record) -> str:
    """One sentence: which step, and what moved so far."""
    doing = DOING[record.kind.value]
    moved = f", {record.moved:,} moves of messages so far" if record.moved else ""
    step = list(doing).index(record.step) + 1
    back = " (going back: a consumer held on to messages)" if record.abandoned else ""
    return (
        f'The migration of the {record.kind.value} "{printable(record.name)}" is under way: '
        f"step {step} of {len(doing)}, {doing[record.step]}{moved}{back}"
    )


def render_status(records: Sequence[Record]) -> str:
    """One line each. No trailing newline."""
    if not records:
        return "No migration is under way."
    return "\n".join([*map(under_way, records), "`pipeline apply` goes on where it stopped, if nobody is at it."])


def status_to_json(records: Sequence[Record]) -> list[dict[str, Any]]:
    """For `--output json`."""
    return [
        {
            "kind": record.kind.value,
            "name": record.name,
            "step": record.step,
            "steps": list(DOING[record.kind.value]),
            "moved": record.moved,
            "copies_removed": record.dropped,
            "consumers_before": record.consumers,
            "deleted_at": record.deleted_at,
            "abandoned": record.abandoned or None,
        }
        for record in records
    ]
