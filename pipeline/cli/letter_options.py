"""The options that say which dead letters are meant: the same for every command."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import typer

from pipeline.dlq.pace import parse_rate
from pipeline.dlq.selection import Selection
from pipeline.topology.values import parse_duration

T = TypeVar("T")

Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue, or its dead-letter queue.")]
Ids = Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="Those with this message id; repeatable.")]
ErrorClass = Annotated[str | None, typer.Option("--error-class", metavar="NAME", help="Those with this error class.")]
ErrorCode = Annotated[str | None, typer.Option("--error-code", metavar="CODE", help="Those with this error code.")]
Stage = Annotated[str | None, typer.Option("--stage", metavar="NAME", help="Those that this stage gave up.")]
MessageName = Annotated[str | None, typer.Option("--message", metavar="NAME", help="Those of this message.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most N, the oldest.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _parsed(parse: Callable[[str], T]) -> Callable[[str], T]:
    def parser(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parser


def _option(parse: Callable[[str], Any], flag: str, metavar: str, help: str) -> Any:
    return typer.Option(flag, parser=_parsed(parse), metavar=metavar, help=help)


OlderThan = Annotated[
    timedelta | None, _option(parse_duration, "--older-than", "DURATION", "Those that died longer ago: 2h, 1d12h.")
]
NewerThan = Annotated[
    timedelta | None, _option(parse_duration, "--newer-than", "DURATION", "Those that died since: 10m.")
]
Rate = Annotated[float | None, _option(parse_rate, "--rate", "N/s", "At most so many a second: 50/s, 30/m.")]


def selection(
    ids: list[str] | None,
    error_class: str | None,
    error_code: str | None,
    stage: str | None,
    message: str | None,
    older_than: timedelta | None,
    newer_than: timedelta | None,
    limit: int | None,
) -> Selection:
    """What the options say together."""
    return Selection(
        message_ids=tuple(ids) if ids else None,
        error_class=error_class,
        error_code=error_code,
        stage=stage,
        message=message,
        older_than=older_than,
        newer_than=newer_than,
        limit=limit,
    )
