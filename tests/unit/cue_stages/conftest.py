"""The CUE stages' steps on the embedded state store and a folder of their own, with what they see of the worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from pipeline.errors import Permanent, StepError, Transient
from pipeline.messages.message import Envelope
from pipeline.stage import Completed, Emit, Failed
from pipeline.state.embedded import EmbeddedStore
from stages.contracts import (
    BatchCueGenerationRequest,
    CueConversionRequest,
    CueGenerationRequest,
    CueMessage,
    CueValidationRequest,
)
from stages.cue import conversion, failures, generation, validation
from stages.cue.audio import open_audio
from stages.examples import EXAMPLES
from stages.tracklists import Tracklist, TracklistEntry, Tracklists


class Context:
    """What a step sees of the worker."""

    options: dict[str, Any] = {}  # noqa: RUF012
    cancelled = False

    def __init__(self, store: EmbeddedStore, roots: Path, data_dir: Path, envelope: Envelope) -> None:
        self.envelope = envelope
        self.log = structlog.get_logger()
        self.state = store.documents
        self.roots = (roots,)
        self.data_dir = data_dir
        self.shown: list[tuple[float, str]] = []
        self.tracked: list[str] = []

    def progress(self, fraction: float, message: str = "") -> None:
        self.shown.append((fraction, message))

    def track(self, recording_id: str) -> None:
        self.tracked.append(recording_id)


class Service:
    """Hands messages to their stage's steps as the worker does, and what fails to its `on_failure`.

    Attributes:
        root: the library's only root.
        data_dir: where sheets are written.
        context: of the last message.
        failure: what the last message failed with, if it did.
    """

    def __init__(self, store: EmbeddedStore, folder: Path) -> None:
        self.store = store
        self.root, self.data_dir = folder / "library", folder / "data"
        self.root.mkdir()
        self.data_dir.mkdir()
        self.context: Context
        self.failure: StepError | None = None
        self.completed: Completed | None = None

    async def tracklist(self, *entries: TracklistEntry, **fields: Any) -> Tracklist:
        """Store one; two tracks of a mix named `night.flac`, unless it is said otherwise."""
        known: dict[str, Any] = {
            "tracklist_id": "tracklist-1",
            "recording_id": "recording-1",
            "file_path": str(self.root / "night.flac"),
            "source": "manual",
            "confidence": 1.0,
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            "title": "A Night",
            "performer": "Several",
        }
        two = (
            TracklistEntry(number=1, start_seconds=0.0, end_seconds=4.0, title="Opening", performer="A", bpm=124.0),
            TracklistEntry(number=2, start_seconds=6.0, title='Say "yes"', performer="Ünder", isrc="DE-A01-23-45678"),
        )
        tracklist = Tracklist(**known | {"entries": entries or two} | fields)
        await Tracklists(self.store.documents).put(tracklist)
        return tracklist

    async def single(self, **fields: Any) -> dict[str, Any]:
        """The body of the answer to the document's request with other fields."""
        fields = {"tracklist_id": "tracklist-1", "validate_audio": False, "audio_file_path": None, **fields}
        return await self.answer("cue.generation.single", CueGenerationRequest, fields)

    async def batch(self, *formats: str, **fields: Any) -> dict[str, Any]:
        fields = {"tracklist_id": "tracklist-1", "formats": formats, **fields}
        return await self.answer("cue.generation.batch", BatchCueGenerationRequest, fields)

    async def validation(self, cue_file_id: str, **fields: Any) -> dict[str, Any]:
        fields = {"cue_file_id": cue_file_id, "audio_file_path": None, **fields}
        return await self.answer("cue.validation", CueValidationRequest, fields)

    async def conversion(self, cue_file_id: str, target: str, **fields: Any) -> dict[str, Any]:
        fields = {"source_cue_file_id": cue_file_id, "target_format": target, **fields}
        return await self.answer("cue.conversion", CueConversionRequest, fields)

    async def answer(self, message: str, model: type[CueMessage], fields: Mapping[str, Any]) -> dict[str, Any]:
        """What is answered at last; transient failures are taken for the last attempt's."""
        request = model.model_validate(EXAMPLES[message][0] | dict(fields))
        envelope = Envelope(message, request.message_id, None, message, "cue.direct", message)
        self.context = Context(self.store, self.root, self.data_dir, envelope)
        self.failure = self.completed = None
        try:
            outputs = await self._worked(message, request)
        except (Permanent, Transient) as failure:
            self.failure = failure
            failed = Failed(failure.reason, failure.error_code, 1, 1.0, failure.details)
            outputs = [await self._refused(message, request, failed)]
        emits = [each for each in outputs if isinstance(each, Emit)]
        completions = [each for each in outputs if isinstance(each, Completed)]
        assert (len(emits), len(completions)) == (1, 0 if self.failure else 1)
        self.completed = completions[0] if completions else None
        return emits[0].body.model_dump(mode="json")

    async def _worked(self, message: str, request: Any) -> list[Any]:
        context: Any = self.context
        if message == "cue.conversion":
            return await conversion.convert(request, context)
        is_validation = message == "cue.validation"
        first: Any = await (validation.examine if is_validation else generation.prepare)(request, context)
        if isinstance(first, list):
            return first
        opened = open_audio(first, context)
        if is_validation:
            return await validation.conclude(opened, context)
        return await generation.deliver(opened, context)

    async def _refused(self, message: str, request: Any, failed: Failed) -> Emit:
        context: Any = self.context
        match message:
            case "cue.generation.single":
                return failures.single_failed(request, failed, context)
            case "cue.generation.batch":
                return await failures.batch_failed(request, failed, context)
            case "cue.validation":
                return failures.validation_failed(request, failed, context)
            case _:
                return failures.conversion_failed(request, failed, context)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    store = EmbeddedStore(None)
    await store.connect()
    yield Service(store, tmp_path)
    await store.close()
