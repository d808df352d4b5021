"""`pipeline dlq list|show|group|audit`: what there is. What is done with it is in `letter_changes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipeline.app.loading import load
from pipeline.cli import letter_changes
from pipeline.cli.console import Output, OutputOption, print_json, stdout
from pipeline.cli.letter_access import asked
from pipeline.cli.letter_options import (
    ErrorClass,
    ErrorCode,
    Ids,
    Limit,
    MessageName,
    NewerThan,
    OlderThan,
    Queue,
    Stage,
    selection,
)
from pipeline.dlq.body_fields import pretty
from pipeline.dlq.queues import find_queue
from pipeline.errors import ExitCode

letters_app = typer.Typer(help="Dead letters: look at them, correct them, send them back.", no_args_is_help=True)
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands of this module, and those that change something."""
    app.add_typer(letters_app, name="dlq")


@letters_app.command("list")
def list_command(context: typer.Context, output: OutputOption = Output.TEXT) -> int:
    """How many dead letters wait in each queue."""
    found = asked(load(context.obj), lambda letters: letters.depths())
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
    ids: Ids = None,
    error_class: ErrorClass = None,
    error_code: ErrorCode = None,
    stage: Stage = None,
    message: MessageName = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, metavar="N", help="At most N, the oldest.")
    ] = _SHOWN,
    bodies: Annotated[bool, typer.Option("--bodies", help="With what is in them.")] = False,
    output: OutputOption = Output.TEXT,
) -> int:
    """The dead letters of a queue, oldest first, with their reasons. The queue is left as it was."""
    loaded = load(context.obj)
    where = find_queue(loaded.topology, queue)
    chosen = selection(ids, error_class, error_code, stage, message, older_than, newer_than, limit)
    found = asked(loaded, lambda letters: letters.show(where, chosen, bodies=bodies))
    if output is Output.JSON:
        print_json(found)
    else:
        stdout.print("\n".join(map(_lines, found["items"])) or "No dead letters.", markup=False)
    return ExitCode.DONE


@letters_app.command("group")
def group_command(
    context: typer.Context,
    queue: Annotated[str | None, typer.Argument(metavar="[QUEUE]", help="The queue; all of them without.")] = None,
    ids: Ids = None,
    error_class: ErrorClass = None,
    error_code: ErrorCode = None,
    stage: Stage = None,
    message: MessageName = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    limit: Limit = None,
    output: OutputOption = Output.TEXT,
) -> int:
    """What they died of: how many by error code, class and stage, most first, each with one id as an example."""
    loaded = load(context.obj)
    where = None if queue is None else find_queue(loaded.topology, queue)
    chosen = selection(ids, error_class, error_code, stage, message, older_than, newer_than, limit)
    found = asked(loaded, lambda letters: letters.groups(where, chosen))
    if output is Output.JSON:
        print_json(found)
    elif not found["items"]:
        stdout.print("No dead letters.")
    else:
        stdout.print(_table(found["items"]))
    return ExitCode.DONE


@letters_app.command("audit")
def audit_command(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, metavar="N", help="The latest N.")] = _SHOWN,
    output: OutputOption = Output.TEXT,
) -> int:
    """Who replayed, edited and purged what, newest first. It is kept on the broker: 10,000 records, for 90 days."""
    found = asked(load(context.obj), lambda letters: letters.trail(limit))
    if output is Output.JSON:
        print_json(found)
    else:
        stdout.print("\n".join(map(_told, found["items"])) or "Nothing was done with dead letters.", markup=False)
    return ExitCode.DONE


def _lines(letter: Mapping[str, Any]) -> str:
    """Two lines: which message died when and where, and why; then its body if it was asked for."""
    tried = f"stage {letter['stage']}, attempt {letter['attempts']}" if letter["stage"] else "by the broker"
    parts = (_time(letter["failed_at"]), letter["message"], letter["message_id"] or "", tried)
    lines = ["  ".join(filter(None, parts)), f"    {letter['error_code']}: {letter['error_message']}"]
    if "body" in letter:
        body = pretty(letter["body"].encode()).rstrip("\n")
        lines += [f"    {_printable(line)}" for line in body.split("\n")]
    elif "body_base64" in letter:
        lines.append(f"    base64: {letter['body_base64']}")
    return "\n".join(lines)


def _table(groups: list[dict[str, Any]]) -> Table:
    table = Table(header_style="bold", box=None)
    for heading in ("Letters", "Queue", "Error code", "Class", "Stage", "Oldest", "Newest", "Example"):
        table.add_column(heading, justify="right" if heading == "Letters" else "left", overflow="fold")
    for each in groups:
        texts = (each["origin"], each["error_code"], each["error_class"], each["stage"])
        times = (_time(each["oldest"]), _time(each["newest"]))
        table.add_row(str(each["count"]), *map(Text, (*texts, *times, each["example_id"] or "")))
    return table


def _told(record: Mapping[str, Any]) -> str:
    """One line: when, who, what, of which queue, how many and how chosen; then their ids."""
    who = record["who"]
    chosen = " ".join(f"{name}={value}" for name, value in record["selection"].items())
    fields = f"fields {', '.join(record['fields'])}" if record["fields"] else ""
    what = f"{record['action']} {record['count']} of {record['queue']}"
    head = "  ".join(filter(None, (_time(record["at"]), f"{who['name']}@{who['address']} ({who['via']})", what)))
    more = "  ".join(filter(None, (chosen, fields)))
    ids = record["message_ids"]
    listed = " ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
    return "\n".join([f"{head}  {more}".rstrip(), *([f"    {listed}"] if listed else [])])


def _time(moment: str | None) -> str:
    return (moment or "")[:19].replace("T", " ")


def _printable(line: str) -> str:
    return "".join(each if each.isprintable() or each == "\t" else "\N{REPLACEMENT CHARACTER}" for each in line)


letter_changes.add_to(letters_app)
