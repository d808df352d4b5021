"""What the state store promises. Redis and the embedded store run the same Lua scripts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from pipeline.stage import Documents


class Status(StrEnum):
    """Where the work on a recording stands. The last three are terminal and sticky within a run."""

    QUEUED = "queued"
    ANALYZING = "analyzing"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Update:
    """One change of a recording's progress, or of a job's.

    Attributes:
        recording_id: the recording; for a job of which it is not known, the job's id.
        job_id: the job whose progress it is instead of the recording's own.
        run: the `message_id` of the request that is being worked on. A new run replaces the one before it.
        attempt: one per delivery; progress never goes backwards within it. Empty for `queued`.
        type: `data.type` on the WebSocket: progress, analysis_complete, error, …
        progress: 0 to 1.
        data: the further fields of `data`, JSON values, without type, status, progress and timestamp.
        begins: this delivery takes the run over (a redelivery, a retry); else only the attempt that has it may write.
        asked_at: when the request was made, if it says so; to the second. For an update that `begins`.
    """

    recording_id: str
    run: str
    attempt: str
    type: str
    status: Status
    progress: float = 0.0
    data: Mapping[str, Any] = field(default_factory=dict)
    begins: bool = False
    job_id: str | None = None
    asked_at: datetime | None = None

    @property
    def key(self) -> str:
        """The id that it is kept and subscribed to under."""
        return self.job_id or self.recording_id


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded update, as it goes to WebSockets.

    Attributes:
        key: the recording's id, or the job's.
        sequence: counts the events of a key from 1; gaps mean that some were missed.
        epoch: one value per store, which changes when it lost its data and sequences start anew. A reader that is
            ahead of the store in the same epoch has seen events that the store lost.
        frame: the JSON text of the contract's message: {"recording_id", "data", "sequence", "epoch", "event_id"},
            and "job_id" where it is a job's.
        is_job: whether it is about a job rather than a recording itself.
    """

    key: str
    sequence: int
    epoch: str
    status: Status
    frame: str
    is_job: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """`data` of the frame, decoded anew each time."""
        data: dict[str, Any] = json.loads(self.frame)["data"]
        return data


class Progress(Protocol):
    """Progress of recordings, and of jobs by their ids in the same way.

    One atomic write stores the snapshot, appends the event and wakes the listeners.
    """

    async def record(self, update: Update) -> Event | None:
        """Store an update; None where it is refused.

        Refused: anything after a terminal status of the same run; an update of a run that is not the
        current one, unless it is `queued` or `begins`; an update of an attempt that is not the current
        one, unless it `begins`; `progress` lower than what the attempt has shown, unless it is terminal.

        Which run is the current one: a run that was never seen takes over, by being queued or by
        beginning. The run before it may not write any more, so an old request that is delivered again
        does not disturb a newer one. One exception: a run that was only queued, when an unannounced one
        began before it, has its turn later, unless another was queued after it. `queued` of a run that
        was seen before is refused, and so is an attempt that another one has replaced. Where nothing is
        known of the recording (the store lost it), any update is accepted.

        A run that begins without having been queued is refused, and ended as cancelled, where `cancel` was
        called with a later `asked_at` than its own. Where it does not say, or in the same second, nobody
        knows which was first: then it is refused if that cancellation had found nothing else to end within
        the last 24 hours; one run for each cancellation.

        Raises: ValueError if the progress is not within 0 and 1.
        """
        ...

    async def snapshot(self, recording_id: str) -> Event | None:
        """The recording's last event, or None."""
        ...

    async def snapshots(self, recording_ids: Sequence[str]) -> list[Event | None]:
        """The last event of each, in the order given."""
        ...

    async def since(self, recording_id: str, sequence: int) -> list[Event]:
        """Events above `sequence` that are still kept, oldest first."""
        ...

    async def ended(self, recording_id: str, run: str) -> Status | None:
        """The terminal status in which the run ended, or was ended by `cancel`; None if it has not, or is not known."""
        ...

    async def cancel(self, recording_id: str, reason: str, *, asked_at: datetime | None = None) -> Event | None:
        """End the current run and earlier unfinished ones as cancelled; None if it has ended or there is none.

        Args:
            asked_at: when that was asked for; then runs that nobody has announced and that were asked for before
                do not begin either.
        """
        ...

    async def forget(self, recording_id: str) -> bool:
        """Drop all that is kept of the recording's or the job's progress; False if there was nothing.

        Its sequence goes on where it was for a day, since whoever follows it would take a lower one for a repetition.
        """
        ...

    def events(self, opened: Callable[[], None] | None = None) -> AsyncIterator[Event]:
        """Every event recorded from now on, of all recordings, from all processes.

        "Now" is when the iteration has begun and `opened` is called: what is read after that misses
        nothing. Not gap-free: a reader notices a jump in `sequence` and fills it from `since`. Raises
        StateUnavailable when the connection is lost or the store closed; iterate again to go on.
        """
        ...


class Claim(StrEnum):
    """The ledger's answer to a delivery."""

    FRESH = "fresh"
    RUNNING = "running"
    DONE = "done"
    SUSPECT = "suspect"
    CRASHED = "crashed"


class Ledger(Protocol):
    """Which messages a stage has finished, so that a duplicate is acked without being run."""

    async def begin(self, stage: str, message_id: str, owner: str, lease_s: float, *, alone: bool = False) -> Claim:
        """Claim a message: FRESH (run it; the lease is yours), RUNNING elsewhere, or DONE before.

        SUSPECT: the lease is yours as well, but the one before you was lost while it had it, less than 24 hours ago:
        neither finished nor released, it ran out. Begin once more, to run it `alone`: with nothing beside it that
        would be lost too. Until then, what happens to you is not held against the message.
        CRASHED: the lease is yours as well, but two before you were lost so.
        """
        ...

    async def renew(self, stage: str, message_id: str, owner: str, lease_s: float) -> bool:
        """Prolong the lease; False if it is not yours any more."""
        ...

    async def finish(self, stage: str, message_id: str, owner: str, retention_s: float) -> bool:
        """Mark it done, for so long; False if the lease has gone to someone else."""
        ...

    async def release(self, stage: str, message_id: str, owner: str) -> None:
        """Give the lease back without finishing (a retry, a drain)."""
        ...


class Turns(Protocol):
    """Which messages of a queue wait for another attempt, by key: later ones of the same key wait behind them.

    Only one worker consumes such a queue at a time; should the one before it still write, nothing is lost by it.
    """

    async def waiting(self, queue: str) -> dict[str, dict[str, float]]:
        """All that wait: key to message ids, in the order of their turns, to seconds until each is back."""
        ...

    async def wait(self, queue: str, key: str, message_id: str, delay_s: float) -> None:
        """A message waits, behind those of its key that wait already; its place is kept if it is one of them."""
        ...

    async def end(self, queue: str, key: str, message_id: str) -> None:
        """A message waits no more. Idempotent."""
        ...


class Tickets(Protocol):
    """Secrets that let somebody in once, such as a browser, which can't send a token with a WebSocket."""

    async def issue(self, content: str, ttl_s: float) -> str:
        """A new ticket for something."""
        ...

    async def redeem(self, ticket: str) -> str | None:
        """What the ticket is for; None if it is not one, is too old, or was redeemed."""
        ...


class StateStore(Protocol):
    """Everything that is remembered between messages. Methods raise StateUnavailable when it does not answer."""

    @property
    def documents(self) -> Documents: ...

    @property
    def progress(self) -> Progress: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def turns(self) -> Turns: ...

    @property
    def tickets(self) -> Tickets: ...

    async def connect(self) -> None:
        """Raises Unreachable, naming the server without its password."""
        ...

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """A round trip. Raises Unreachable."""
        ...

    async def announce(self, group: str, member: str, count: int, ttl_s: float) -> int:
        """Say how many (connections, …) this member of the cluster has; the sum over members heard from within ttl."""
        ...

    async def members(self, group: str) -> list[str]:
        """Who has announced at least one, and not longer ago than its ttl; sorted."""
        ...
