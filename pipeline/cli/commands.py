"""The command tree. One module a group; this one puts them together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import dead_letters, descriptions, drift, messages, routing, services, topology

app = typer.Typer(
    name="pipeline",
    help="A music library's services as one pipeline: a declared RabbitMQ topology, and the stages it wires together.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def options(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option("--topology", "-t", metavar="FILE", help="The topology file. [PIPELINE_TOPOLOGY, topology.yaml]"),
    ] = None,
) -> None:
    """Settings come from the environment; see the README for the variables."""
    context.obj = file


topology.register(app)
drift.register(app)
routing.register(app)
services.register(app)
messages.register(app)
descriptions.register(app)
app.add_typer(dead_letters.app, name="dlq")
