"""`pipeline status`: where things stand, and what happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipeline.app.engines import Engines, make_engines, opened
from pipeline.app.loading import Loaded, load
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.cli.following import follow_events
from pipeline.cli.running import RunningPipeline
from pipeline.errors import ExitCode, NoSuchQueue, PipelineError
from pipeline.state.port import Status

_PAGE = 500


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("status")(status_command)


def status_command(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Say what happens from now on.")] = False,
    status: Annotated[list[Status] | None, typer.Option(help="With --follow: only these.")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="With --follow: only what these say.")] = None,
    output: OutputOption = Output.TEXT,
) -> int:
    """What waits in the queues, who consumes them, and how far the recordings are.

    With --follow: each event of the running API, a line each, through interruptions.
    """
    loaded = load(context.obj)
    if follow:
        chosen = {"status": [each.value for each in status or ()], "stage": list(stage or ())}
        return asyncio.run(
            follow_events(loaded.settings, output, {name: each for name, each in chosen.items() if each})
        )
    if status or stage:
        raise PipelineError("--status and --stage choose what --follow shows", fix="Add --follow")
    return _show(asyncio.run(_status(loaded)), output)


def _show(status: dict[str, Any], output: Output) -> int:
    if output is Output.JSON:
        print_json(status)
        return ExitCode.DONE
    table = Table(header_style="bold", box=None)
    for heading in ("Queue", "Waiting", "Consumers"):
        table.add_column(heading, justify="left" if heading == "Queue" else "right")
    for queue in status["queues"]:
        missing = not queue["declared"]
        waiting = "not declared" if missing else str(queue["messages"])
        consumers = "" if missing else str(queue["consumers"])
        style = "red" if missing else "yellow" if queue["messages"] and not queue["consumers"] else None
        table.add_row(Text(queue["name"]), waiting, consumers, style=style)
    stdout.print(table)
    counts = ", ".join(f"{count} {name}" for name, count in status["recordings"].items() if count) or "none"
    stdout.print(f"recordings: {counts}; dead letters: {status['dead_letters']}", markup=False)
    return ExitCode.DONE


async def _status(loaded: Loaded) -> dict[str, Any]:
    if loaded.settings.embedded:
        async with RunningPipeline(loaded.settings) as running:
            queues = (await running.get("/v1/queues"))["items"]
            counts = (await running.get("/v1/recordings", limit=0))["counts"]
            letters = (await running.get("/v1/dlq"))["total"]
        return {"queues": queues, "recordings": counts, "dead_letters": letters}
    async with opened(make_engines(loaded.settings, loaded.topology, loaded.definitions)) as engines:
        held = [name for key in loaded.topology.queues for name in loaded.topology.queue_names(key)]
        queues = [await _queue(engines, name) for name in held]
        names = [loaded.topology.dead_letter_queue(key) for key in loaded.topology.queues]
        letters = sum([(await _queue(engines, name))["messages"] or 0 for name in names if name])
        return {"queues": queues, "recordings": await _counts(engines), "dead_letters": letters}


async def _queue(engines: Engines, name: str) -> dict[str, Any]:
    try:
        depth = await engines.broker.depth(name)
    except NoSuchQueue:
        return {"name": name, "declared": False, "messages": None, "consumers": None}
    return {"name": name, "declared": True, "messages": depth.messages, "consumers": depth.consumers}


async def _counts(engines: Engines) -> dict[str, int]:
    counts: Counter[Status] = Counter()
    offset, total = 0, 1
    while offset < total:
        documents, total = await engines.state.documents.page("recording", offset=offset, limit=_PAGE)
        events = await engines.state.progress.snapshots([document["id"] for document in documents])
        counts.update(event.status for event in events if event is not None)
        offset += _PAGE
    return {status.value: counts[status] for status in Status if counts[status]}
