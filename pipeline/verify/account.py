"""What was sent, what became of it, and what is wrong with that. Nothing here knows a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.errors import ErrorCode
from pipeline.verify.steps import ORDER, Job, Kind, Part, all_names, names_of

# A good message that was in the hands of workers that ended, more often than is allowed: kept, and visible.
_GIVEN_UP = frozenset({ErrorCode.WORKER_CRASHED.value, "DELIVERY_LIMIT"})


class Problem(StrEnum):
    """What must not be."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    OUT_OF_ORDER = "out of order"
    STUCK = "stuck"
    MISJUDGED = "misjudged"
    WORKER_FAILED = "worker failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a part of a job, or with what looks after it."""

    problem: Problem
    subject: str
    what: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """When a part was taken by the broker, and when it came out; seconds of one clock."""

    confirmed: float
    settled: float
    is_effect: bool


@dataclass(slots=True)
class _PartRecord:
    """What is known of a part. Counters are by message id; only what is counted has a document."""

    kind: Kind
    is_counted: bool
    effects: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    codes: set[str] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    remains: list[str] = field(default_factory=list)
    confirmed: float | None = None
    settled: float | None = None


class Account:
    """Every job by its id, every part of it, everything that was seen of them.

    Attributes:
        repeated: publishes of the producer that were not confirmed, and made again under the same id.
        last_effect: when the last output arrived that had not been seen before.
    """

    def __init__(self) -> None:
        self.repeated = 0
        self.last_effect: float | None = None
        self._parts: dict[str, _PartRecord] = {}
        self._strangers: list[str] = []
        self._broken: list[Finding] = []
        self._settled = 0
        self._last: dict[str, int] = {}

    def send(self, job: Job) -> None:
        """It is about to be published."""
        ordered = names_of(job, ORDER)
        for name in all_names(job):
            self._parts[name] = _PartRecord(job.kind, is_counted=name not in ordered)

    def confirm(self, job: Job, at: float) -> None:
        """The broker has it: from now on it may not be lost."""
        for name in all_names(job):
            self._parts[name].confirmed = at

    def effect(self, body: Job | Part, message_id: str | None, at: float) -> None:
        """An output has arrived at the end: of a part, or of a job where the order is kept."""
        for name in names_of(body, ORDER):
            record = self._find(name)
            if record is None:
                continue
            if not record.effects:
                self.last_effect = at
                if not isinstance(body, Part):
                    self._put_in_order(name, body)
            record.effects[message_id or ""] += 1
            self._settle(record, at)

    def letter(self, body: Job | Part, origin: str, message_id: str | None, code: str, at: float) -> None:
        """A message was found among the dead letters of the queue `origin`."""
        for name in names_of(body, origin):
            record = self._find(name)
            if record is not None:
                record.letters[message_id or ""] += 1
                record.codes.add(code)
                self._settle(record, at)

    def document(self, part: str, id: str) -> None:
        """The state store has a document of this id, which is an effect on this part."""
        record = self._find(part)
        if record is not None:
            record.documents.add(id)

    def remain(self, body: Job | Part, origin: str, where: str) -> None:
        """At the end, when nothing is wrong any more, a message of the queue `origin` still is somewhere."""
        for name in names_of(body, origin):
            record = self._find(name)
            if record is not None:
                record.remains.append(where)

    def complain(self, problem: Problem, subject: str, what: str) -> None:
        """Something else is wrong."""
        self._broken.append(Finding(problem, subject, what))

    @property
    def sent(self) -> int:
        """Parts that were confirmed."""
        return sum(record.confirmed is not None for record in self._parts.values())

    @property
    def open(self) -> int:
        """Parts that were sent and have not come out."""
        return len(self._parts) - self._settled

    @property
    def effects(self) -> int:
        """Parts whose output arrived."""
        return sum(bool(record.effects) for record in self._parts.values())

    @property
    def letters(self) -> int:
        """Parts that are dead letters."""
        return sum(bool(record.letters) for record in self._parts.values())

    @property
    def given_up(self) -> int:
        """Parts that nothing is wrong with, dead-lettered since those who worked on them were lost again and again."""
        return sum(record.kind is not Kind.BAD and bool(record.codes & _GIVEN_UP) for record in self._parts.values())

    @property
    def delivered_again(self) -> int:
        """Deliveries of an output or a dead letter that was seen before, under the same id: a reader can tell."""
        records = self._parts.values()
        return sum(seen.total() - len(seen) for record in records for seen in (record.effects, record.letters))

    def settlements(self) -> Iterator[Settlement]:
        """Of all parts that were confirmed and came out."""
        for record in self._parts.values():
            if record.confirmed is not None and record.settled is not None:
                yield Settlement(record.confirmed, record.settled, bool(record.effects))

    def findings(self) -> list[Finding]:
        """All that is wrong, once the end has come."""
        found = list(self._broken)
        found += [Finding(Problem.MISJUDGED, name, "came out, though nobody has sent it") for name in self._strangers]
        for name, record in self._parts.items():
            found += [Finding(problem, name, what) for problem, what in _judge(record)]
        return found

    def _find(self, name: str) -> _PartRecord | None:
        record = self._parts.get(name)
        if record is None:
            self._strangers.append(name)
        return record

    def _put_in_order(self, name: str, job: Job) -> None:
        """It came for the first time: no later one of its key may have come before."""
        last = self._last.get(job.key, -1)
        if job.number < last:
            self.complain(
                Problem.OUT_OF_ORDER, name, f"came after number {last} of its key, and is number {job.number}"
            )
        self._last[job.key] = max(last, job.number)

    def _settle(self, record: _PartRecord, at: float) -> None:
        if record.settled is None:
            record.settled = at
            self._settled += 1


def _judge(record: _PartRecord) -> Iterator[tuple[Problem, str]]:
    if record.remains:
        yield Problem.STUCK, f"still in {', '.join(record.remains)}"
    elif record.confirmed is not None and not record.effects and not record.letters:
        yield Problem.LOST, "is neither an effect nor a dead letter" if not record.documents else "its output is gone"
    if len(record.effects) > 1:
        yield Problem.DUPLICATED, f"came out under {len(record.effects)} ids"
    if len(record.documents) > 1:
        yield Problem.DUPLICATED, f"was counted {len(record.documents)} times"
    if len(record.letters) > 1:
        yield Problem.DUPLICATED, f"is a dead letter under {len(record.letters)} ids"
    # Two workers that end between the output and the ledger's entry have it given up on, though it has come out: it is
    # there to be seen then, and replaying it gives the same id again.
    if record.effects and record.letters and record.codes - _GIVEN_UP:
        yield Problem.DUPLICATED, f"came out, and is a dead letter ({', '.join(sorted(record.codes))})"
    if record.is_counted and record.effects and not record.documents:
        yield Problem.LOST, "came out, but its document is gone"
    if record.kind is Kind.BAD and record.effects:
        yield Problem.MISJUDGED, "is bad, and came out"
    if record.kind is not Kind.BAD and record.codes - _GIVEN_UP:
        yield Problem.MISJUDGED, f"is good, and was dead-lettered ({', '.join(sorted(record.codes - _GIVEN_UP))})"
