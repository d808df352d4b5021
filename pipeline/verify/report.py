"""What came of it all: tables for people and for pages, a document for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.verify.account import Problem
from pipeline.verify.recovery import summarise
from pipeline.verify.trial import Result

_SHOWN = 10


def is_sound(results: Sequence[Result]) -> bool:
    """Whether nothing is wrong with any."""
    return not any(result.findings for result in results)


def counted(result: Result) -> dict[Problem, int]:
    """How many parts each problem has."""
    found = Counter(finding.problem for finding in result.findings)
    return {problem: found[problem] for problem in Problem}


def rendered(results: Sequence[Result]) -> Group:
    """Tables of faults and of totals, what is wrong, and the verdict."""
    parts: list[Table | Text] = [*map(_faults, results), _totals(results)]
    for result in results:
        parts += [
            Text(f"{result.scenario}: {finding.problem}: {finding.subject} {finding.what}", style="red")
            for finding in result.findings[:_SHOWN]
        ]
        if len(result.findings) > _SHOWN:
            parts.append(Text(f"{result.scenario}: … and {len(result.findings) - _SHOWN} more", style="red"))
    if is_sound(results):
        parts.append(Text("Nothing lost, duplicated, out of order or stuck.", style="bold green"))
    else:
        parts.append(Text("The guarantees do not hold.", style="bold red"))
    return Group(*parts)


def to_markdown(results: Sequence[Result]) -> str:
    """Two tables: the account of each scenario, and how long after each fault the pipeline served again."""
    account = [
        ["", *(result.scenario for result in results)],
        ["---", *("---:" for _ in results)],
        *([name, *(f"{count:,}" for count in counts)] for name, counts in _account(results).items()),
    ]
    faults = [
        ["fault", "where", "times", "first effect after, median", "worst", "backlog done after, median", "worst"],
        ["---", "---", "---:", "---:", "---:", "---:", "---:"],
        *([row[0], result.scenario, *row[1:]] for result in results for row in _recoveries(result)),
    ]
    return "\n\n".join("\n".join(f"| {' | '.join(row)} |" for row in table) for table in (account, faults))


def to_json(results: Sequence[Result]) -> dict[str, Any]:
    """All of it; times are in seconds."""
    return {"sound": is_sound(results), "scenarios": [_result_to_json(result) for result in results]}


def _result_to_json(result: Result) -> dict[str, Any]:
    document = asdict(result)
    document["recoveries"] = [{**asdict(inflicted), **asdict(recovery)} for inflicted, recovery in result.recoveries]
    document["faults"] = [asdict(summary) for summary in summarise(result.recoveries)]
    document["problems"] = {problem.value: count for problem, count in counted(result).items()}
    return document


def _faults(result: Result) -> Table:
    table = Table(title=f"{result.scenario}: recovery, from the fault's end", title_justify="left")
    table.add_column("fault", no_wrap=True)
    for name in ("times", "first effect", "worst", "backlog done", "worst"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in _recoveries(result):
        table.add_row(*row)
    return table


def _recoveries(result: Result) -> list[list[str]]:
    """A row for each kind of fault."""
    rows = []
    for each in summarise(result.recoveries):
        times = (each.first_median, each.first_worst, each.backlog_median, each.backlog_worst)
        rows.append([each.fault, str(each.times), *map(_seconds, times)])
    return rows


def _totals(results: Sequence[Result]) -> Table:
    table = Table(title="Account", title_justify="left")
    table.add_column("")
    for result in results:
        table.add_column(result.scenario, justify="right")
    for name, counts in _account(results).items():
        wrong = name in set(Problem) and any(counts)
        table.add_row(name, *(f"{count:,}" for count in counts), style="red" if wrong else None)
    return table


def _account(results: Sequence[Result]) -> dict[str, list[int]]:
    """What is counted, and how many of it each scenario has."""
    return {
        "messages confirmed": [result.sent for result in results],
        "faults": [len(result.recoveries) for result in results],
        "effects": [result.effects for result in results],
        "dead letters, as they should": [result.letters - result.given_up for result in results],
        "dead letters of workers that ended": [result.given_up for result in results],
        "published again, under the same id": [result.repeated for result in results],
        "delivered again, under the same id": [result.delivered_again for result in results],
        **{problem.value: [counted(result)[problem] for result in results] for problem in Problem},
    }


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
