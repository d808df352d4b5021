"""`pipeline plan`: what would change on the broker."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline.app.loading import Loaded, load
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.cli.running import RunningPipeline
from pipeline.errors import PipelineError
from pipeline.provision.access import require_other_user
from pipeline.provision.changes import Plan, plan_to_json
from pipeline.provision.management import ManagementClient
from pipeline.provision.migration.record import Records
from pipeline.provision.migration.status import under_way
from pipeline.provision.observe import Observed, observe
from pipeline.provision.ownership import Ownership, read_ownership
from pipeline.provision.passwords import read_passwords, with_hashes
from pipeline.provision.plan import plan
from pipeline.provision.planfile import write_plan
from pipeline.provision.render import render
from pipeline.topology.expand import publications

_COLOURS = {"+": "green", "~": "yellow", "±": "magenta", "-": "red", "!": "bold yellow"}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("plan")(plan_command)


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


def require_broker(loaded: Loaded) -> None:
    """Raises PipelineError on the embedded engines."""
    if loaded.settings.without_broker:
        raise PipelineError(
            "There is no broker to look at or apply to: RABBITMQ_URL is not set",
            fix="The embedded broker takes the file when `pipeline up` starts; restart that",
        )


async def _plan(loaded: Loaded, prune: bool) -> Plan:
    if loaded.settings.without_broker:
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


def management_client(loaded: Loaded) -> ManagementClient:
    """The management API of the broker that the settings name."""
    return ManagementClient(loaded.settings.management_url, loaded.settings.vhost)


def print_plan(changes: Plan) -> None:
    """The plan, its symbols coloured on a terminal."""
    for line in render(changes).splitlines():
        stdout.print(line, style=_COLOURS.get(line[:1]), markup=False)
