"""`pipeline publish` and `status`: put a message in, see where things stand."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.table import Table
from rich.text import Text

from pipeline.app.engines import Engines, make_engines
from pipeline.app.loading import Loaded, load
from pipeline.app.parts import make_publisher
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.cli.running import RunningPipeline
from pipeline.errors import BrokerError, ExitCode, NoSuchQueue, Permanent, PipelineError, StateUnavailable
from pipeline.state.port import Status

_PAGE = 500


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("publish")(publish_command)
    app.command("status")(status_command)


def publish_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The message's name, such as analysis.request.")],
    body: Annotated[str, typer.Argument(metavar="JSON", help="Its body; - reads standard input.")],
    output: OutputOption = Output.TEXT,
) -> int:
    """Validate a message and publish it, confirmed, where the topology says."""
    loaded = load(context.obj)
    if name not in loaded.topology.messages:
        near = get_close_matches(name, loaded.topology.messages, n=1)
        fix = f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(loaded.topology.messages)}"
        raise PipelineError(f"No message is called {name!r}", fix=fix)
    content = sys.stdin.buffer.read() if body == "-" else body.encode()
    message_id = asyncio.run(_publish(loaded, name, content))
    if output is Output.JSON:
        print_json({"message": name, "message_id": message_id})
    else:
        stdout.print(f"{name} published, message id {message_id}", markup=False)
    return ExitCode.DONE


def status_command(context: typer.Context, output: OutputOption = Output.TEXT) -> int:
    """What waits in the queues, who consumes them, and how far the recordings are."""
    status = asyncio.run(_status(load(context.obj)))
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


@asynccontextmanager
async def _connected(loaded: Loaded) -> AsyncIterator[Engines]:
    engines = make_engines(loaded.settings, loaded.topology, loaded.definitions)
    try:
        await engines.state.connect()
        await engines.broker.connect()
        yield engines
    finally:
        await engines.broker.close()
        await engines.state.close()


async def _publish(loaded: Loaded, name: str, content: bytes) -> str:
    if loaded.settings.embedded:
        async with RunningPipeline(loaded.settings) as running:
            answer = await running.post_bytes(f"/v1/messages/{name}", content)
            return str(answer["message_id"])
    async with _connected(loaded) as engines:
        publisher, contracts = make_publisher(loaded, engines)
        message_id = str(uuid4())
        try:
            await publisher.publish(name, contracts[name].decode(content), message_id=message_id)
        except Permanent as refused:
            raise PipelineError(refused.reason, fix="See the message's model for its fields") from None
        except (BrokerError, StateUnavailable) as error:
            raise PipelineError(f"{name} was not published: {error}", fix="Is `pipeline apply` done?") from error
        return message_id


async def _status(loaded: Loaded) -> dict[str, Any]:
    if loaded.settings.embedded:
        async with RunningPipeline(loaded.settings) as running:
            queues = (await running.get("/v1/queues"))["items"]
            counts = (await running.get("/v1/recordings", limit=0))["counts"]
            letters = (await running.get("/v1/dlq"))["total"]
        return {"queues": queues, "recordings": counts, "dead_letters": letters}
    async with _connected(loaded) as engines:
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
