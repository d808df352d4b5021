"""`pipeline graph`: the topology as a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.app.loading import Loaded, load
from pipeline.cli.console import stderr
from pipeline.cli.planning import management_client
from pipeline.errors import ExitCode, PipelineError
from pipeline.graph.dot import dot
from pipeline.graph.live import Flow
from pipeline.graph.mermaid import mermaid
from pipeline.graph.svg import svg
from pipeline.provision.flows import flows_of
from pipeline.topology.graph import graph_of
from pipeline.topology.shape import suggest


class Format(StrEnum):
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


_RENDER = {Format.MERMAID: mermaid, Format.DOT: dot, Format.SVG: svg}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("graph")(graph_command)


def graph_command(
    context: typer.Context,
    format: Annotated[
        Format | None, typer.Option("--format", "-f", help="Default: by --out's ending, else mermaid.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there.")] = None,
    focus: Annotated[
        str | None, typer.Option("--focus", metavar="NAME", help="Only this and what it is joined to.")
    ] = None,
    live: Annotated[bool, typer.Option(help="Show what waits in the queues, where a broker answers.")] = True,
) -> int:
    """Draw the topology: sources, exchanges, queues, stages, and what is between them."""
    loaded = load(context.obj)
    graph = graph_of(loaded.topology)
    if focus is not None:
        try:
            graph = graph.near(focus)
        except KeyError:
            near = suggest(focus, [node.name for node in graph.nodes])
            raise PipelineError(f'Nothing in the topology is called "{focus}"', fix=near) from None
    flows = asyncio.run(_flows(loaded)) if live else {}
    text = _RENDER[format or _format_of(out)](graph, flows)
    if out is None:
        typer.echo(text, nl=False)
        return ExitCode.DONE
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PipelineError(f"The picture can't be written: {error.strerror}", where=str(out)) from error
    return ExitCode.DONE


def _format_of(out: Path | None) -> Format:
    endings = {".svg": Format.SVG, ".dot": Format.DOT, ".gv": Format.DOT}
    return endings.get(out.suffix.lower(), Format.MERMAID) if out is not None else Format.MERMAID


async def _flows(loaded: Loaded) -> Mapping[str, Flow]:
    """Empty where no broker is configured or none answers."""
    if not loaded.settings.rabbitmq_url:
        return {}
    try:
        async with management_client(loaded) as client:
            return await flows_of(client)
    except PipelineError as error:
        stderr.print(f"Without figures: {error.what}", markup=False)
        return {}
