"""`pipeline init`: a pipeline of one's own, to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import stderr, stdout
from pipeline.errors import ExitCode
from pipeline.template import write_template

_NEXT = (
    ("pipeline test", "play the topology's own tests, in virtual time"),
    ("pipeline up", "run it, with engines of its own, on http://localhost:8000/"),
    ("""pipeline publish greet.request '{"name": "Ada"}'""", "in another terminal"),
    ("pipeline status", "what waits in the queues: one greeting in `greeted`"),
)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("init")(init_command)


def init_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
) -> int:
    """Write a topology, one stage and one test that run at once.

    Overwrites nothing.
    """
    for path in write_template(folder):
        stdout.print(str(path), markup=False)
    if folder.resolve() != Path.cwd():
        stderr.print(f"\ncd {shlex.quote(str(folder))}", markup=False)
    width = max(len(command) for command, _ in _NEXT)
    for command, meaning in _NEXT:
        stderr.print(f"{command:{width}}   # {meaning}", markup=False)
    return ExitCode.DONE
