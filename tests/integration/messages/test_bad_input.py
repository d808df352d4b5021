"""What is wrong with a message costs that message, with a stable code, and the next good one is handled.

`MATRIX` says for every message what becomes of each fault.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pipeline.errors import ErrorCode
from tests.integration.messages.files import Odd, Store
from tests.integration.messages.preparing import PREPARATIONS, Desk, nothing
from tests.integration.messages.watched_library import WatchedLibrary
from tests.message_table import rows

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

ROWS = {row.message: row for row in rows()}
WRONG_TYPE = {"neither": ["text", "nor number"]}


@dataclass(frozen=True, slots=True)
class Dies:
    """Dead-lettered in every queue with this code; where the message has an answer, that says the same."""

    code: str


@dataclass(frozen=True, slots=True)
class Passes:
    """Handled as if nothing were the matter."""


@dataclass(frozen=True, slots=True)
class Analysed:
    """Handled; the analysis that follows of it fails with this code, or, without one, does not."""

    code: str | None = None


@dataclass(frozen=True, slots=True)
class Vanishes:
    """Dropped and logged: its queue keeps no dead letters."""


Expected = Dies | Passes | Analysed | Vanishes


@dataclass(frozen=True, slots=True)
class Subject:
    """How to spoil a message.

    Attributes:
        required: a field that must be there.
        id_field: a field that refers to something.
        unknown: what becomes of a message whose id is unknown.
        file_field: the field that names a file, `recording` where the file is that of the recording.
        files: what becomes of it for each odd file.
        invalid: what becomes of it where it is not valid.
    """

    required: str
    id_field: str | None = None
    unknown: Expected | None = None
    file_field: str | None = None
    files: Mapping[Odd, Expected] | None = None
    invalid: Expected = Dies(ErrorCode.INVALID_MESSAGE)


CODES = {
    Odd.VANISHED: ErrorCode.FILE_NOT_FOUND,
    Odd.OUTSIDE: ErrorCode.PATH_NOT_ALLOWED,
    Odd.LINK_OUT: ErrorCode.PATH_NOT_ALLOWED,
    Odd.EMPTY: ErrorCode.FILE_EMPTY,
    Odd.NOISE: ErrorCode.DECODE_ERROR,
}
READ: Mapping[Odd, Expected] = {**{odd: Dies(code) for odd, code in CODES.items()}, Odd.LONG: Passes()}
SILENT: Mapping[Odd, Expected] = {Odd.LONG: Dies(ErrorCode.NO_TRACKLIST)}
TOLD_OF: Mapping[Odd, Expected] = {**{odd: Analysed(code) for odd, code in CODES.items()}, Odd.LONG: Analysed()}
NAMED: Mapping[Odd, Expected] = {
    odd: Dies(CODES[odd]) if odd in (Odd.OUTSIDE, Odd.LINK_OUT) else Passes() for odd in Odd
}
EVENT = Subject("file_path", file_field="file_path", files=TOLD_OF)

MATRIX: Mapping[str, Subject] = {
    "file.discovered": Subject("file_info", file_field="file_info", files=TOLD_OF),
    "file.created": EVENT,
    "file.modified": EVENT,
    "file.deleted": Subject("file_path", file_field="file_path", files={Odd.VANISHED: Passes(), Odd.OUTSIDE: Passes()}),
    "file.moved": EVENT,
    "file.renamed": EVENT,
    "catalog.sweep": Subject("timestamp", invalid=Vanishes()),
    "file.analyze": Subject("recording_id", "recording_id", Passes(), "file_path", READ),
    "analysis.request": Subject("recording_id", "recording_id", Passes(), "file_path", READ),
    "analysis.cancel": Subject("recording_id", "recording_id", Dies(ErrorCode.UNKNOWN_RECORDING)),
    "metadata.extract": Subject("recording_id", "recording_id", Dies(ErrorCode.UNKNOWN_RECORDING), "recording", READ),
    "waveform.generate": Subject("recording_id", "recording_id", Dies(ErrorCode.UNKNOWN_RECORDING), "recording", READ),
    "tracklist.generate": Subject(
        "recording_id", "recording_id", Dies(ErrorCode.UNKNOWN_RECORDING), "recording", READ | SILENT
    ),
    "cue.generation.single": Subject(
        "tracklist_id", "tracklist_id", Dies(ErrorCode.UNKNOWN_TRACKLIST), "audio_file_path", READ
    ),
    "cue.generation.batch": Subject("formats", "tracklist_id", Dies(ErrorCode.UNKNOWN_TRACKLIST)),
    "cue.validation": Subject("cue_file_id", "cue_file_id", Dies(ErrorCode.UNKNOWN_CUE_FILE), "audio_file_path", READ),
    "cue.conversion": Subject("target_format", "source_cue_file_id", Dies(ErrorCode.UNKNOWN_CUE_FILE)),
    "rename.request": Subject("suggested_name", file_field="file_path", files=READ | {Odd.NOISE: Passes()}),
    "rename.pattern.analyze": Subject("file_paths", file_field="file_paths", files=NAMED),
    "rename.feedback": Subject("feedback_type", "rename_id", Dies(ErrorCode.UNKNOWN_RENAME)),
}

FAULTS = ("a missing field", "a field of the wrong type", "no JSON")
CASES: list[tuple[str, str, Expected]] = [
    *((name, fault, each.invalid) for name, each in MATRIX.items() for fault in FAULTS),
    *((name, "an unknown id", each.unknown) for name, each in MATRIX.items() if each.unknown is not None),
    *((name, odd, expected) for name, each in MATRIX.items() for odd, expected in (each.files or {}).items()),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(library: WatchedLibrary, song: Path) -> AsyncIterator[Store]:
    folder = library.root.parent / "outside"
    folder.mkdir()
    yield Store.filled(folder, song)


def test_every_message_that_a_stage_handles_is_in_the_matrix() -> None:
    assert MATRIX.keys() == {row.message for row in ROWS.values() if row.stages}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "fault", "expected"), CASES, ids=[f"{name}: {fault}" for name, fault, _ in CASES])
async def test_bad_input_costs_only_its_own_message(
    library: WatchedLibrary, store: Store, song: Path, name: str, fault: str, expected: Expected
) -> None:
    desk = Desk.laid(library, song)
    body, path = await _spoilt(desk, store, name, fault)
    message_id = await library.publish(name, body)
    if expected == Vanishes():
        await _next_good_one_is_handled(library, song, name)
        assert not await library.finished(message_id)
        assert message_id not in library.letters
        return
    finished = await library.settled(name, message_id)
    correlation_id = body.get("correlation_id", message_id) if isinstance(body, dict) else message_id
    match expected:
        case Dies(code):
            assert not finished
            assert library.letters[message_id] == dict.fromkeys(ROWS[name].queues, code)
            if code != ErrorCode.INVALID_MESSAGE:
                await _is_answered(library, name, correlation_id, success=False, error_code=code)
                await _is_shown(library, name, body, message_id, code)
        case Passes():
            assert finished == set(ROWS[name].stages)
            assert not library.letters[message_id]
            await _is_answered(library, name, correlation_id, success=True, error_code=None)
        case Analysed(code):
            assert finished == set(ROWS[name].stages)
            recording = await library.recording_at(path)
            assert recording is not None
            event = await library.event(recording["recording_id"], "error" if code else "analysis_complete")
            assert event["data"].get("details", {}).get("error_code") == code
    await _next_good_one_is_handled(library, song, name)


async def _spoilt(desk: Desk, store: Store, name: str, fault: str) -> tuple[dict[str, Any] | bytes, Path]:
    """The document's example with the fault in it, and the path of the file that it is about."""
    subject, path = MATRIX[name], desk.folder / "track.mp3"
    ids = {} if fault in FAULTS else dict(await PREPARATIONS.get(name, nothing)(desk))
    body = desk.body(name, ids)
    match fault:
        case "a missing field":
            del body[subject.required]
        case "a field of the wrong type":
            body[subject.required] = WRONG_TYPE
        case "no JSON":
            return b'{"' + name.encode(), path
        case "an unknown id":
            assert subject.id_field is not None
            body[subject.id_field] = str(uuid.uuid4())
        case _:
            path = store.place(Odd(fault), desk.folder)
            match subject.file_field:
                case "recording":
                    await desk.library.recording(body["recording_id"], path)
                case "file_info":
                    body["file_info"] = body["file_info"] | {"path": str(path)}
                case "file_paths":
                    body["file_paths"] = [*body["file_paths"], str(path)]
                case str(field):
                    body[field] = str(path)
    return body, path


async def _is_answered(
    library: WatchedLibrary, name: str, correlation_id: str, *, success: bool, error_code: str | None
) -> None:
    for answer in ROWS[name].answers:
        if not ROWS[answer].stages:
            body = await library.answered(answer, correlation_id)
            assert (body["success"], body["error_code"]) == (success, error_code)
            assert bool(body["error"]) is not success


async def _is_shown(library: WatchedLibrary, name: str, body: Any, message_id: str, code: str) -> None:
    """On the WebSocket, where the work on the message is shown there."""
    followed = library.followed(name, body, message_id)
    if followed is not None:
        event = await library.event(followed, "error")
        assert event["data"]["details"]["error_code"] == code


async def _next_good_one_is_handled(library: WatchedLibrary, song: Path, name: str) -> None:
    desk = Desk.laid(library, song)
    body = desk.body(name, await PREPARATIONS.get(name, nothing)(desk))
    message_id = await library.publish(name, body)
    assert await library.settled(name, message_id) == set(ROWS[name].stages)
    await _is_answered(library, name, body.get("correlation_id", message_id), success=True, error_code=None)
