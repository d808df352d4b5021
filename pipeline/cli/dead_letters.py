"""`pipeline dlq list|show|replay`: dead letters, on RabbitMQ or in the pipeline that runs on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from pipeline.app.engines import rabbitmq
from pipeline.app.loading import Loaded, load
from pipeline.broker.port import Broker
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.cli.running import RunningPipeline
from pipeline.dlq.inspect import peek
from pipeline.dlq.letters_json import depths_to_json, letters_to_json, replayed_to_json
from pipeline.dlq.queues import depths, find_queue
from pipeline.dlq.replay import replay
from pipeline.errors import ExitCode

letters_app = typer.Typer(help="Dead letters: look at them, and send them back.", no_args_is_help=True)

# What the API replays at once.
_MOST = 1000


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(letters_app, name="dlq")


Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue, or its dead-letter queue.")]


@letters_app.command("list")
def list_command(context: typer.Context, output: OutputOption = Output.TEXT) -> int:
    """How many dead letters wait in each queue."""
    found = asyncio.run(_list(load(context.obj)))
    if output is Output.JSON:
        print_json(found)
        return ExitCode.DONE
    waiting = [row for row in found["items"] if row["messages"] != 0]
    for row in waiting:
        count = "not declared" if row["messages"] is None else row["messages"]
        stdout.print(f"{count:>6}  {row['name']}", markup=False)
    if not waiting:
        stdout.print("No dead letters.")
    return ExitCode.DONE


@letters_app.command("show")
def show_command(
    context: typer.Context,
    queue: Queue,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The oldest N.")] = 20,
    output: OutputOption = Output.TEXT,
) -> int:
    """The dead letters of a queue, oldest first, with their reasons. The queue is left as it was."""
    found = asyncio.run(_show(load(context.obj), queue, limit))
    if output is Output.JSON:
        print_json(found)
    else:
        stdout.print("\n".join(map(_lines, found["items"])) or "No dead letters.", markup=False)
    return ExitCode.DONE


@letters_app.command("replay")
def replay_command(
    context: typer.Context,
    queue: Queue,
    message_id: Annotated[list[str] | None, typer.Option("--id", help="Only these messages.")] = None,
    error_code: Annotated[str | None, typer.Option("--error-code", help="Only those with this code.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most N, oldest first.")] = None,
    output: OutputOption = Output.TEXT,
) -> int:
    """Send dead letters back to the queue they died in. Exits 3 if some could not be sent."""
    result = asyncio.run(_replay(load(context.obj), queue, message_id, error_code, limit))
    if output is Output.JSON:
        print_json(result)
    else:
        stdout.print(f"{result['replayed']} replayed, {result['kept']} kept, {len(result['failed'])} failed.")
        for failure in result["failed"]:
            stdout.print(f"  {failure['message_id']}: {failure['error']}", style="red", markup=False)
        for missing in result["not_found"]:
            stdout.print(f"  no dead letter has the id {missing}", style="yellow", markup=False)
    return ExitCode.PARTLY_DONE if result["failed"] or result["not_found"] else ExitCode.DONE


@asynccontextmanager
async def _broker(loaded: Loaded) -> AsyncIterator[Broker]:
    broker = rabbitmq(loaded.settings)
    await broker.connect()
    try:
        yield broker
    finally:
        await broker.close()


async def _list(loaded: Loaded) -> dict[str, Any]:
    if loaded.settings.without_broker:
        async with RunningPipeline(loaded.settings) as running:
            return await running.get("/v1/dlq")
    async with _broker(loaded) as broker:
        return depths_to_json(await depths(broker, loaded.topology))


async def _show(loaded: Loaded, name: str, limit: int) -> dict[str, Any]:
    queue = find_queue(loaded.topology, name)
    if loaded.settings.without_broker:
        async with RunningPipeline(loaded.settings) as running:
            return await running.get(f"/v1/dlq/{queue.name}", limit=limit)
    async with _broker(loaded) as broker:
        return letters_to_json(queue, await peek(broker, queue, limit))


async def _replay(
    loaded: Loaded, name: str, message_ids: Sequence[str] | None, error_code: str | None, limit: int | None
) -> dict[str, Any]:
    queue = find_queue(loaded.topology, name)
    if loaded.settings.without_broker:
        wanted = {"message_ids": message_ids or None, "error_code": error_code, "limit": limit or _MOST}
        async with RunningPipeline(loaded.settings) as running:
            return await running.post(f"/v1/dlq/{queue.name}/replay", wanted)
    async with _broker(loaded) as broker:
        found = await replay(broker, queue, message_ids=message_ids or None, error_code=error_code, limit=limit)
    return replayed_to_json(found)


def _lines(letter: Mapping[str, Any]) -> str:
    """Two lines: which message died when and where, and why."""
    when = (letter["failed_at"] or "")[:19].replace("T", " ")
    tried = f"stage {letter['stage']}, attempt {letter['attempts']}" if letter["stage"] else "by the broker"
    head = "  ".join(part for part in (when, letter["message"], letter["message_id"] or "", tried) if part)
    return f"{head}\n    {letter['error_code']}: {letter['error_message']}"
