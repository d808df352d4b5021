"""`pipeline lint`, `plan`, `apply`: what the file says, what would change, make it so."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipeline.app.loading import Loaded, inspect_topology, load
from pipeline.cli.console import Output, OutputOption, print_json, stderr, stdout
from pipeline.cli.running import RunningPipeline
from pipeline.errors import ExitCode, PipelineError
from pipeline.provision.apply import Outcome, Status, apply
from pipeline.provision.changes import Action, Plan, plan_to_json
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import Observed, observe
from pipeline.provision.ownership import Ownership, read_ownership
from pipeline.provision.plan import plan
from pipeline.provision.render import applied_to_json, render, render_applied
from pipeline.topology.diagnostics import count
from pipeline.topology.diagnostics import render as render_diagnostics

_COLOURS = {"+": "green", "~": "yellow", "±": "magenta", "-": "red", "!": "bold yellow"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("lint")(lint_command)
    app.command("plan")(plan_command)
    app.command("apply")(apply_command)


def lint_command(
    context: typer.Context,
    output: OutputOption = Output.TEXT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors, no warnings.")] = False,
) -> int:
    """Check the whole topology file: every error at once, with line and column.

    Exits 1 if there are errors. Warnings alone exit 0.
    """
    diagnostics = inspect_topology(context.obj)
    errors = [each for each in diagnostics if each.is_error]
    shown = errors if quiet else diagnostics
    if output is Output.JSON:
        print_json([each.to_json() for each in shown])
    else:
        if shown:
            stdout.print(render_diagnostics(shown), markup=False)
        if not quiet:
            stdout.print(f"{count(diagnostics)}.")
    return ExitCode.ERROR if errors else ExitCode.DONE


def plan_command(context: typer.Context, output: OutputOption = Output.TEXT) -> int:
    """Show what would change on the broker.

    Without RABBITMQ_URL, compares with the pipeline that runs on API_HOST and API_PORT.
    Exits 0 if the broker matches, 2 if changes are pending.
    """
    changes = asyncio.run(_plan(load(context.obj)))
    if output is Output.JSON:
        print_json(plan_to_json(changes))
    else:
        print_plan(changes)
    return changes.exit_code


def apply_command(
    context: typer.Context,
    output: OutputOption = Output.TEXT,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Make the broker match the file. Nothing is deleted; what can't be changed in place is left as it is.

    Exits 3 if something was left or failed. Running it again completes it.
    """
    loaded = load(context.obj)
    if loaded.settings.embedded:
        raise PipelineError(
            "There is no broker to apply to: RABBITMQ_URL and REDIS_URL are not set",
            fix="The embedded broker takes the file when `pipeline up` starts; restart that",
        )
    return asyncio.run(_apply(loaded, output, yes))


async def _plan(loaded: Loaded) -> Plan:
    if loaded.settings.embedded:
        async with RunningPipeline(loaded.settings) as running:
            held = await running.definitions()
        return plan(loaded.definitions, Observed(held), Ownership(loaded.topology.name))
    async with _client(loaded) as client:
        return await _plan_with(client, loaded)


async def _plan_with(client: ManagementClient, loaded: Loaded) -> Plan:
    observed, owned = await asyncio.gather(observe(client), read_ownership(client, loaded.topology.name))
    return plan(loaded.definitions, observed, owned)


async def _apply(loaded: Loaded, output: Output, yes: bool) -> int:
    async with _client(loaded) as client:
        changes = await _plan_with(client, loaded)
        pending = changes.count(Action.CREATE) + changes.count(Action.UPDATE)
        if output is Output.TEXT:
            print_plan(changes)
        if pending and not yes and output is Output.TEXT and stdout.is_terminal:
            typer.confirm("Apply?", abort=True)
        columns = TextColumn("applying"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
            task = progress.add_task("applying", total=pending)

            def advance(outcome: Outcome) -> None:
                if outcome.status is not Status.LEFT:
                    progress.advance(task)

            applied = await apply(changes, client, advance)
    if output is Output.JSON:
        print_json(applied_to_json(applied))
    else:
        stdout.print(render_applied(applied), markup=False)
    return applied.exit_code


def _client(loaded: Loaded) -> ManagementClient:
    return ManagementClient(loaded.settings.management_url, loaded.settings.vhost)


def print_plan(changes: Plan) -> None:
    """The plan, its symbols coloured on a terminal."""
    for line in render(changes).splitlines():
        stdout.print(line, style=_COLOURS.get(line[:1]), markup=False)
