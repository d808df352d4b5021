"""`pipeline migrate`: queues and exchanges made anew with their messages; how far that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.app.loading import Loaded, load
from pipeline.cli.console import Output, OutputOption, print_json, stderr, stdout
from pipeline.cli.planning import management_client, plan_with, print_plan, require_broker
from pipeline.errors import ExitCode, PipelineError
from pipeline.provision.apply import apply
from pipeline.provision.changes import Action
from pipeline.provision.management import ManagementClient
from pipeline.provision.migration.record import PATIENCE_S, Record, Records
from pipeline.provision.migration.status import render_status, status_to_json, under_way
from pipeline.provision.render import applied_to_json, render_applied

if TYPE_CHECKING:
    from pipeline.provision.migration.migrator import Migrator

WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0.0,
        metavar="SECONDS",
        help="How long a migration waits for messages that consumers hold, before it leaves the queue as it was.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("migrate")(migrate_command)


def migrate_command(
    context: typer.Context,
    output: OutputOption = Output.TEXT,
    status: Annotated[bool, typer.Option("--status", help="Only show which migrations are under way.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: WaitOption = PATIENCE_S,
) -> int:
    """Make queues and exchanges anew whose type, priorities or durability the broker can't change; keep their messages.

    `pipeline apply` does so too, among its other changes. What was interrupted is gone on with first.
    Exits 3 if something was left or is under way.
    """
    loaded = load(context.obj)
    require_broker(loaded)

    async def show() -> int:
        async with management_client(loaded) as client:
            records = await Records(client, loaded.topology.name).read()
        if output is Output.JSON:
            print_json(status_to_json(records))
        else:
            stdout.print(render_status(records), markup=False)
        return ExitCode.PARTLY_DONE if records else ExitCode.DONE

    async def carry_out() -> int:
        async with management_client(loaded) as client:
            await finish_begun(loaded, client, output, yes, wait)
            whole, _ = await plan_with(client, loaded)
            changes = tuple(change for change in whole.changes if change.action is Action.REPLACE)
            only = replace(whole, changes=changes, vanished=frozenset())
            if output is Output.TEXT:
                print_plan(only)
            if changes:
                _ask("Migrate?", output, yes)
            async with migrating(loaded, client, wait if changes else None, _say(output)) as migrator:
                applied = await apply(only, client, migrator=migrator)
        if output is Output.JSON:
            print_json(applied_to_json(applied))
        else:
            stdout.print(render_applied(applied), markup=False)
        return applied.exit_code

    return asyncio.run(show() if status else carry_out())


async def finish_begun(
    loaded: Loaded, client: ManagementClient, output: Output, yes: bool, patience_s: float | None
) -> None:
    """Go on with migrations that an earlier run began, after asking. Raises PipelineError if they are not wanted."""
    records = Records(client, loaded.topology.name)
    begun = await records.read()
    if not begun and not await records.detour_open():
        return
    if patience_s is None:
        raise PipelineError(
            "A migration was begun and is not done: until then the broker does not look like the file",
            fix="Run `pipeline migrate`, or leave --no-migrate out",
        )
    for record in begun:
        stderr.print(under_way(record), markup=False)
    if begun:
        _ask("Go on with it?", output, yes)
    async with migrating(loaded, client, patience_s, _say(output)) as migrator:
        assert migrator is not None
        for migrated in await migrator.finish():
            stderr.print(str(migrated), markup=False)


@asynccontextmanager
async def migrating(
    loaded: Loaded, client: ManagementClient, patience_s: float | None, report: Callable[[Record], None]
) -> AsyncIterator[Migrator | None]:
    """Messages are moved over AMQP, so a connection is made for it; none is without patience."""
    if patience_s is None:
        yield None
        return
    # The engines take longer to import than a large plan to make.
    from pipeline.app.engines import rabbitmq
    from pipeline.provision.migration.migrator import Migrator

    broker = rabbitmq(loaded.settings)
    await broker.connect()
    try:
        yield Migrator(client, broker, loaded.topology.name, patience_s=patience_s, report=report)
    finally:
        await broker.close()


def _ask(question: str, output: Output, yes: bool) -> None:
    if not yes and output is Output.TEXT and stdout.is_terminal:
        typer.confirm(question, abort=True)


def _say(output: Output) -> Callable[[Record], None]:
    def say(record: Record) -> None:
        if output is Output.TEXT:
            stderr.print(under_way(record), markup=False)

    return say
