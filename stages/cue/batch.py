"""The formats of a batch: each is tried, whatever becomes of the others, and has a result of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pipeline.errors import Permanent, StepError, Transient
from pipeline.stage import Failed, StageContext
from stages.cue.answers import shown

RESULTS = "results"
"""Under this name the details of a batch's failure have the results of its formats."""


def each_once(formats: Sequence[str]) -> list[str]:
    """The formats that are asked for."""
    return list(dict.fromkeys(formats))


async def in_each_format(
    formats: Sequence[str], written: Callable[[str], Awaitable[Mapping[str, Any]]], context: StageContext
) -> list[dict[str, Any]]:
    """The results of all formats, where all succeed.

    Args:
        written: writes the sheet in a format, or finds it written by an earlier attempt; what is to be said of it.
    Raises:
        Transient: where one failed that may succeed at the next attempt.
        Permanent: where none of those that failed may. The details of either have all results.
    """
    results: list[dict[str, Any]] = []
    failures: list[StepError] = []
    wanted = each_once(formats)
    for number, each in enumerate(wanted):
        context.progress(0.8 + 0.2 * number / len(wanted), f"writing {each}")
        try:
            results.append({"format": each, "success": True, **await written(each)})
        except StepError as failure:
            failures.append(failure)
            results.append(_failed(each, failure.reason, failure.error_code, failure.details))
    if failures:
        later = next((each for each in failures if isinstance(each, Transient)), None)
        chief = later or failures[0]
        raise (Transient if later else Permanent)(
            f"{len(failures)} of {len(wanted)} formats failed, first with: {chief.reason}",
            chief.error_code,
            results=[shown(each) for each in results],
        )
    return results


def results_of(
    formats: Sequence[str], failed: Failed, written: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The results of a batch that has failed for good.

    Args:
        written: what is to be said of the sheets that are there, by their format.
    """
    told = {each["format"]: each for each in failed.details.get(RESULTS, ())}
    results = []
    for each in each_once(formats):
        if each in told and not told[each]["success"]:
            results.append(dict(told[each]))
        elif each in written:
            results.append({"format": each, "success": True, **written[each]})
        else:
            results.append(_failed(each, failed.reason, failed.error_code, {}))
    return results


def _failed(format: str, reason: str, error_code: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": format,
        "success": False,
        "error": reason,
        "error_code": error_code,
        "validation_report": details.get("validation_report"),
    }
