"""Which dead letters are meant: one form for all that can be done with them, however it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.dlq.letter import DeadLetter
from pipeline.topology.values import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Those that match all that is given; nothing given is all.

    Attributes:
        message_ids: any of these; a letter without an id then never matches.
        older_than, newer_than: by when it died; a letter that does not tell then never matches.
        limit: at most so many, the oldest.
    """

    message_ids: Sequence[str] | None = None
    error_class: str | None = None
    error_code: str | None = None
    stage: str | None = None
    message: str | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    limit: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is given."""
        return not self.described()

    def described(self) -> dict[str, Any]:
        """What is given, as plain values under the names that requests have for it."""
        given = {name: getattr(self, name) for name in self.__slots__}
        return {name: _plain(value) for name, value in given.items() if value is not None}

    def test(self, now: float) -> Test:
        """What decides on each letter. Args: now: seconds since the epoch, what ages are counted from."""
        return Test(self, now)


class Test:
    """A selection at a moment, so that one that takes long does not come to mean something else."""

    def __init__(self, selection: Selection, now: float) -> None:
        moment = datetime.fromtimestamp(now, UTC)
        self._ids = None if selection.message_ids is None else frozenset(selection.message_ids)
        texts = ("error_class", "error_code", "stage", "message")
        self._texts = [(name, value) for name in texts if (value := getattr(selection, name)) is not None]
        self._before = None if selection.older_than is None else _ago(moment, selection.older_than)
        self._after = None if selection.newer_than is None else _ago(moment, selection.newer_than)

    def __call__(self, letter: DeadLetter) -> bool:
        if self._ids is not None and letter.message_id not in self._ids:
            return False
        if any(getattr(letter, name) != value for name, value in self._texts):
            return False
        if self._before is None and self._after is None:
            return True
        if letter.failed_at is None:
            return False
        before = self._before is None or letter.failed_at <= self._before
        return before and (self._after is None or letter.failed_at > self._after)


def _ago(moment: datetime, duration: timedelta) -> datetime:
    """The beginning of time where the duration reaches beyond it."""
    try:
        return moment - duration
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    return value if isinstance(value, str | int) else list(value)
