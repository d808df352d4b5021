"""What a step sees: its context, and what it may return. Steps never see the broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from pipeline.messages.message import Envelope


class Logger(Protocol):
    """The part of a structlog logger that steps use: an event and key-value pairs."""

    def debug(self, event: str, **values: Any) -> Any: ...
    def info(self, event: str, **values: Any) -> Any: ...
    def warning(self, event: str, **values: Any) -> Any: ...
    def error(self, event: str, **values: Any) -> Any: ...


class Documents(Protocol):
    """JSON documents by kind and id, with indices kept in the same atomic write.

    `unique` indices map a value to one id (a path to its recording), `index` ones to several (a hash to
    the recordings that have it). Every method may raise StateUnavailable.
    """

    async def get(self, kind: str, id: str) -> dict[str, Any] | None:
        """The document, or None."""
        ...

    async def get_many(self, kind: str, ids: Sequence[str]) -> list[dict[str, Any] | None]:
        """The documents in the order of the ids, None where there is none; one round trip."""
        ...

    async def put(
        self,
        kind: str,
        id: str,
        document: Mapping[str, Any],
        *,
        unique: Mapping[str, str] | None = None,
        index: Mapping[str, str] | None = None,
    ) -> None:
        """Write the document; its index entries become exactly those given. Idempotent."""
        ...

    async def claim(self, kind: str, name: str, value: str, id: str) -> str:
        """The id that owns `value` in the unique index `name`: the one there, else `id`, which now owns it."""
        ...

    async def find(self, kind: str, name: str, value: str) -> list[str]:
        """Ids under `value` in the index `name` (of either sort), sorted."""
        ...

    async def owners(self, kind: str, name: str, values: Sequence[str]) -> list[str | None]:
        """The id that owns each value in the unique index `name`, None where nobody does; one round trip."""
        ...

    async def counts(self, kind: str, name: str, values: Sequence[str]) -> list[int]:
        """How many documents are under each value in the index `name` (not a unique one); one round trip."""
        ...

    async def page(self, kind: str, *, offset: int = 0, limit: int = 100) -> tuple[list[dict[str, Any]], int]:
        """Documents, most recently written first, and how many there are in all. Each carries its `id`."""
        ...

    async def delete(self, kind: str, id: str, *, unchanged: Mapping[str, Any] | None = None) -> bool:
        """Remove the document and its index entries; False if there was none, or none that is still `unchanged`."""
        ...


class StageContext(Protocol):
    """What a step may ask for beside its input.

    In a process pool there is no `state`, `ended`, `standing`, `forget` or `track`: the state store stays with the
    worker.
    `options` are the stage's own, from the topology; `data_dir` is where files are generated, outside the library.
    """

    envelope: Envelope
    log: Logger
    state: Documents
    roots: Sequence[Path]
    data_dir: Path
    options: Mapping[str, Any]

    @property
    def cancelled(self) -> bool:
        """True once the work was cancelled or the worker is being stopped: return soon."""
        ...

    def progress(self, fraction: float, message: str = "") -> None:
        """Show how far the work is (0 to 1, never backwards). Cheap, never blocks, conflated."""
        ...

    async def ended(self, recording_id: str, request: Emit) -> str | None:
        """How the work on the recording that `request` asks for has ended: completed, failed, cancelled; else None.

        Raises: ValueError for a request without an identity; StateUnavailable.
        """
        ...

    async def standing(self, recording_id: str) -> str | None:
        """Where the work on the recording stands: queued, analyzing, retrying, completed, failed, cancelled; None
        where there never was any. Raises StateUnavailable."""
        ...

    async def forget(self, recording_id: str) -> None:
        """Drop the progress of a recording that is no longer kept. Raises StateUnavailable."""
        ...

    def track(self, recording_id: str) -> None:
        """Say which recording this delivery, or its job, is about, where the message itself does not carry its id."""
        ...


class SourceContext(Protocol):
    """What a source may ask for: the folders it was pointed at, its options from the topology.

    `data_dir` is where it may keep something from run to run, outside the library; it need not exist yet.
    """

    log: Logger
    roots: Sequence[Path]
    data_dir: Path
    options: Mapping[str, Any]

    @property
    def stopping(self) -> bool:
        """True once the pipeline is being stopped."""
        ...

    def caught_up(self) -> None:
        """Say that all there was at the start has been yielded; from now on, only what is new. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Emit:
    """A message to publish under an explicit name. A bare model is enough where its type names one message.

    Attributes:
        identity: what makes this output the same one again; by default the input's id, the stage and the position.
        priority: overrides the topology's, clamped to the queue's range by the broker.
    """

    message: str
    body: BaseModel
    identity: str | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """The tracked work is done; dashboards see `type` with `results`.

    Attributes:
        type: `data.type` on the WebSocket, `analysis_complete` for an analysis.
        results: JSON values.
        extra: further fields of `data`.
    """

    type: str
    results: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """How a message has failed for good, for the stage's `on_failure`.

    Attributes:
        reason: one short sentence for people.
        error_code: one of `pipeline.errors.ErrorCode`.
        attempt: the number of the last one.
        elapsed_ms: how long that took.
        details: what the step said beside the reason.
    """

    reason: str
    error_code: str
    attempt: int
    elapsed_ms: float
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Work on this recording ends here: queued work does not start, running work is stopped.

    Attributes:
        asked_at: when that was asked for, where it is also meant for requests that wait without having been
            announced, as those of other publishers are.
    """

    recording_id: str
    reason: str
    asked_at: datetime | None = None
