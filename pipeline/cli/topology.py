"""`pipeline plan`, `apply`: what would change on the broker, and make it so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipeline.app.loading import Loaded, load
from pipeline.cli.console import Output, OutputOption, print_json, stderr, stdout
from pipeline.cli.migration import WaitOption, finish_begun, migrating
from pipeline.cli.running import RunningPipeline
from pipeline.errors import PipelineError
from pipeline.provision.access import require_other_user
from pipeline.provision.apply import apply
from pipeline.provision.changes import Action, Plan, plan_to_json
from pipeline.provision.management import ManagementClient
from pipeline.provision.migration.record import PATIENCE_S, Record, Records
from pipeline.provision.migration.status import under_way
from pipeline.provision.observe import Observed, observe
from pipeline.provision.outcomes import Outcome, Status
from pipeline.provision.ownership import Ownership, read_ownership
from pipeline.provision.passwords import read_passwords, with_hashes
from pipeline.provision.plan import plan
from pipeline.provision.planfile import read_plan, require_current, write_plan
from pipeline.provision.prune import Pruner
from pipeline.provision.render import applied_to_json, render, render_applied
from pipeline.topology.expand import publications

_COLOURS = {"+": "green", "~": "yellow", "±": "magenta", "-": "red", "!": "bold yellow"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("plan")(plan_command)
    app.command("apply")(apply_command)


PruneOption = Annotated[
    bool, typer.Option("--prune", help="Delete what this topology made and does not declare any more.")
]


def plan_command(
    context: typer.Context,
    output: OutputOption = Output.TEXT,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Keep the plan, for `pipeline apply FILE`.")
    ] = None,
    prune: PruneOption = False,
) -> int:
    """Show what would change on the broker, and what each change risks.

    Without RABBITMQ_URL, compares with the pipeline that runs on API_HOST and API_PORT.
    Exits 0 if the broker matches, 2 if changes are pending.
    """
    changes = asyncio.run(_plan(load(context.obj), prune))
    if out is not None:
        write_plan(out, changes)
    if output is Output.JSON:
        print_json(plan_to_json(changes))
    else:
        print_plan(changes)
    return changes.exit_code


def apply_command(
    context: typer.Context,
    saved: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLAN]", help="A plan kept with `plan --out`: refused if the broker or the file has changed since."
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    prune: PruneOption = False,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="NAME", help="With --prune: delete this one even if it is in use."),
    ] = None,
    migrate: Annotated[
        bool, typer.Option("--migrate/--no-migrate", help="Make anew what can't be changed, keeping its messages.")
    ] = True,
    wait: WaitOption = PATIENCE_S,
) -> int:
    """Make the broker match the file.

    Nothing is deleted without --prune, and then only what is empty and unused. What a broker can't change is made
    anew with its messages (see `pipeline migrate`).
    Exits 3 if something was left or failed. Running it again completes it.
    """
    if saved is not None and prune:
        raise typer.BadParameter("a kept plan says itself whether to prune", param_hint="--prune")
    if force and saved is None and not prune:
        raise typer.BadParameter("it names what --prune may delete", param_hint="--force")
    loaded = load(context.obj)
    require_broker(loaded)
    return asyncio.run(_apply(loaded, saved, output, yes, prune, force or [], wait if migrate else None))


def require_broker(loaded: Loaded) -> None:
    """Raises PipelineError on the embedded engines."""
    if loaded.settings.embedded:
        raise PipelineError(
            "There is no broker to look at or apply to: RABBITMQ_URL and REDIS_URL are not set",
            fix="The embedded broker takes the file when `pipeline up` starts; restart that",
        )


async def _plan(loaded: Loaded, prune: bool) -> Plan:
    if loaded.settings.embedded:
        async with RunningPipeline(loaded.settings) as running:
            held = await running.definitions()
        nobody = Ownership(loaded.topology.name)
        desired = loaded.definitions.without_access()  # the embedded broker has no users
        return plan(desired, Observed(held), nobody, published=publications(loaded.topology))
    async with management_client(loaded) as client:
        return (await plan_with(client, loaded, prune=prune))[0]


async def plan_with(client: ManagementClient, loaded: Loaded, *, prune: bool = False) -> tuple[Plan, Ownership]:
    """The plan for the broker as it is now, and what the topology owns there."""
    name = loaded.topology.name
    require_other_user(loaded.definitions, client.user, client.where)
    passwords = read_passwords(loaded.topology, loaded.folder, os.environ)
    observed, owned, begun = await asyncio.gather(
        observe(client, access=True), read_ownership(client, name), Records(client, name).read()
    )
    published = publications(loaded.topology)
    desired = with_hashes(loaded.definitions, observed.definitions, passwords)
    made = plan(desired, observed, owned, published=published, prune=prune)
    notes = (*made.notes, *(passwords.notes if observed.access else ()), *map(under_way, begun))
    return replace(made, notes=notes), owned


async def _apply(
    loaded: Loaded,
    saved: Path | None,
    output: Output,
    yes: bool,
    prune: bool,
    forced: Sequence[str],
    patience_s: float | None,
) -> int:
    """`patience_s`: for migrations; None for none."""
    async with management_client(loaded) as client:
        await finish_begun(loaded, client, output, yes, patience_s)
        kept = None if saved is None else read_plan(saved)
        changes, _ = await plan_with(client, loaded, prune=prune if kept is None else kept.prune)
        if kept is not None:
            require_current(kept, changes, str(saved))
        deletes = changes.count(Action.DELETE) if changes.prune else 0
        replacements = 0 if patience_s is None else changes.count(Action.REPLACE)
        pending = changes.count(Action.CREATE) + changes.count(Action.UPDATE) + deletes + replacements
        if output is Output.TEXT:
            print_plan(changes)
        if pending and not yes and output is Output.TEXT and stdout.is_terminal:
            typer.confirm("Apply?", abort=True)
        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
            task = progress.add_task("applying", total=pending)

            def advance(outcome: Outcome) -> None:
                if outcome.status is not Status.LEFT:
                    progress.advance(task)

            def describe(record: Record) -> None:
                if stderr.is_terminal:
                    progress.update(task, description=under_way(record))
                else:
                    stderr.print(under_way(record), markup=False)

            async with (
                _pruner(loaded, client, forced, needed=bool(deletes)) as pruner,
                migrating(loaded, client, patience_s if replacements else None, describe) as migrator,
            ):
                applied = await apply(changes, client, advance, pruner=pruner, migrator=migrator)
    if output is Output.JSON:
        print_json(applied_to_json(applied))
    else:
        stdout.print(render_applied(applied), markup=False)
    return applied.exit_code


@asynccontextmanager
async def _pruner(
    loaded: Loaded, client: ManagementClient, forced: Sequence[str], *, needed: bool
) -> AsyncIterator[Pruner | None]:
    """Deletes only after a look over AMQP, so a connection is made for it; none is where nothing is to be deleted."""
    if not needed:
        yield None
        return
    # Nothing else here speaks AMQP, and the engines take longer to import than a large plan to make.
    from pipeline.app.engines import rabbitmq

    broker = rabbitmq(loaded.settings)
    await broker.connect()
    try:
        yield Pruner(client, broker.depth, forced)
    finally:
        await broker.close()


def management_client(loaded: Loaded) -> ManagementClient:
    """The management API of the broker that the settings name."""
    return ManagementClient(loaded.settings.management_url, loaded.settings.vhost)


def print_plan(changes: Plan) -> None:
    """The plan, its symbols coloured on a terminal."""
    for line in render(changes).splitlines():
        stdout.print(line, style=_COLOURS.get(line[:1]), markup=False)
