"""Every message of the contract document, as its example has it, through RabbitMQ to the stage and out again.

The README's table says which stage handles a message and what comes out; `tests.integration.messages.bodies` says what
is replaced in the examples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stages.examples import EXAMPLES
from stages.tracklists import Tracklists
from tests.integration.messages.preparing import PREPARATIONS, SONG_SECONDS, Desk, nothing
from tests.integration.messages.watched_library import WatchedLibrary
from tests.message_table import Row, rows

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

HANDLED = [row for row in rows() if row.stages]
OUTSIDE = {row.message for row in rows() if not row.stages}
CASES = [(row, number) for row in HANDLED for number in range(len(EXAMPLES[row.message]))]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an example.

    Attributes:
        ids: of what was there before.
        answers: bodies by message name.
        event: the last on the WebSocket.
    """

    desk: Desk
    ids: Mapping[str, str]
    answers: Mapping[str, dict[str, Any]]
    event: dict[str, Any]


async def deleted(outcome: Outcome) -> None:
    recording = await outcome.desk.library.recording_at(outcome.desk.folder / "track.mp3")
    assert recording is not None
    assert recording["deleted_at"] is not None


async def swept(outcome: Outcome) -> None:
    """The recording whose file has gone is deleted, by way of `file.deleted`."""
    library, path = outcome.desk.library, outcome.desk.folder / "track.mp3"

    async def is_deleted() -> bool:
        recording = await library.recording_at(path)
        return recording is not None and recording["deleted_at"] is not None

    await library.until(is_deleted, f"{path} is deleted")


async def catalogued(outcome: Outcome) -> None:
    """The file is in the catalog, and its analysis, asked for by the catalog, comes to its end."""
    recording = await outcome.desk.library.recording_at(outcome.desk.folder / "track.mp3")
    assert recording is not None
    event = await outcome.desk.library.event(recording["recording_id"], "analysis_complete")
    assert event["data"]["results"]["bpm"] == pytest.approx(128.0, rel=0.01)


async def analysed(outcome: Outcome) -> None:
    results = outcome.event["data"]["results"]
    assert results["bpm"] == pytest.approx(128.0, rel=0.01)
    assert results["key"] == "C major"
    assert 0 <= results["energy"] <= 1


async def cancelled(outcome: Outcome) -> None:
    data = outcome.event["data"]
    assert (data["status"], data["details"]["error_code"]) == ("cancelled", "CANCELLED")


async def extracted(outcome: Outcome) -> None:
    answer = outcome.answers["metadata.extract.complete"]
    assert answer["id3_tags"]["artist"] == "The Tidewater Band"
    assert answer["audio_analysis"]["codec"] == "mp3"


async def drawn(outcome: Outcome) -> None:
    answer = outcome.answers["waveform.generate.complete"]
    assert answer["points"] == 1800
    assert answer["duration_seconds"] == pytest.approx(SONG_SECONDS, abs=0.2)


async def tracks_listed(outcome: Outcome) -> None:
    """From the sheet beside the file, as it is stored."""
    answer = outcome.answers["tracklist.generate.complete"]
    assert (answer["source"], answer["confidence"], answer["track_count"]) == ("sidecar", 1, 2)
    assert [(track["title"], track["start_seconds"]) for track in answer["tracks"]] == [
        ("Harbour Lights", 0),
        ("Night Bus", 6),
    ]
    stored = await Tracklists(outcome.desk.library.state.documents).known(answer["tracklist_id"])
    assert stored.title == "An Evening"


async def sheet_written(outcome: Outcome) -> None:
    """The sheet is where the answer says, names the audio and the tracks as they are, and is a valid one."""
    answer = outcome.answers["cue.generation.complete"]
    content = Path(answer["file_path"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (answer["file_size"], answer["checksum"])
    assert answer["validation_report"] == {"is_valid": True, "errors": []}
    assert b'FILE "audio.mp3" MP3\r\n' in content
    assert b'TITLE "Night Bus"\r\n    PERFORMER "Mira Holt"\r\n    INDEX 01 00:06:00\r\n' in content
    assert Path(answer["file_path"]).is_relative_to(outcome.desk.library.data_dir)
    assert outcome.event["recording_id"] != outcome.event["job_id"]


async def sheets_written(outcome: Outcome) -> None:
    results = outcome.answers["cue.generation.batch.complete"]["results"]
    assert [(each["format"], each["success"]) for each in results] == [
        ("standard", True),
        ("serato", True),
        ("traktor", True),
    ]
    assert len({each["cue_file_id"] for each in results}) == 3
    assert all(Path(each["file_path"]).stat().st_size == each["file_size"] for each in results)


async def sheet_checked(outcome: Outcome) -> None:
    report = outcome.answers["cue.validation.complete"]["validation_report"]
    assert report == {"is_valid": True, "errors": []}


async def sheet_converted(outcome: Outcome) -> None:
    answer = outcome.answers["cue.conversion.complete"]
    assert answer["target_format"] == "serato"
    assert answer["losses"] == []
    assert b'TITLE "Harbour Lights"' in Path(answer["file_path"]).read_bytes()
    assert answer["cue_file_id"] != outcome.ids["cue_file_id"]


async def renamed(outcome: Outcome) -> None:
    """The file has its new name and no other, and the backup nobody asked for is not there."""
    folder, answer = outcome.desk.folder, outcome.answers["rename.response"]
    assert answer["original_path"] == str(folder / "track.mp3")
    assert answer["new_path"] == str(folder / "Artist - Track Title.mp3")
    assert {path.name for path in folder.iterdir()} >= {"Artist - Track Title.mp3"}
    assert not [path for path in folder.iterdir() if path.name.startswith("track.mp3")]
    assert outcome.event["data"]["results"]["rename_id"] == answer["rename_id"]


async def names_looked_at(outcome: Outcome) -> None:
    """The example's names follow no pattern, and the library knows no better ones."""
    answer = outcome.answers["rename.pattern.response"]
    assert answer["unmatched"] == [str(outcome.desk.folder / name) for name in ("track1.mp3", "track2.mp3")]
    assert answer["patterns"] == answer["suggestions"] == []
    assert outcome.event["data"]["results"]["file_count"] == 2


async def learnt(outcome: Outcome) -> None:
    """It is kept with the rename it is about, and the pattern of the name has a score."""
    documents = outcome.desk.library.state.documents
    given = await documents.find("rename_feedback", "rename", outcome.ids["rename_id"])
    (feedback,) = await documents.get_many("rename_feedback", given)
    assert feedback is not None
    assert (feedback["message"], feedback["user_rating"]) == ("Rename completed successfully", 5)
    score = await documents.get("rename_pattern", feedback["pattern"])
    assert score is not None
    assert score[feedback["feedback_type"]] >= 1


CHECKS: dict[str, Callable[[Outcome], Awaitable[None]]] = {
    "file.discovered": catalogued,
    "file.created": catalogued,
    "file.modified": catalogued,
    "file.moved": catalogued,
    "file.renamed": catalogued,
    "file.deleted": deleted,
    "catalog.sweep": swept,
    "file.analyze": analysed,
    "analysis.request": analysed,
    "analysis.cancel": cancelled,
    "cue.generation.single": sheet_written,
    "cue.generation.batch": sheets_written,
    "cue.validation": sheet_checked,
    "cue.conversion": sheet_converted,
    "metadata.extract": extracted,
    "rename.request": renamed,
    "rename.pattern.analyze": names_looked_at,
    "rename.feedback": learnt,
    "waveform.generate": drawn,
    "tracklist.generate": tracks_listed,
}


def test_every_message_that_a_stage_handles_has_an_example_and_a_check() -> None:
    assert {row.message for row in HANDLED} == CHECKS.keys()
    assert CHECKS.keys() <= EXAMPLES.keys()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("row", "number"), CASES, ids=[f"{row.message}-{number}" for row, number in CASES])
async def test_the_documents_example_is_handled_and_answered_as_the_readme_says(
    library: WatchedLibrary, song: Path, row: Row, number: int
) -> None:
    desk = Desk.laid(library, song)
    ids = await PREPARATIONS.get(row.message, nothing)(desk)
    body = desk.body(row.message, ids, number)
    before = {name: library.published(name) for name in row.answers}
    message_id = await library.publish(row.message, body)
    assert await library.settled(row.message, message_id) == set(row.stages)
    assert {name: library.published(name) - before[name] for name in row.answers} == dict.fromkeys(row.answers, 1)
    outside = [name for name in row.answers if name in OUTSIDE]
    answers = {name: await library.answered(name, body.get("correlation_id", message_id)) for name in outside}
    for answer in answers.values():
        assert (answer["success"], answer["error"], answer["error_code"]) == (True, None, None)
    followed = library.followed(row.message, body, message_id) or body.get("recording_id", "")
    (event,) = [await library.event(followed, kind) for kind in row.events] or [{}]
    await CHECKS[row.message](Outcome(desk, ids, answers, event))
    assert not library.letters[message_id]
