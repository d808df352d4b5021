"""`pipeline lint`: what is wrong with the file, what a code means, and what the file says in the end."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.app.loading import inspect_file
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.errors import ExitCode
from pipeline.topology.codes import CODES
from pipeline.topology.diagnostics import InvalidTopology, count, render
from pipeline.topology.effective import effective_yaml
from pipeline.topology.explain import explain, explain_all
from pipeline.topology.shape import suggest
from pipeline.topology.values import Version, parse_version


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("lint")(lint_command)


def lint_command(
    context: typer.Context,
    output: OutputOption = Output.TEXT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors, no warnings.")] = False,
    broker: Annotated[
        str | None,
        typer.Option("--broker", metavar="VERSION", help="Check for this RabbitMQ, such as 4.0. [broker.version]"),
    ] = None,
    code: Annotated[
        str | None, typer.Option("--explain", metavar="CODE", help="Say what a code means; `all` prints every one.")
    ] = None,
    effective: Annotated[bool, typer.Option("--print", help="Print the file with its profile laid over it.")] = False,
) -> int:
    """Check the whole topology file: every error at once, with line and column.

    Exits 1 if there are errors. Warnings alone exit 0.
    """
    if code is not None:
        typer.echo(_explained(code), nl=False)
        return ExitCode.DONE
    topology, document, diagnostics = inspect_file(context.obj, _version(broker))
    errors = [each for each in diagnostics if each.is_error]
    if effective:
        if errors or topology is None or document is None:
            raise InvalidTopology(diagnostics)
        typer.echo(effective_yaml(document), nl=False)
        return ExitCode.DONE
    shown = errors if quiet else diagnostics
    if output is Output.JSON:
        print_json([each.to_json() for each in shown])
    else:
        if shown:
            stdout.print(render(shown), markup=False)
        if not quiet:
            stdout.print(f"{count(diagnostics)}.")
    return ExitCode.ERROR if errors else ExitCode.DONE


def _explained(code: str) -> str:
    if code.lower() == "all":
        return explain_all()
    if code.upper() not in CODES:
        near = suggest(code.upper(), CODES)
        raise typer.BadParameter(f"there is no code {code}. {near}".rstrip(), param_hint="--explain")
    return f"{explain(code.upper())}\n"


def _version(text: str | None) -> Version | None:
    if text is None:
        return None
    try:
        return parse_version(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--broker") from None
