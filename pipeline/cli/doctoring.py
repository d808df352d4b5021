"""`pipeline doctor`: what is wrong here, and how to put it right."""

from __future__ import annotations

import asyncio
from collections import Counter

import typer
from rich.text import Text

from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.doctor.examination import examine
from pipeline.doctor.findings import Finding, Verdict
from pipeline.errors import ExitCode

_MARKS = {Verdict.GOOD: ("✓", "green"), Verdict.WARNING: ("!", "yellow"), Verdict.PROBLEM: ("✗", "bold red")}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("doctor")(doctor_command)


def doctor_command(context: typer.Context, output: OutputOption = Output.TEXT) -> int:
    """Look at everything a pipeline needs: the machine, the file, the servers. Changes nothing.

    Each finding has its fix beside it. Exits 1 if there is a problem; warnings alone exit 0.
    """
    findings = asyncio.run(_examined(context, show=output is Output.TEXT))
    counts = Counter(finding.verdict for finding in findings)
    if output is Output.JSON:
        print_json([finding.to_json() for finding in findings])
    else:
        said = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
        stdout.print(f"{said}.", style="bold", markup=False)
    return ExitCode.ERROR if counts[Verdict.PROBLEM] else ExitCode.DONE


async def _examined(context: typer.Context, *, show: bool) -> list[Finding]:
    findings = []
    async for finding in examine(context.obj):
        findings.append(finding)
        if show:
            _print(finding)
    return findings


def _print(finding: Finding) -> None:
    mark, style = _MARKS[finding.verdict]
    stdout.print(Text.assemble((mark, style), " ", (f"{finding.about}: ", "bold"), finding.what))
    if finding.fix:
        stdout.print(Text(f"    {finding.fix}", style="dim"))
