"""`pipeline verify`: break things, and count what became of every message."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import print_json, stderr, stdout
from pipeline.errors import ExitCode
from pipeline.telemetry import configure_logging
from pipeline.verify.report import is_sound, rendered, to_json, to_markdown
from pipeline.verify.scenarios import SCENARIOS, scenarios_of
from pipeline.verify.trial import Result, Scenario, run_trial

_SEEDS = 1_000_000
_PER_MINUTE = 2000


class Chosen(StrEnum):
    """`--scenario`."""

    SINGLE = "single"
    CLUSTER = "cluster"
    MIGRATION = "migration"
    ALL = "all"


class Form(StrEnum):
    """`--output`."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("verify")(verify_command)


def verify_command(
    seed: Annotated[int | None, typer.Option(help="Which faults come when: the same for the same seed.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long faults are inflicted, for each scenario.")] = 3.0,
    messages: Annotated[
        int | None, typer.Option(min=1, help=f"How many are sent in that time. [{_PER_MINUTE} a minute]")
    ] = None,
    faults: Annotated[str | None, typer.Option(help="Only these, separated by commas.")] = None,
    scenario: Annotated[Chosen, typer.Option(help="Where things are broken.")] = Chosen.SINGLE,
    output: Annotated[Form, typer.Option("--output", "-o", help="For people, programs or pages.")] = Form.TEXT,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the servers' and workers' folder, with their logs.")
    ] = False,
) -> int:
    """Break things while a load runs on servers of its own, and count what was lost, done twice, or stuck.

    It starts its own RabbitMQ and Redis, from the installed packages, and ends them. Exits 1 if anything was lost,
    duplicated, out of order or stuck.
    """
    seed = random.randrange(_SEEDS) if seed is None else seed
    jobs = messages or round(_PER_MINUTE * minutes)
    names = list(SCENARIOS) if scenario is Chosen.ALL else [scenario.value]
    chosen = scenarios_of(names, faults.split(",") if faults else None, seed=seed, minutes=minutes, jobs=jobs)
    again = f"pipeline verify --seed {seed} --scenario {scenario.value} --minutes {minutes:g} --messages {jobs}"
    again += f" --faults {faults}" if faults else ""
    configure_logging("error")  # what its own connections go through is no news
    stderr.print(f"seed {seed}; to repeat: {again}", markup=False)
    try:
        results = asyncio.run(_run(chosen, keep))
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED
    match output:
        case Form.JSON:
            print_json({"repeat": again, **to_json(results)})
        case Form.MARKDOWN:
            stdout.print(to_markdown(results), markup=False)
        case Form.TEXT:
            stdout.print(rendered(results))
            stdout.print(f"to repeat: {again}", markup=False)
    return ExitCode.DONE if is_sound(results) else ExitCode.ERROR


async def _run(scenarios: Sequence[Scenario], keep: bool) -> list[Result]:
    task, results = asyncio.current_task(), []
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    for scenario in scenarios:
        folder = Path(tempfile.mkdtemp(prefix=f"verify-{scenario.name}-"))
        try:
            results.append(await run_trial(scenario, folder, lambda line: stderr.print(line, markup=False), keep=keep))
        finally:
            if keep:
                stderr.print(f"logs: {folder}", markup=False)
            else:
                shutil.rmtree(folder, ignore_errors=True)
    return results
