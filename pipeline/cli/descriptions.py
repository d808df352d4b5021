"""`pipeline schema` and `asyncapi`: what programs outside can read of the topology, printed or written."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.app.describing import describe
from pipeline.app.loading import load
from pipeline.app.models import models_of
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.describe.schemas import bundle, file_name, message_schemas
from pipeline.describe.topology_file import topology_schema
from pipeline.describe.writing import json_text, write_text, yaml_text
from pipeline.errors import ExitCode

schema_app = typer.Typer(no_args_is_help=True, help="JSON Schemas of the messages, and of the topology file.")


class Format(StrEnum):
    """`--format` of a document."""

    YAML = "yaml"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(schema_app, name="schema")
    app.command("asyncapi")(asyncapi_command)


@schema_app.command("messages")
def messages_command(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write a file for each message into this folder.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> int:
    """Print the JSON Schema of every message, as one document, or write one file for each."""
    topology = load(context.obj).topology
    schemas = message_schemas(topology.name, models_of(topology))
    if out is None:
        print_json(bundle(topology.name, schemas))
        return ExitCode.DONE
    written = {name: write_text(out / file_name(name), json_text(schema)) for name, schema in schemas.items()}
    _report({name: str(path) for name, path in written.items()}, output)
    return ExitCode.DONE


@schema_app.command("topology")
def topology_command(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it to this file.")] = None,
    output: OutputOption = Output.TEXT,
) -> int:
    """Print the JSON Schema of topology files, or write it to a file."""
    if out is None:
        print_json(topology_schema())
    else:
        _report({"topology": str(write_text(out, json_text(topology_schema())))}, output)
    return ExitCode.DONE


def asyncapi_command(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it to this file.")] = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="What to write it in.")] = Format.YAML,
    output: OutputOption = Output.TEXT,
) -> int:
    """Print the AsyncAPI 3.0 document of the topology and the WebSocket, or write it to a file."""
    document = describe(load(context.obj).topology)
    text = json_text(document) if format is Format.JSON else yaml_text(document)
    if out is None:
        sys.stdout.write(text)
    else:
        _report({"asyncapi": str(write_text(out, text))}, output)
    return ExitCode.DONE


def _report(written: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        print_json({"written": written})
    else:
        for path in written.values():
            stdout.print(path, markup=False)
