"""What `/v1/dlq` takes and answers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from api.http.submissions import WHOLE, Wish
from api.problems import Reason
from pipeline.dlq.selection import Selection
from pipeline.dlq.trail import Record
from pipeline.topology.values import parse_duration

MOST_AT_ONCE = 1000
_MOST_SHOWN = 500

_DURATION = r"^([0-9]{1,6}(ms|s|m|h|d)){1,5}$"


def _duration(value: object) -> object:
    if value is None or isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.match(_DURATION, value) or value.endswith("\n"):
        raise ValueError("is not a duration; write whole numbers with their units: 500ms, 30s, 2m, 24h, 7d")
    return parse_duration(value)


MessageId = Annotated[str, Field(min_length=1, max_length=255)]
_Name = Annotated[str, Field(min_length=1, max_length=500)]
_Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["2h", "1d12h"]}),
]


class LetterFilter(BaseModel):
    """Which dead letters are meant: those that match all that is given."""

    message_ids: list[MessageId] | None = Field(default=None, min_length=1, max_length=MOST_AT_ONCE)
    error_class: _Name | None = None
    error_code: _Name | None = None
    stage: _Name | None = Field(default=None, description="The stage that gave them up")
    message: _Name | None = Field(default=None, description="The message's name")
    older_than: _Duration | None = Field(default=None, description="They died longer ago than that")
    newer_than: _Duration | None = Field(default=None, description="They died since then")

    def selection(self, limit: int | None) -> Selection:
        """The oldest of them."""
        return Selection(
            message_ids=self.message_ids,
            error_class=self.error_class,
            error_code=self.error_code,
            stage=self.stage,
            message=self.message,
            older_than=self.older_than,
            newer_than=self.newer_than,
            limit=limit,
        )


class _QueryFilter(LetterFilter):
    """In a query, one value is a list as well, and there is no null."""

    message_ids: list[MessageId] | SkipJsonSchema[None] = Field(default=None, min_length=1, max_length=MOST_AT_ONCE)


class GroupQuery(_QueryFilter):
    """All that match."""

    limit: int | None = Field(default=None, ge=1, le=1_000_000, description="Count at most so many, the oldest")


class LetterQuery(_QueryFilter):
    """The oldest that match."""

    limit: int = Field(default=100, ge=1, le=_MOST_SHOWN)
    bodies: bool = Field(default=False, description="With what is in them")


class ExportQuery(_QueryFilter):
    """The oldest that match."""

    limit: int = Field(default=MOST_AT_ONCE, ge=1, le=MOST_AT_ONCE)


_SOMETHING: list[JsonValue] = [
    {"required": [name], "properties": {name: {"type": kind}}}
    for name, kind in (
        ("message_ids", "array"),
        *((name, "string") for name in ("error_class", "error_code", "stage", "message", "older_than", "newer_than")),
        ("limit", "integer"),
    )
]


class LetterWish(LetterFilter, Wish):
    """Which dead letters are meant: those that match all that is given, and something has to be."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _SOMETHING})

    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE), WHOLE] | None = Field(
        default=None, description=f"At most so many, the oldest; {MOST_AT_ONCE} in any case"
    )
    dry_run: bool = Field(default=False, description="Only say what would be done")

    def chosen(self) -> Selection | None:
        """None where nothing is given."""
        if self.selection(self.limit).is_everything:
            return None
        return self.selection(self.limit or MOST_AT_ONCE)


class ReplayRequest(LetterWish):
    """What to send back to the queue it died in. A request takes 20 seconds at most: `unread` says what is left."""

    check: bool = Field(
        default=True, alias="validate", description="Keep those that their stage would refuse again, with the reason"
    )
    rate_per_s: float | None = Field(default=None, ge=0.0002, le=1_000_000, description="At most so many a second")


class PurgeRequest(LetterWish):
    """What to take away for good."""


class EditRequest(Wish):
    """Another body for one dead letter."""

    message_id: MessageId
    body: str = Field(description="The whole of it, as text", examples=['{"recording_id": "r1"}'])
    expected: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="`body_sha256` of the letter that was looked at"
    )
    dry_run: bool = Field(default=False, description="Only validate it")


class DeadLetterDepth(BaseModel):
    name: str
    origin: str = Field(description="The queue they died in")
    messages: int | None = Field(description="null where the broker has no such queue")


class DeadLetterQueues(BaseModel):
    items: list[DeadLetterDepth]
    total: int = Field(description="Dead letters in all")


class DeadLetterEntry(BaseModel):
    """A dead letter; what is not known is empty or null."""

    position: int = Field(description="1 for the oldest")
    message_id: str | None
    message: str
    error_class: str
    error_code: str
    error_message: str
    stage: str
    attempts: int | None
    failed_at: str | None = Field(description="RFC 3339")
    exchange: str = Field(description="Where it was first published")
    routing_key: str
    queue: str
    body_size: int = Field(description="Bytes")
    body: str | None = Field(default=None, description="Where it was asked for, and is text")
    body_base64: str | None = Field(default=None, description="Where it was asked for, and is not text")
    body_sha256: str | None = Field(default=None, description="Where it was asked for")


class DeadLetters(BaseModel):
    name: str
    origin: str
    items: list[DeadLetterEntry] = Field(description="Oldest first")


class DeadLetterGroup(BaseModel):
    """Dead letters of one queue that died of the same."""

    name: str
    origin: str
    error_code: str
    error_class: str
    stage: str
    count: int
    oldest: str | None = Field(description="When it died, RFC 3339")
    newest: str | None
    example_id: str | None = Field(description="Of the oldest that has one")


class DeadLetterGroups(BaseModel):
    items: list[DeadLetterGroup] = Field(description="The largest first")
    total: int = Field(description="Dead letters in all groups")


class NotReplayed(BaseModel):
    message_id: str | None
    error: str


class WouldFailAgain(NotReplayed):
    fields: list[Reason] = Field(description="Where in the body")


class Replayed(BaseModel):
    """What became of a replay."""

    dry_run: bool
    replayed: int = Field(description="In a dry run: how many would be")
    kept: int = Field(description="Were not meant")
    unread: int = Field(description="Were not looked at, for the limit or the time was reached")
    not_found: list[str] = Field(description="Ids that were asked for and not there")
    refused: list[WouldFailAgain] = Field(description="Stay, because their stage would refuse them again")
    failed: list[NotReplayed] = Field(description="Stay, because the broker did not take them")


class Purged(BaseModel):
    """What became of a purge."""

    dry_run: bool
    purged: int = Field(description="In a dry run: how many would be")
    kept: int
    not_found: list[str]


class Edited(BaseModel):
    """What became of an edit."""

    edited: bool = Field(description="Not in a dry run, nor where nothing is changed")
    message_id: str
    fields: list[str] = Field(description="Paths in the body that are changed")


class AuditTrail(BaseModel):
    items: list[Record] = Field(description="Newest first")


LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line of JSON for each dead letter, the oldest first, with its headers and its body in base64",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}
