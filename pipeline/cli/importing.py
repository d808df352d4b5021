"""`pipeline import`: a topology file from a broker, or from its exported definitions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.app.loading import make_settings
from pipeline.cli.console import stderr
from pipeline.errors import ExitCode, PipelineError
from pipeline.provision.definitions_json import definitions_from_json
from pipeline.provision.exported import definitions_in
from pipeline.provision.import_text import prove, text_of
from pipeline.provision.importing import import_definitions, topology_name
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import Observed, observe
from pipeline.provision.ownership import Ownership, read_ownership, topologies_of
from pipeline.provision.render import render
from pipeline.topology.diagnostics import printable
from pipeline.topology.diagnostics import render as render_diagnostics


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("import")(import_command)


def import_command(
    definitions: Annotated[
        Path | None,
        typer.Option(
            "--definitions", metavar="FILE", help="Of `rabbitmqctl export_definitions`; else the live broker."
        ),
    ] = None,
    vhost: Annotated[str | None, typer.Option(help="With --definitions: the vhost, where there are several.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the topology; default: as the policies there are named.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> int:
    """Write a topology file that declares what a broker has: its plan against that broker is empty.

    Stages, messages and users can't be seen on a broker: add them. Exits 3 where the file could not say everything
    that it would have to, or the broker has faults that lint refuses.
    """
    if out is not None and out.exists() and not force:
        raise PipelineError("The file is there already", where=str(out), fix="Use --force, or another name")
    if definitions is not None:
        where = str(definitions)
        observed, owned = _exported(definitions, vhost, name)
    else:
        where, observed, owned = asyncio.run(_live(name))
    consumed = [queue for queue, facts in observed.facts.items() if facts.consumers]
    imported = import_definitions(observed.definitions, owned.topology, consumed=consumed)
    text = text_of(imported, f"{where}, vhost {owned.vhost}")
    for note in imported.notes:
        stderr.print(f"note: {printable(note)}", markup=False)
    if out is None:
        typer.echo(text, nl=False)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise PipelineError(f"The topology can't be written: {error.strerror}", where=str(out)) from error
    proof = prove(text, observed, owned)
    if proof.errors:
        stderr.print("The broker has what lint refuses, and so has the file:", markup=False)
        stderr.print(render_diagnostics(proof.errors), markup=False)
    elif proof.plan is not None and proof.plan.pending:
        stderr.print("The plan against that broker is not empty:", markup=False)
        stderr.print(render(proof.plan), markup=False)
    else:
        return ExitCode.DONE
    return ExitCode.PARTLY_DONE


def _exported(file: Path, vhost: str | None, name: str | None) -> tuple[Observed, Ownership]:
    try:
        document: Any = json.loads(file.read_bytes())
    except OSError as error:
        raise PipelineError(f"The definitions can't be read: {error.strerror}", where=str(file)) from error
    except (ValueError, RecursionError) as error:
        raise PipelineError("The definitions are not JSON", where=str(file), fix="Export them again") from error
    chosen, rows = definitions_in(document, vhost, where=str(file))
    found = definitions_from_json(rows, where=str(file))
    return Observed(found), Ownership(name or topology_name(found, chosen), chosen)


async def _live(name: str | None) -> tuple[str, Observed, Ownership]:
    settings = make_settings(None)
    if not settings.rabbitmq_url:
        raise PipelineError(
            "RABBITMQ_URL is not set: there is no broker to import from", fix="Set it, or give --definitions FILE"
        )
    async with ManagementClient(settings.management_url, settings.vhost) as client:
        observed, known = await asyncio.gather(observe(client, access=True), topologies_of(client))
        if name is None and len(known) > 1:
            raise PipelineError(
                "Several topologies have made what is there", where=client.where, fix=f"--name: {', '.join(known)}"
            )
        chosen = name or (known[0] if known else topology_name(observed.definitions, client.vhost))
        return client.where, observed, await read_ownership(client, chosen)
