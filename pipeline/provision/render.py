"""A plan, and what became of it, as text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.provision.changes import Action, Change, Detail, LostRoute, Plan, Risk
from pipeline.provision.outcomes import Applied, Status

SYMBOLS = {Action.CREATE: "+", Action.UPDATE: "~", Action.REPLACE: "±", Action.DELETE: "-"}
_KIND_WIDTH = 9
_NAMES_SHOWN = 4
_GAP = "   "
# Longer cells push what is right of them instead of every line.
_NAME_WIDTH, _DETAILS_WIDTH = 48, 56
_ROUTES_SHOWN = 8
_UNITS = {
    "message-ttl": "ms",
    "x-message-ttl": "ms",
    "expires": "ms",
    "x-expires": "ms",
    "max-length-bytes": "bytes",
    "x-max-length-bytes": "bytes",
}


def render(plan: Plan) -> str:
    """One line for each change, in aligned columns, and under it the routes it loses; then notes and summary.

    No trailing newline.
    """
    cells = [(printable(change.name), _details(change), _right(change, plan.prune)) for change in plan.changes]
    name_width = max((len(name) for name, details, right in cells if details or right), default=0)
    details_width = max((len(details) for _, details, right in cells if right), default=0)
    kind_width = max(_KIND_WIDTH, *(len(change.kind.value) for change in plan.changes), 0)
    lines = []
    for change, (name, details, right) in zip(plan.changes, cells, strict=True):
        line = (
            f"{SYMBOLS[change.action]} {change.kind.value:<{kind_width}} "
            f"{name:<{min(name_width, _NAME_WIDTH)}}{_GAP}{details:<{min(details_width, _DETAILS_WIDTH)}}{_GAP}{right}"
        )
        lines += [line.rstrip(), *_unrouted(change.unrouted)]
    return "\n".join([*lines, *(f"! {printable(note)}" for note in plan.notes), summary(plan)])


def summary(plan: Plan) -> str:
    """What there is to do, and what stays as it is."""
    if not plan.changes:
        return "Plan: nothing to do, the broker matches."
    shown = {"create": Action.CREATE, "update": Action.UPDATE, "migrate": Action.REPLACE}
    counts = [f"{plan.count(action)} {word}" for word, action in shown.items()]
    deletes = plan.count(Action.DELETE)
    lines = [f"Plan: {', '.join(counts)}, {deletes if plan.prune else 0} delete."]
    if count := plan.count(Action.REPLACE):
        it = "it" if count == 1 else "them"
        lines.append(
            f"{count} can't be changed on a broker: apply makes {it} anew, keeping messages; --no-migrate leaves {it}."
        )
    if deletes and not plan.prune:
        lines.append(f"{deletes} not declared any more: kept, since nothing is deleted without --prune.")
    return "\n".join(lines)


def render_applied(applied: Applied) -> str:
    """What could not be done and why, then what was done. No trailing newline."""
    missed = [
        f"! {each.change.kind.value} {printable(each.change.name)}: {printable(each.reason)}"
        for each in applied.outcomes
        if each.status in (Status.FAILED, Status.SKIPPED)
        or (applied.pruned and each.status is Status.LEFT and each.change.action is Action.DELETE)
    ]
    counts = ", ".join(f"{applied.count(status)} {status.value}" for status in Status)
    return "\n".join([*missed, *(f"! {printable(note)}" for note in applied.notes), f"Applied: {counts}."])


def applied_to_json(applied: Applied) -> dict[str, Any]:
    """For `--output json`."""
    return {
        "summary": {status.value: applied.count(status) for status in Status},
        "outcomes": [
            {
                "action": each.change.action.value,
                "kind": each.change.kind.value,
                "name": each.change.name,
                "status": each.status.value,
                "reason": each.reason,
            }
            for each in applied.outcomes
        ],
        "notes": list(applied.notes),
    }


def printable(text: str) -> str:
    """Names come from the broker too: no control character of theirs reaches a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _details(change: Change) -> str:
    if change.action is Action.DELETE:
        return "not declared any more"
    text = ", ".join(_detail(change.action, detail) for detail in change.details)
    return f"{text} (immutable)" if change.action is Action.REPLACE else text


def _detail(action: Action, detail: Detail) -> str:
    unit, name = unit_of(detail.attribute), printable(detail.attribute)
    if action is Action.CREATE:
        return f"{name} {render_value(detail.after, unit)}"
    before = render_value(detail.before, "" if detail.after is not None else unit)
    return f"{name} {before} → {render_value(detail.after, unit)}"


def unit_of(attribute: str) -> str:
    """In which a number is given; empty where it has none."""
    return _UNITS.get(attribute, "")


def render_value(value: Any, unit: str = "") -> str:
    """An attribute's value as a person reads it."""
    if value is None:
        return "(not set)"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return _names(value)
    if isinstance(value, str) and value and printable(value) == value:
        text = value
    else:
        text = json.dumps(value, ensure_ascii=not isinstance(value, str) or not value.isprintable())
    return f"{text} {unit}".rstrip()


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) or '""' for name in names[:_NAMES_SHOWN]) or "nothing"
    rest = len(names) - _NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def _unrouted(routes: Sequence[LostRoute]) -> Iterator[str]:
    for route in routes[:_ROUTES_SHOWN]:
        end = ", and reaches nothing else" if route.stranded else ""
        published = f"{route.exchange} {route.routing_key}".strip()
        yield f"    no longer routed: {printable(published)} → {printable(route.queue)}{end}"
    if (rest := len(routes) - _ROUTES_SHOWN) > 0:
        yield f"    no longer routed: {rest} more"


def _right(change: Change, prune: bool) -> str:
    if change.action is Action.DELETE and not prune:
        return _joined("needs --prune", change)
    return "" if change.risk is Risk.SAFE else _joined(change.risk.value, change)


def _joined(head: str, change: Change) -> str:
    parts = [head]
    if change.messages:
        parts.append(_counted(change.messages, "message"))
    if change.consumers:
        parts.append(_counted(change.consumers, "consumer"))
    return " · ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
