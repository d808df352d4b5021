"""A plan kept in a file, to be looked at and applied later: as it was shown, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.provision.changes import Action, Change, Kind, Plan, plan_from_json, plan_to_json
from pipeline.provision.definitions_json import definition_to_json

_FORMAT = 1
_LARGEST = 64 * 1024 * 1024
_SHOWN = 5


class StalePlan(PipelineError):
    """The broker, or the file, is not as it was when the plan was made."""


def write_plan(path: Path, plan: Plan) -> None:
    """Raises PipelineError if the file can't be written."""
    text = json.dumps({"format": _FORMAT, **plan_to_json(plan)}, indent=2, ensure_ascii=False)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise PipelineError(f"The plan can't be written: {error.strerror}", where=str(path)) from error


def read_plan(path: Path) -> Plan:
    """Raises PipelineError if there is none, or it is not one that this version wrote."""
    try:
        if path.stat().st_size > _LARGEST:
            raise PipelineError("The file is too large for a plan", where=str(path))
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PipelineError(f"The plan can't be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise PipelineError("Not a plan: it is not JSON", where=str(path), fix=_FIX) from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise PipelineError("Not a plan of this version", where=str(path), fix=_FIX)
    return plan_from_json(document, where=str(path))


def require_current(saved: Plan, now: Plan, where: str) -> None:
    """Raises StalePlan unless a plan made now has the same changes, with the same risks and lost routes.

    How many messages and consumers there are may differ: that is the broker at work.
    """
    if (saved.topology, saved.vhost) != (now.topology, now.vhost):
        raise StalePlan(
            f'The plan is for the topology "{saved.topology}" in the vhost "{saved.vhost}", '
            f'not for "{now.topology}" in "{now.vhost}"',
            where=where,
            fix="Apply it with the file and the RABBITMQ_URL it was made with",
        )
    differences = list(_differences(saved, now))
    if differences:
        shown = "; ".join(differences[:_SHOWN])
        more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise StalePlan(
            f"The broker or the file has changed since the plan was made: {shown}{more}",
            where=where,
            fix=f"Nothing was done. Plan again: `pipeline plan --out {where}`",
        )


_FIX = "Write one with `pipeline plan --out FILE`"


def _differences(saved: Plan, now: Plan) -> Iterator[str]:
    then = {_key(change): change for change in saved.changes}
    still = {_key(change): change for change in now.changes}
    for key, change in then.items():
        if key not in still:
            yield f"{_called(change)} is not needed any more"
        elif _content(change) != _content(still[key]):
            yield f"{_called(change)} would now be another change"
    for key, change in still.items():
        if key not in then:
            yield f"{_called(change)} is needed now"


def _key(change: Change) -> tuple[Action, Kind, str]:
    return change.action, change.kind, change.identity


def _content(change: Change) -> Any:
    return change.risk, change.details, change.unrouted, definition_to_json(change.definition)


def _called(change: Change) -> str:
    return f'to {change.action.value} the {change.kind.value} "{change.name}"'
