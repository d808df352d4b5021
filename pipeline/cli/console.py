"""How commands speak: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from pipeline.errors import PipelineError

stdout = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


class Output(StrEnum):
    """`--output`: for people or for programs."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_error(error: PipelineError) -> None:
    """What, where, and the fix on a line of its own."""
    where = f" ({error.where})" if error.where else ""
    stderr.print("[bold red]error:[/] ", end="")
    stderr.print(f"{error.what}{where}", markup=False)
    if error.fix:
        stderr.print(f"  {error.fix}", markup=False)
