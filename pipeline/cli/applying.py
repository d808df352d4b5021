"""`pipeline apply`: make the broker match the file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipeline.app.loading import Loaded, load
from pipeline.cli.console import Output, OutputOption, print_json, stderr, stdout
from pipeline.cli.migration import WaitOption, finish_begun, migrating
from pipeline.cli.planning import PruneOption, management_client, plan_with, print_plan, require_broker
from pipeline.provision.apply import apply
from pipeline.provision.changes import Action
from pipeline.provision.management import ManagementClient
from pipeline.provision.migration.record import PATIENCE_S, Record
from pipeline.provision.migration.status import under_way
from pipeline.provision.outcomes import Outcome, Status
from pipeline.provision.planfile import read_plan, require_current
from pipeline.provision.prune import Pruner
from pipeline.provision.render import applied_to_json, render_applied


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("apply")(apply_command)


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
