"""How long the pipeline took to be itself again after each fault."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.verify.account import Settlement


@dataclass(frozen=True, slots=True)
class Inflicted:
    """A fault that was inflicted.

    Attributes:
        began, ended: seconds of one clock; it has ended when what was broken answers again, or others in its place.
        detail: what exactly was done.
    """

    fault: str
    detail: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the fault's end; None where it never came to that.

    Attributes:
        first: to the first effect; None also where nothing was to come any more, and then there is no backlog.
        backlog: until everything had come out that was in the pipeline when the fault ended. Faults that were
            inflicted meanwhile are in it.
    """

    first: float | None
    backlog: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """All times that one kind of fault was inflicted. Medians and worst are None if one never came to its end."""

    fault: str
    times: int
    first_median: float | None
    first_worst: float | None
    backlog_median: float | None
    backlog_worst: float | None


def recovery(inflicted: Inflicted, settlements: Iterable[Settlement], *, complete: bool = True) -> Recovery:
    """
    Args:
        settlements: of all parts that came out.
        complete: whether all did; else nobody knows when the backlog would have ended.
    """
    first, backlog = None, 0.0
    for each in settlements:
        after = each.settled - inflicted.ended
        if after > 0:
            if each.is_effect and (first is None or after < first):
                first = after
            if each.confirmed <= inflicted.ended:
                backlog = max(backlog, after)
    return Recovery(first, backlog if complete else None)


def summarise(recoveries: Sequence[tuple[Inflicted, Recovery]]) -> list[Summary]:
    """One for each kind of fault, in the order in which they first came."""
    summaries = []
    for fault in dict.fromkeys(inflicted.fault for inflicted, _ in recoveries):
        own = [each for inflicted, each in recoveries if inflicted.fault == fault]
        first = [each.first for each in own if each.first is not None or each.backlog != 0]
        backlog = [each.backlog for each in own]
        summaries.append(Summary(fault, len(own), *_median_and_worst(first), *_median_and_worst(backlog)))
    return summaries


def _median_and_worst(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    return (statistics.median(known), max(known)) if known and len(known) == len(values) else (None, None)
