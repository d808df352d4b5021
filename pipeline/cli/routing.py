"""`pipeline route`, `pipeline test`: what would happen to a message, by the file alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from pipeline.app.loading import load
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.errors import ExitCode, PipelineError
from pipeline.runtime.rehearsal import Rehearsed, rehearse
from pipeline.topology.journey import Consumer, Journey, Stop, journey_of
from pipeline.topology.model import Topology
from pipeline.topology.shape import suggest
from pipeline.topology.values import format_duration


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("route")(route_command)
    app.command("test")(rehearse_command)


def route_command(
    context: typer.Context,
    exchange: Annotated[str, typer.Argument(help="Its key in the file, or its name on the broker; '' is the default.")],
    routing_key: str,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="NAME=VALUE", help="For headers exchanges; repeatable."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> int:
    """Show where a message would go: queues, stages, retries and their times, dead letters. Needs no broker."""
    topology = load(context.obj).topology
    try:
        journey = journey_of(topology, exchange, routing_key, dict(map(_header, header or [])))
    except KeyError:
        raise PipelineError(
            f'No exchange is called "{exchange}"',
            where="exchanges",
            fix=suggest(exchange, topology.exchanges) or f"There are: {', '.join(topology.exchanges)}",
        ) from None
    if output is Output.JSON:
        print_json(_to_json(journey))
    else:
        for line in _lines(journey):
            stdout.print(line)
    return ExitCode.DONE


def rehearse_command(context: typer.Context, output: OutputOption = Output.TEXT) -> int:
    """Play the file's own `tests:` through, in virtual time. Exits 1 if one does not hold. Needs no broker."""
    topology = load(context.obj).topology
    results = asyncio.run(_rehearse(topology))
    failed = [result for result in results if result.problems]
    if output is Output.JSON:
        print_json([_result_to_json(result) for result in results])
    else:
        for result in results:
            stdout.print(_result(result))
        stdout.print(f"{len(results)} tests, {len(failed)} failed." if results else "The file has no `tests:`.")
    return ExitCode.ERROR if failed else ExitCode.DONE


async def _rehearse(topology: Topology) -> list[Rehearsed]:
    return [await rehearse(topology, test) for test in topology.tests]


def _result(result: Rehearsed) -> Text:
    publish = result.test.publish
    mark = ("✗ ", "bold red") if result.problems else ("✓ ", "bold green")
    text = Text.assemble(mark, f"{publish.exchange or '(default exchange)'} {publish.routing_key}")
    if result.problems:
        return text.append("".join(f"\n    {problem}" for problem in result.problems), style="red")
    text.append(f" → {', '.join(result.reached) or 'nothing'}", style="cyan")
    for queue, when in (result.ended or {}).items():
        text.append(f"\n    {result.test.when}: in {queue} at {format_duration(when)}", style="dim")
    return text


def _result_to_json(result: Rehearsed) -> dict[str, Any]:
    return {
        "publish": result.test.publish.model_dump(mode="json"),
        "holds": not result.problems,
        "problems": list(result.problems),
        "reached": list(result.reached),
        "ended_ms": None
        if result.ended is None
        else {queue: round(when.total_seconds() * 1000) for queue, when in result.ended.items()},
    }


def _header(given: str) -> tuple[str, Any]:
    name, separator, value = given.partition("=")
    if not separator or not name:
        raise typer.BadParameter(f"{given!r} is not NAME=VALUE", param_hint="--header")
    if value in ("true", "false"):
        return name, value == "true"
    return name, int(value) if value.removeprefix("-").isdecimal() else value


def _lines(journey: Journey) -> Iterator[Text]:
    """A tree: the queues, and under each what happens there."""
    yield Text.assemble((journey.exchange or "(default exchange)", "bold"), f"  {journey.routing_key}")
    if not journey.stops:
        yield Text("└── reaches no queue: published as mandatory, it comes back to its publisher", style="red")
    yield from _branches(journey.stops, journey.message, "")


def _branches(stops: Sequence[Stop], message: str, indent: str) -> Iterator[Text]:
    for number, stop in enumerate(stops, 1):
        corner, below = ("└── ", "    ") if number == len(stops) else ("├── ", "│   ")
        keys = ", ".join(filter(None, stop.bindings))
        yield Text.assemble(indent, corner, (stop.queue, "bold cyan"), (f"  by {keys}" if keys else "", "dim"))
        onward = [letter for letter in stop.dead_letters if letter.consumer is not None or letter.dead_letters]
        told = _told(stop, message)
        for line_number, line in enumerate(told, 1):
            last = line_number == len(told) and not onward
            yield Text.assemble(indent, below, "└── " if last else "├── ", line)
        yield from _branches(onward, message, indent + below)


def _told(stop: Stop, message: str) -> list[str]:
    ends = " and ".join(letter.queue for letter in stop.dead_letters) or "nowhere: it is dropped"
    lines = []
    if stop.external:
        lines.append("consumed outside this pipeline")
    elif stop.consumer is None:
        lines.append("consumed by nothing")
    else:
        lines += _told_of(stop.consumer, message, ends)
    if stop.ttl is not None:
        lines.append(f"expires after {format_duration(stop.ttl)}, then in {ends}")
    return lines


def _told_of(consumer: Consumer, message: str, ends: str) -> list[str]:
    if not consumer.takes:
        return [f"stage {consumer.stage} takes no {message}: at once in {ends}"]
    gives = f", which may emit {', '.join(consumer.emits)}" if consumer.emits else ""
    lines = [f"stage {consumer.stage} takes {message}{gives}"]
    if consumer.waits:
        waits = ", ".join(map(format_duration, consumer.waits))
        after = format_duration(consumer.given_up_after)
        lines.append(f"tried again after {waits}")
        lines.append(f"after {consumer.attempts} failed attempts, at {after}, in {ends}")
    else:
        lines.append(f"after a failed attempt in {ends}")
    return lines


def _to_json(journey: Journey) -> dict[str, Any]:
    return {
        "exchange": journey.exchange,
        "routing_key": journey.routing_key,
        "message": journey.message,
        "queues": [_stop_to_json(stop) for stop in journey.stops],
    }


def _stop_to_json(stop: Stop) -> dict[str, Any]:
    consumer = stop.consumer
    return {
        "queue": stop.queue,
        "bindings": list(stop.bindings),
        "external": stop.external,
        "ttl_ms": None if stop.ttl is None else round(stop.ttl.total_seconds() * 1000),
        "stage": None
        if consumer is None
        else {
            "name": consumer.stage,
            "takes": consumer.takes,
            "emits": list(consumer.emits),
            "attempts": consumer.attempts,
            "waits_ms": [round(wait.total_seconds() * 1000) for wait in consumer.waits],
            "given_up_after_ms": round(consumer.given_up_after.total_seconds() * 1000),
        },
        "dead_letters": [_stop_to_json(each) for each in stop.dead_letters],
    }
