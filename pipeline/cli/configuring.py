"""`pipeline config`: what is set, and where."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.app.origins import settings_with_origins
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("config")(config_command)


def config_command(
    context: typer.Context,
    show_origin: Annotated[bool, typer.Option("--show-origin", help="Say where each value comes from.")] = False,
    output: OutputOption = Output.TEXT,
) -> int:
    """Show every setting and its value; passwords are hidden."""
    found = list(settings_with_origins(context.obj))
    if output is Output.JSON:
        print_json(
            [{"name": each.name, "value": each.value, "origin": each.origin, "meaning": each.meaning} for each in found]
        )
        return ExitCode.DONE
    table = Table(header_style="bold", box=None)
    for heading in ("Variable", "Value", *(["From"] if show_origin else []), "Meaning"):
        table.add_column(heading, overflow="fold")
    for each in found:
        style = None if each.origin == "default" else "bold"
        origin = [Text(each.origin)] if show_origin else []
        table.add_row(Text(each.name), Text(each.value, style=style or ""), *origin, Text(each.meaning, style="dim"))
    stdout.print(table)
    return ExitCode.DONE
