"""What somebody else did to the objects of a topology since it was applied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ExitCode
from pipeline.provision.changes import Action, Change, Plan, plan_to_json
from pipeline.provision.ownership import Ownership, digest_of
from pipeline.provision.render import printable, render_value, unit_of


@dataclass(frozen=True, slots=True)
class Drift:
    """Apart from the changes that a plan shows because the file has changed.

    Attributes:
        plan: only the changes that would put back what somebody else changed or deleted.
        unapplied: how many changes the file has that were not applied yet.
    """

    plan: Plan
    unapplied: int

    @property
    def exit_code(self) -> int:
        return ExitCode.CHANGES_PENDING if self.plan.changes else ExitCode.DONE


def drift(plan: Plan, owned: Ownership) -> Drift:
    """Sort a plan's changes by who caused them.

    Only what the topology owns can drift. An owned object that is declared and not there was deleted by somebody
    else. One that differs was changed by somebody else if the file still says what it said when it was applied.
    """
    drifted = tuple(change for change in plan.changes if _drifted(change, owned))
    unapplied = sum(change.action is not Action.DELETE for change in plan.changes) - len(drifted)
    return Drift(Plan(plan.topology, plan.vhost, drifted), unapplied)


def _drifted(change: Change, owned: Ownership) -> bool:
    key = change.kind, change.identity
    if key not in owned.objects or change.action is Action.DELETE:
        return False
    return change.action is Action.CREATE or owned.digests.get(key) in (None, digest_of(change.definition))


def render_drift(found: Drift) -> str:
    """One line for each difference, then the count. No trailing newline."""
    lines = [
        f"≠ {change.kind.value} {printable(change.name)}: {'; '.join(_said(change))}" for change in found.plan.changes
    ]
    count = len(found.plan.changes)
    summary = f"Drift: {count} difference{'s' if count > 1 else ''}." if count else "Drift: none."
    if found.unapplied:
        summary += f" The file has {found.unapplied} not applied yet: see `pipeline plan`."
    if count:
        summary += " `pipeline apply` puts it back as the file says."
    return "\n".join([*lines, summary])


def drift_to_json(found: Drift) -> dict[str, Any]:
    """For `--output json`."""
    return {
        "drifted": bool(found.plan.changes),
        "unapplied": found.unapplied,
        "changes": plan_to_json(found.plan)["changes"],
    }


def _said(change: Change) -> Iterator[str]:
    if change.action is Action.CREATE:
        yield "is gone"
        return
    for detail in change.details:
        unit = unit_of(detail.attribute)
        yield (
            f"{printable(detail.attribute)} is {render_value(detail.before, unit)}, "
            f"not {render_value(detail.after, unit)}"
        )
