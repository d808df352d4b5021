"""`pipeline run`, `api`, `watch`, `up`: what goes on until it is told to stop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from pipeline.app.engines import require_servers
from pipeline.app.loading import Loaded, load
from pipeline.app.serve import Part, Serving, serve
from pipeline.app.supervising import supervise, supervised
from pipeline.cli.console import stderr, stdout
from pipeline.cli.progress_table import ProgressTable
from pipeline.errors import PipelineError
from pipeline.telemetry import configure_logging

Folders = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders to watch, with all below them.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("run")(run_command)
    app.command("api")(api_command)
    app.command("watch")(watch_command)
    app.command("up")(up_command)


def run_command(
    context: typer.Context,
    stage: Annotated[list[str] | None, typer.Option("--stage", "-s", help="Only these stages.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="As many processes, started again when they end.")
    ] = None,
    ready_within: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="With --workers: for a new worker to begin, on SIGHUP.")
    ] = 60.0,
    lifeline: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> int:
    """Run the stages on RabbitMQ and Redis until SIGTERM, which drains.

    SIGHUP takes a changed topology over. With --workers it replaces the workers one after the other, code and all.
    Folders are watched by `pipeline watch`, once, however many workers there are.
    """
    loaded = _start(context.obj, "run")
    unknown = sorted(set(stage or ()) - set(loaded.topology.stages))
    if unknown:
        known = ", ".join(loaded.topology.stages)
        raise PipelineError(f"The topology has no stage {unknown[0]!r}", fix=f"It has: {known}")
    if workers is not None:
        return uvloop.run(supervise(loaded, workers, stage or (), begins_within_s=ready_within))
    beside = None if lifeline is None else supervised(lifeline)
    return uvloop.run(serve(loaded, {Part.WORKER}, stages=stage, beside=beside))


def api_command(context: typer.Context) -> int:
    """Serve the dashboard, HTTP and the WebSocket on API_HOST and API_PORT."""
    return uvloop.run(serve(_start(context.obj, "api"), {Part.API}))


def watch_command(
    context: typer.Context,
    folders: Folders,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N files that are there only.")] = None,
) -> int:
    """Watch folders and publish what happens to their audio files."""
    loaded = _start(context.obj, "watch")
    return uvloop.run(serve(loaded, {Part.SOURCES}, folders=existing(folders), limit=limit))


def up_command(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR...]", help="Folders to watch, if the topology has a source.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N files that are there only.")] = None,
    until_done: Annotated[bool, typer.Option(help="End when every file has reached a terminal state.")] = False,
    hint: Annotated[list[str] | None, typer.Option(hidden=True, help="A line to print after the results.")] = None,
) -> int:
    """Watch, work and serve in one process: on RabbitMQ and Redis if they are set, else on the embedded engines."""
    loaded = _start(context.obj)
    paths = existing(folders or [])
    if loaded.topology.sources and not paths:
        raise PipelineError("No folder to watch is named", fix="Name at least one: `pipeline up DIR`")
    if not loaded.topology.sources and (paths or until_done or limit):
        raise PipelineError(
            "The topology has no source that would watch a folder", fix="Declare it in `sources`, or name none"
        )

    async def show(serving: Serving) -> None:
        stdout.print(f"dashboard: {serving.address}", style="bold", markup=False)
        if loaded.settings.embedded:
            stderr.print("embedded engines: one process; results are kept, messages in flight are not", style="dim")
        if not paths:
            stdout.print("Ctrl-C ends.", style="dim")
            await serving.stopping.wait()
            return
        with ProgressTable(serving.state, paths, stdout, live=True) as table:
            following = asyncio.create_task(table.follow())
            try:
                await serving.settled()
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        stdout.print(await table.results())
        for line in hint or ():
            stdout.print(line, markup=False)
        if until_done:
            serving.stop()
        else:
            stdout.print("Watching. Ctrl-C ends.", style="dim")
            await ProgressTable(serving.state, paths, stdout, live=False).follow()

    parts = {Part.WORKER, Part.API, Part.SOURCES}
    return uvloop.run(serve(loaded, parts, folders=paths, limit=limit, beside=show))


def _start(file: Path | None, command: str | None = None) -> Loaded:
    loaded = load(file)
    configure_logging(loaded.settings.pipeline_log_level)
    if command:
        require_servers(loaded.settings, command)
    return loaded


def existing(folders: list[Path]) -> list[Path]:
    """Absolute paths. Raises PipelineError if one is no folder."""
    for folder in folders:
        if not folder.is_dir():
            raise PipelineError(f"{folder} is not a folder", fix="Name a folder that exists")
    return [folder.resolve() for folder in folders]
