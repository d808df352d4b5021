"""`pipeline dlq replay|edit|purge`: what is done with dead letters. Each is recorded: see `pipeline dlq audit`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.app.loading import Loaded, load
from pipeline.cli.console import Output, OutputOption, print_error, print_json, stdout
from pipeline.cli.editor import edited_text
from pipeline.cli.letter_access import Save, asked, letters_of
from pipeline.cli.letter_options import (
    ErrorClass,
    ErrorCode,
    Ids,
    Limit,
    MessageName,
    NewerThan,
    OlderThan,
    Queue,
    Rate,
    Stage,
    Yes,
    selection,
)
from pipeline.dlq.body_fields import compact, pretty, with_field
from pipeline.dlq.edit import digest
from pipeline.dlq.queues import DeadLetterQueue, find_queue
from pipeline.errors import ExitCode, PipelineError

_SHOWN_FAILURES = 20
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("replay")(replay_command)
    app.command("edit")(edit_command)
    app.command("purge")(purge_command)


def replay_command(
    context: typer.Context,
    queue: Queue,
    ids: Ids = None,
    error_class: ErrorClass = None,
    error_code: ErrorCode = None,
    stage: Stage = None,
    message: MessageName = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    limit: Limit = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    validate: Annotated[
        bool, typer.Option("--validate/--no-validate", help="Keep those that their stage would refuse again.")
    ] = True,
    output: OutputOption = Output.TEXT,
) -> int:
    """Send dead letters back to the queue they died in, all that match or all there are.

    Before that each is validated as its stage would; what would be refused again stays, with the reason.
    Exits 3 if some stayed for that, could not be sent, or were not found.
    """
    loaded = load(context.obj)
    where = find_queue(loaded.topology, queue)
    chosen = selection(ids, error_class, error_code, stage, message, older_than, newer_than, limit)
    result = asked(
        loaded, lambda letters: letters.replay(where, chosen, rate_per_s=rate, dry_run=dry_run, validate=validate)
    )
    if output is Output.JSON:
        print_json(result)
    else:
        _print_replayed(result)
    partly = result["refused"] or result["failed"] or result["not_found"]
    return ExitCode.PARTLY_DONE if partly else ExitCode.DONE


def _print_replayed(result: dict[str, Any]) -> None:
    would = "would be " if result["dry_run"] else ""
    counts = [f"{result['replayed']} {would}replayed", f"{result['kept']} kept"]
    if result["refused"]:
        counts.append(f"{len(result['refused'])} would fail again")
    counts += [f"{len(result['failed'])} failed"] if not result["dry_run"] else []
    counts += [f"{result['unread']} not read"] if result["unread"] else []
    stdout.print(f"{', '.join(counts)}.")
    for kind, style in (("refused", "yellow"), ("failed", "red")):
        for each in result[kind][:_SHOWN_FAILURES]:
            stdout.print(f"  {each['message_id']}: {each['error']}", style=style, markup=False)
        if len(result[kind]) > _SHOWN_FAILURES:
            stdout.print(f"  and {len(result[kind]) - _SHOWN_FAILURES} more; all with --output json", style=style)
    _print_missing(result["not_found"])


def _print_missing(ids: Sequence[str]) -> None:
    for missing in ids:
        stdout.print(f"  no dead letter has the id {missing}", style="yellow", markup=False)


def purge_command(
    context: typer.Context,
    queue: Queue,
    ids: Ids = None,
    error_class: ErrorClass = None,
    error_code: ErrorCode = None,
    stage: Stage = None,
    message: MessageName = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    limit: Limit = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Keep them there first, in JSON lines. It must not be there."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: OutputOption = Output.TEXT,
) -> int:
    """Take dead letters away for good, all that match or all there are. Asks first. Exits 3 if some were not found."""
    loaded = load(context.obj)
    where = find_queue(loaded.topology, queue)
    chosen = selection(ids, error_class, error_code, stage, message, older_than, newer_than, limit)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise typer.BadParameter("purging asks first, and here nobody answers", param_hint="--yes")
    counted: dict[str, Any] | None = None
    if dry_run or not yes:
        counted = asked(loaded, lambda letters: letters.purge(where, chosen, dry_run=True, save=None))
    if counted is None or (not dry_run and counted["purged"]):
        if counted is not None:
            typer.confirm(f"Purge {counted['purged']} dead letters of {where.name} for good?", abort=True, err=True)
            chosen = replace(chosen, limit=counted["purged"])
        with _kept_in(save) as keep:
            result = asked(loaded, lambda letters: letters.purge(where, chosen, dry_run=False, save=keep))
    else:
        result = counted | {"dry_run": dry_run}
    if output is Output.JSON:
        print_json(result)
    else:
        would = "would be " if result["dry_run"] else ""
        stdout.print(f"{result['purged']} {would}purged, {result['kept']} kept.")
        _print_missing(result["not_found"])
    return ExitCode.PARTLY_DONE if result["not_found"] else ExitCode.DONE


@contextmanager
def _kept_in(file: Path | None) -> Iterator[Save | None]:
    """Writes batches to the file and waits until they are on disk. Raises PipelineError."""
    if file is None:
        yield None
        return
    try:
        # Bodies may be anybody's: nobody else is to read them.
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise PipelineError(
            f"The file can't be made: {error.strerror}", where=str(file), fix="Nothing was purged"
        ) from error
    with os.fdopen(opened, "w", encoding="utf-8") as lines:

        def keep(rows: Sequence[dict[str, Any]]) -> None:
            try:
                lines.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
                lines.flush()
                os.fsync(lines.fileno())
            except OSError as error:
                raise PipelineError(
                    f"The file can't be written: {error.strerror}",
                    where=str(file),
                    fix="What is not in it is not purged",
                ) from error

        yield keep


def edit_command(
    context: typer.Context,
    queue: Queue,
    message_id: Annotated[str, typer.Option("--id", metavar="ID", help="Which one: its message id.")],
    body: Annotated[
        str | None, typer.Option("--body", metavar="FILE", help="The whole new body; - reads standard input.")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="One field, as tracks.0.title=Intro; the value may be JSON."),
    ] = None,
    dry_run: DryRun = False,
    output: OutputOption = Output.TEXT,
) -> int:
    """Correct a dead letter's body and send it back, under the same message id: in $EDITOR, or by --body or --set.

    It is validated as its stage would; while that fails nothing is changed.
    """
    if body is not None and fields:
        raise typer.BadParameter("--body is all of it already", param_hint="--set")
    settings = [_setting(each) for each in fields or ()]
    loaded = load(context.obj)
    where = find_queue(loaded.topology, queue)
    old = asyncio.run(_body(loaded, where, message_id))
    if body is not None:
        new = sys.stdin.buffer.read() if body == "-" else _read(Path(body))
    elif settings:
        new = _with_fields(old, settings)
    else:
        new = compact(edited_text(_shown(old), "body.json"))
    while True:
        try:
            result = asked(
                loaded,
                lambda letters: letters.edit(where, message_id, new, expected=digest(old), dry_run=dry_run),  # noqa: B023
            )
            break
        except PipelineError as refused:
            if body is not None or settings or refused.exit_code != ExitCode.ERROR or not sys.stdin.isatty():
                raise
            print_error(refused)
            typer.confirm("Edit again?", default=True, abort=True, err=True)
            new = compact(edited_text(_shown(new), "body.json"))
    if output is Output.JSON:
        print_json(result)
    elif not result["fields"]:
        stdout.print("Nothing was changed.")
    else:
        done = "edited and replayed" if result["edited"] else "would be edited and replayed"
        stdout.print(f"{message_id} {done}: {', '.join(result['fields'])}", markup=False)
    return ExitCode.DONE


async def _body(loaded: Loaded, where: DeadLetterQueue, message_id: str) -> bytes:
    async with letters_of(loaded) as letters:
        return await letters.body(where, message_id)


def _shown(body: bytes) -> str:
    try:
        return pretty(body)
    except UnicodeDecodeError:
        raise PipelineError("The body is not text", fix="Give all of it by --body") from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PipelineError(f"The body can't be read: {error.strerror}", where=str(file)) from error


def _setting(given: str) -> tuple[str, str]:
    path, equals, value = given.partition("=")
    if not (path and equals):
        raise typer.BadParameter(f"{given!r} is not PATH=VALUE", param_hint="--set")
    return path, value


def _with_fields(body: bytes, settings: Sequence[tuple[str, str]]) -> bytes:
    try:
        for path, value in settings:
            body = with_field(body, path, value)
    except ValueError as error:
        raise PipelineError(str(error), fix="`pipeline dlq show --bodies` shows it") from None
    return body
