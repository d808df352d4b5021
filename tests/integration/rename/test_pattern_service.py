"""`rename.pattern.analyze` and `rename.feedback` through the real broker and store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.audio import write_track
from pipeline.messages.message import ERROR_CODE
from stages.examples import EXAMPLES
from tests.live_library import LiveLibrary, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

QUEUE, ANSWERS = "file_rename.pattern", "file_rename.pattern.response"
FEEDBACK = "file_rename.feedback"


@pytest.fixture
async def service(library: LiveLibrary) -> LiveLibrary:
    """A worker of all that is about names."""
    await library.start(["rename", "rename.patterns", "rename.feedback"])
    return library


@pytest.fixture
async def learning(library: LiveLibrary) -> LiveLibrary:
    """A worker that renames and takes feedback."""
    await library.start(["rename", "rename.feedback"])
    return library


async def tagged(library: LiveLibrary, path: Path, **tags: Any) -> None:
    """Let the library know the file, and its tags, as the catalog and the metadata stage do."""
    await library.recording(f"rec-{path.name}", path)
    await library.state.documents.put("metadata", f"rec-{path.name}", {"id3_tags": tags})


async def ask(library: LiveLibrary, paths: list[Path], **options: bool) -> dict[str, Any]:
    await library.publish("rename.pattern.analyze", {"file_paths": [str(path) for path in paths], "options": options})
    return await library.answer(ANSWERS)


async def test_the_documents_example_is_answered(service: LiveLibrary) -> None:
    example = EXAMPLES["rename.pattern.analyze"][0]
    body = example | {"file_paths": [str(service.root / Path(path).name) for path in example["file_paths"]]}
    asked = await service.publish("rename.pattern.analyze", body)
    answer = await service.answer(ANSWERS)
    assert answer == {
        "success": True,
        "error": None,
        "error_code": None,
        "job_id": asked,
        "correlation_id": example["correlation_id"],
        "patterns": [],
        "unmatched": body["file_paths"],
        "suggestions": [],
    }
    frame = await service.ended(asked)
    assert frame["data"]["type"] == "rename_pattern_complete"
    assert frame["data"]["results"]["unmatched"] == ["track1.mp3", "track2.mp3"]


async def test_patterns_what_fits_none_and_better_names_are_found(service: LiveLibrary) -> None:
    root = service.root
    album = [root / "album" / f"{number:02} - Orbital - Song {number}.flac" for number in range(1, 9)]
    others = [root / "Moby - Go.mp3", root / "untitled.mp3", root / "gone.mp3"]
    await tagged(service, others[1], artist="Massive Attack", title="Teardrop", track=5)
    answer = await ask(service, album + others)
    assert [(each["pattern"], each["count"], each["score"]) for each in answer["patterns"]] == [
        ("{track} - {artist} - {title}", 8, 0.5),
        ("{artist} - {title}", 1, 0.5),
    ]
    assert answer["patterns"][0]["share"] == pytest.approx(8 / 11, abs=1e-4)
    assert answer["patterns"][0]["examples"][0] == "01 - Orbital - Song 1.flac"
    assert answer["unmatched"] == [str(others[1]), str(others[2])]
    (suggestion,) = answer["suggestions"]
    assert (suggestion["file_path"], suggestion["recording_id"]) == (str(others[1]), "rec-untitled.mp3")
    assert suggestion["suggested_name"] == "05 - Massive Attack - Teardrop.mp3"
    assert 0.5 < suggestion["confidence"] <= 1
    assert suggestion["reason"] == "The name says nothing of the music; the tags do"


async def test_the_tags_of_a_file_give_it_its_name(service: LiveLibrary) -> None:
    await service.start(["metadata"])
    path = service.root / "audio track 7.flac"
    write_track(path, bpm=120, key="A minor", seconds=1, style="pop", tags={"title": "Halcyon", "artist": "Orbital"})
    await service.recording("rec", path)
    await service.publish("metadata.extract", EXAMPLES["metadata.extract"][0] | {"recording_id": "rec"})
    assert (await service.answer("metadata.extract.complete"))["success"]
    (suggestion,) = (await ask(service, [path]))["suggestions"]
    assert (suggestion["suggested_name"], suggestion["recording_id"]) == ("Orbital - Halcyon.flac", "rec")


async def test_only_what_was_asked_for_is_answered(service: LiveLibrary) -> None:
    paths = [service.root / "Moby_-_Go.mp3", service.root / "Orbital - Halcyon.mp3", service.root / "Moby - Go 2.mp3"]
    patterns = await ask(service, paths, detect_patterns=True, suggest_improvements=False)
    assert len(patterns["patterns"]) == 2
    assert patterns["suggestions"] == []
    names = await ask(service, paths, detect_patterns=False, suggest_improvements=True)
    assert names["patterns"] == names["unmatched"] == []
    assert [each["suggested_name"] for each in names["suggestions"]] == ["Moby - Go.mp3"]


async def test_a_suggested_name_can_be_given_to_the_file(service: LiveLibrary, place: Callable[..., Path]) -> None:
    path = place("untitled.mp3")
    await tagged(service, path, artist="AC/DC", title="What Do You Do for Money Honey?")
    (suggestion,) = (await ask(service, [path]))["suggestions"]
    await service.publish("rename.request", {key: suggestion[key] for key in ("file_path", "suggested_name")})
    answer = await service.answer("file_rename.response")
    assert answer["new_path"] == str(path.with_name(suggestion["suggested_name"]))
    assert [each.name for each in service.root.iterdir()] == ["AC-DC - What Do You Do for Money Honey.mp3"]
    document = await service.state.documents.get("rename", answer["rename_id"])
    assert document is not None
    assert document["pattern"] == suggestion["pattern"] == "{artist} - {title}"


async def test_feedback_moves_the_score_and_with_it_what_is_suggested_first(
    service: LiveLibrary, place: Callable[..., Path]
) -> None:
    rename_id = await _renamed(service, place("a.mp3"), "01 - Orbital - Chime.mp3")
    disliked = await _renamed(service, place("b.mp3"), "Orbital - Halcyon.mp3")
    paths = [service.root / name for name in ("01 - X - One.mp3", "02 - X - Two.mp3", "Y - Three.mp3", "Z - Four.mp3")]
    unknown = service.root / "untitled.mp3"
    await tagged(service, unknown, artist="Moby", title="Go", track=3)
    before = await ask(service, [*paths, unknown])
    assert [each["pattern"] for each in before["patterns"]] == ["{artist} - {title}", "{track} - {artist} - {title}"]
    assert [each["suggested_name"] for each in before["suggestions"]] == ["Moby - Go.mp3"]
    example = EXAMPLES["rename.feedback"][0] | {"feedback_type": "success", "rename_id": rename_id}
    for _ in range(2):
        await service.publish("rename.feedback", example, id="the-same")
    await service.publish(
        "rename.feedback", {"rename_id": disliked, "feedback_type": "failure", "message": "no number", "user_rating": 1}
    )
    await eventually(lambda: _scored(service, 2))
    after = await ask(service, [*paths, unknown])
    assert [each["pattern"] for each in after["patterns"]] == ["{track} - {artist} - {title}", "{artist} - {title}"]
    assert [each["score"] for each in after["patterns"]] == [0.6, 0.4]
    assert [each["suggested_name"] for each in after["suggestions"]] == ["03 - Moby - Go.mp3"]
    stored = await service.state.documents.find("rename_feedback", "rename", rename_id)
    assert stored == ["the-same"]


async def _renamed(library: LiveLibrary, path: Path, name: str) -> str:
    await library.publish("rename.request", {"file_path": str(path), "suggested_name": name})
    answer = await library.answer("file_rename.response")
    assert answer["success"], answer
    return str(answer["rename_id"])


async def _scored(library: LiveLibrary, patterns: int) -> bool:
    _, total = await library.state.documents.page("rename_pattern")
    return total == patterns and await library.depth(FEEDBACK) == 0 and library.held == 0


async def test_feedback_on_an_unknown_rename_goes_to_the_dead_letters(learning: LiveLibrary) -> None:
    await learning.publish("rename.feedback", EXAMPLES["rename.feedback"][0])
    assert (await learning.take(f"{FEEDBACK}.dlq")).headers[ERROR_CODE] == "UNKNOWN_RENAME"


@pytest.mark.parametrize(
    "fields",
    [
        {"rename_id": None},
        {"feedback_type": "meh"},
        {"user_rating": 6},
        {"user_rating": "five"},
        {"message": "x" * 5000},
    ],
)
async def test_feedback_that_is_not_valid_goes_to_the_dead_letters_and_the_next_is_taken(
    learning: LiveLibrary, place: Callable[..., Path], fields: dict[str, Any]
) -> None:
    rename_id = await _renamed(learning, place("a.mp3"), "Orbital - Chime.mp3")
    good = {"rename_id": rename_id, "feedback_type": "success", "user_rating": 5}
    await learning.publish("rename.feedback", good | fields)
    await learning.publish("rename.feedback", good)
    assert (await learning.take(f"{FEEDBACK}.dlq")).headers[ERROR_CODE] == "INVALID_MESSAGE"
    await eventually(lambda: _scored(learning, 1))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"file_paths": []},
        {"file_paths": "track.mp3"},
        {"file_paths": [7]},
        {"file_paths": ["/music/a.mp3"] * 10_001},
        {"file_paths": ["/music/a.mp3"], "options": {"detect_patterns": "some"}},
        b"\xff",
    ],
)
async def test_a_body_that_is_not_valid_goes_to_the_dead_letters_and_the_next_is_worked_on(
    service: LiveLibrary, body: Any
) -> None:
    await service.publish("rename.pattern.analyze", body)
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "INVALID_MESSAGE"
    assert (await ask(service, [service.root / "Moby - Go.mp3"]))["success"]
    assert await service.depth(ANSWERS) == 0


def _outside(library: LiveLibrary) -> Path:
    return library.root.parent / "Moby - Go.mp3"


def _dots(library: LiveLibrary) -> Path:
    return library.root / ".." / "Moby - Go.mp3"


def _relative(library: LiveLibrary) -> Path:
    return Path("Moby - Go.mp3")


def _link_out(library: LiveLibrary) -> Path:
    _outside(library).write_bytes(b"outside")
    (library.root / "link.mp3").symlink_to(_outside(library))
    return library.root / "link.mp3"


def _folder_link_out(library: LiveLibrary) -> Path:
    (library.root / "album").symlink_to(library.root.parent)
    return library.root / "album" / "Moby - Go.mp3"


@pytest.mark.parametrize("path_of", [_outside, _dots, _relative, _link_out, _folder_link_out])
async def test_a_request_with_a_path_out_of_the_library_is_refused(service: LiveLibrary, path_of: Any) -> None:
    paths = [str(service.root / "Moby - Go.mp3"), str(path_of(service))]
    await service.publish("rename.pattern.analyze", {"file_paths": paths, "correlation_id": "asked"})
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["error_code"], answer["correlation_id"]) == (False, "PATH_NOT_ALLOWED", "asked")
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "PATH_NOT_ALLOWED"
    assert (await ask(service, [service.root / "Moby - Go.mp3"]))["success"]


async def test_ten_thousand_names_with_tags_are_one_request(service: LiveLibrary) -> None:
    paths = [service.root / f"album {number // 12}" / f"file {number:05}.mp3" for number in range(10_000)]
    documents = service.state.documents
    for number, path in enumerate(paths[:1000]):
        await documents.put("recording", f"rec-{number}", {"path": str(path)}, unique={"path": str(path)})
        tags = {"artist": f"Artist {number % 77}", "title": f"Title {number}"}
        await documents.put("metadata", f"rec-{number}", {"id3_tags": tags})
    begin = time.monotonic()
    answer = await ask(service, paths)
    print(f"{len(paths)} names in {time.monotonic() - begin:.2f} s, {len(json.dumps(answer))} bytes")
    assert len(answer["unmatched"]) == 10_000
    assert len(answer["suggestions"]) == 1000
    assert answer["suggestions"][999]["suggested_name"] == "Artist 75 - Title 999.mp3"
