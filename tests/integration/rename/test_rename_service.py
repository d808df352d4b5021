"""`rename.request` through the real broker and store: what happens to the file, what is answered, what is refused."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.dlq.queues import find_queue
from pipeline.dlq.replay import replay
from pipeline.messages.message import ERROR_CODE
from stages.contracts import RenameRequest
from stages.examples import EXAMPLES
from stages.rename import request
from tests.live_library import LiveLibrary, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

QUEUE, ANSWERS = "file_rename.request", "file_rename.response"


async def test_the_documents_example_renames_the_file_and_is_answered(service: LiveLibrary, place) -> None:
    path = place("track.mp3", b"the song")
    example = EXAMPLES["rename.request"][0] | {"file_path": str(path)}
    await service.recording("rec", path)
    asked = await service.publish("rename.request", example)
    answer = await service.answer(ANSWERS)
    assert {name: path.read_bytes() for name, path in _files(service).items()} == {
        "Artist - Track Title.mp3": b"the song"
    }
    assert answer == EXAMPLES["rename.response"][0] | {
        "original_path": str(path),
        "new_path": str(path.with_name("Artist - Track Title.mp3")),
        "correlation_id": example["correlation_id"],
        "rename_id": answer["rename_id"],
        "job_id": asked,
        "backup_path": None,
        "error_code": None,
    }
    document = await service.state.documents.get("rename", answer["rename_id"])
    assert document is not None
    assert (document["state"], document["recording_id"]) == ("done", "rec")
    assert (document["original_path"], document["new_path"]) == (str(path), answer["new_path"])
    frame = await service.ended(asked)
    assert (frame["recording_id"], frame["job_id"]) == ("rec", asked)
    assert frame["data"]["type"] == "rename_complete"
    assert frame["data"]["results"]["new_name"] == "Artist - Track Title.mp3"
    assert frame["data"]["results"]["rename_id"] == answer["rename_id"]


async def test_a_backup_is_made_where_it_is_asked_for(service: LiveLibrary, place) -> None:
    path = place("track.mp3", b"the song")
    options = {"preserve_extension": True, "backup_original": True}
    await service.publish("rename.request", _request(path, "Title.mp3", options=options))
    answer = await service.answer(ANSWERS)
    assert answer["backup_path"] == f"{path}.bak"
    assert {name: path.read_bytes() for name, path in _files(service).items()} == {
        "Title.mp3": b"the song",
        "track.mp3.bak": b"the song",
    }


async def test_a_request_that_comes_twice_renames_once_and_is_answered_once(service: LiveLibrary, place) -> None:
    path = place("track.mp3", b"the song")
    options = {"backup_original": True}
    for _ in range(3):
        await service.publish("rename.request", _request(path, "Title.mp3", options=options), id="the-same")
    assert (await service.answer(ANSWERS))["success"]
    await eventually(lambda: _at_rest(service))
    assert await service.depth(ANSWERS) == await service.depth(f"{QUEUE}.dlq") == 0
    assert sorted(_files(service)) == ["Title.mp3", "track.mp3.bak"]


@pytest.mark.parametrize("said", [{}, {"state": "intended", "backup_path": None}], ids=["done", "intended"])
async def test_a_rename_whose_worker_died_before_it_answered_is_answered_when_it_comes_again(
    service: LiveLibrary, place, interrupted, said: dict[str, Any]
) -> None:
    path = place("track.mp3", b"the song")
    body = _request(path, "Title.mp3", options={"backup_original": True})
    emit, _ = await request.rename(RenameRequest.model_validate(body), interrupted("rename.request", "the-same"))
    rename_id = emit.body.rename_id
    document = await service.state.documents.get("rename", rename_id)
    assert document is not None
    await service.state.documents.put("rename", rename_id, document | said)
    await service.publish("rename.request", body, id="the-same")
    assert await service.answer(ANSWERS) == emit.body.model_dump(mode="json")
    assert sorted(_files(service)) == ["Title.mp3", "track.mp3.bak"]
    stored = await service.state.documents.get("rename", rename_id)
    assert stored is not None
    assert (stored["state"], stored["backup_path"]) == ("done", f"{path}.bak")


async def test_the_extension_is_kept_whatever_was_suggested(service: LiveLibrary, place) -> None:
    path = place("track.flac")
    await service.publish("rename.request", _request(path, "Title.mp3"))
    assert (await service.answer(ANSWERS))["new_path"] == str(path.with_name("Title.flac"))


async def test_another_extension_of_audio_is_given_where_it_is_asked_for(service: LiveLibrary, place, refused) -> None:
    path = place("track.oga")
    options = {"preserve_extension": False}
    refusal = await refused(_request(path, "Title.exe", options=options))
    assert refusal["error_code"] == "UNSUPPORTED_FORMAT"
    await service.publish("rename.request", _request(path, "Title.ogg", options=options))
    assert (await service.answer(ANSWERS))["new_path"] == str(path.with_name("Title.ogg"))


@pytest.mark.parametrize(
    ("suggested", "name"),
    [
        ("é" * 400 + ".mp3", "é" * 125 + ".mp3"),
        ("東京事変 – 群青日和 🎵.mp3", "東京事変 – 群青日和 🎵.mp3"),
        ("CON.mp3", "CON_.mp3"),
        ("What? A: Title...", "What A- Title.mp3"),
    ],
)
async def test_a_name_is_made_fit_for_every_file_system(service: LiveLibrary, place, suggested: str, name: str) -> None:
    path = place("Ein Lied.mp3")
    await service.publish("rename.request", _request(path, suggested))
    assert (await service.answer(ANSWERS))["new_path"] == str(path.with_name(name))
    assert list(_files(service)) == [name]


@pytest.mark.parametrize(
    "body",
    [
        {"suggested_name": "Title.mp3"},
        {"file_path": "/music/track.mp3"},
        {"file_path": ["/music/track.mp3"], "suggested_name": "Title.mp3"},
        {"file_path": "/music/track.mp3", "suggested_name": 7},
        {"file_path": "/music/track.mp3", "suggested_name": ""},
        {"file_path": "/music/track.mp3", "suggested_name": "x" * 1025},
        {"file_path": "/music/track.mp3", "suggested_name": "Title.mp3", "options": {"backup_original": "perhaps"}},
        {"file_path": "/music/a\0b.mp3", "suggested_name": "Title.mp3"},
        b'{"file_path": "/music/track.mp3", "suggested_name": "\\ud800"}',
        b"[",
    ],
)
async def test_a_body_that_is_not_valid_goes_to_the_dead_letters_and_the_next_is_worked_on(
    body: Any, service: LiveLibrary, place
) -> None:
    await service.publish("rename.request", body)
    await service.publish("rename.request", _request(place("track.mp3"), "Title.mp3"))
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "INVALID_MESSAGE"
    assert (await service.answer(ANSWERS))["success"]


@pytest.mark.parametrize("suggested", ["../Title.mp3", "/etc/Title.mp3", "..\\Title.mp3", "..", "a\0b.mp3", "a\nb.mp3"])
async def test_a_name_with_a_path_or_control_characters_in_it_is_refused(
    service: LiveLibrary, place, refused, suggested: str
) -> None:
    path = place("album/track.mp3")
    refusal = await refused(_request(path, suggested))
    assert (refusal["error_code"], refusal["original_path"], refusal["new_path"]) == ("INVALID_NAME", str(path), None)
    assert os.listdir(path.parent) == ["track.mp3"]
    await _still_works(service, place)


@pytest.mark.parametrize("there", ["Title.mp3", "TITLE.MP3"])
async def test_a_file_that_has_the_name_is_not_overwritten(service: LiveLibrary, place, refused, there: str) -> None:
    path = place("track.mp3", b"mine")
    place(there, b"another's")
    refusal = await refused(_request(path, "Title.mp3", options={"backup_original": True}))
    assert refusal["error_code"] == "TARGET_EXISTS"
    assert {name: path.read_bytes() for name, path in _files(service).items()} == {
        "track.mp3": b"mine",
        there: b"another's",
    }
    document = await service.state.documents.get("rename", refusal["rename_id"])
    assert document is not None
    assert (document["state"], document["error_code"]) == ("failed", "TARGET_EXISTS")
    await _still_works(service, place)


def _vanished(library: LiveLibrary) -> Path:
    return library.root / "gone.mp3"


def _outside(library: LiveLibrary) -> Path:
    path = library.root.parent / "outside.mp3"
    path.write_bytes(b"outside")
    return path


def _dots(library: LiveLibrary) -> Path:
    return library.root / ".." / _outside(library).name


def _link_out(library: LiveLibrary) -> Path:
    (library.root / "link.mp3").symlink_to(_outside(library))
    return library.root / "link.mp3"


def _folder_link_out(library: LiveLibrary) -> Path:
    (library.root / "album").symlink_to(_outside(library).parent)
    return library.root / "album" / "outside.mp3"


def _relative(library: LiveLibrary) -> Path:
    return Path("track.mp3")


def _folder(library: LiveLibrary) -> Path:
    (library.root / "folder.mp3").mkdir()
    return library.root / "folder.mp3"


def _empty(library: LiveLibrary) -> Path:
    (library.root / "empty.mp3").touch()
    return library.root / "empty.mp3"


def _other_type(library: LiveLibrary) -> Path:
    (library.root / "notes.txt").write_text("no music")
    return library.root / "notes.txt"


@pytest.mark.parametrize(
    ("path_of", "code"),
    [
        (_vanished, "FILE_NOT_FOUND"),
        (_outside, "PATH_NOT_ALLOWED"),
        (_dots, "PATH_NOT_ALLOWED"),
        (_link_out, "PATH_NOT_ALLOWED"),
        (_folder_link_out, "PATH_NOT_ALLOWED"),
        (_relative, "PATH_NOT_ALLOWED"),
        (_folder, "FILE_UNREADABLE"),
        (_empty, "FILE_EMPTY"),
        (_other_type, "UNSUPPORTED_FORMAT"),
    ],
)
async def test_a_file_that_may_not_be_renamed_is_left_where_it_is(
    service: LiveLibrary, place, refused, path_of: Any, code: str
) -> None:
    path = path_of(service)
    before = sorted(service.root.parent.rglob("*"))
    refusal = await refused(_request(path, "Title.mp3"))
    assert (refusal["error_code"], refusal["correlation_id"]) == (code, "asked")
    assert sorted(service.root.parent.rglob("*")) == before
    await _still_works(service, place)


async def test_a_folder_that_cannot_be_written_to_is_said_to_be_so(
    service: LiveLibrary, place, refused, as_nobody, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place("closed/track.mp3")
    path.chmod(0o644)
    path.parent.chmod(0o555)
    with monkeypatch.context() as patch:
        patch.setattr(request, "carried_out", as_nobody(request.carried_out))
        for backup in (True, False):
            refusal = await refused(_request(path, "Title.mp3", options={"backup_original": backup}))
            assert refusal["error_code"] == "FOLDER_NOT_WRITABLE"
    assert os.listdir(path.parent) == ["track.mp3"]
    path.parent.chmod(0o755)
    await _still_works(service, place)


async def test_of_several_requests_for_one_name_one_is_fulfilled(library: LiveLibrary, place) -> None:
    for _ in range(2):
        await library.start(["rename"])
    for number in range(6):
        path = place(f"track {number}.mp3", str(number).encode())
        await library.publish("rename.request", _request(path, "Title.mp3" if number % 2 else "TITLE.mp3"))
    answers = [await library.answer(ANSWERS) for _ in range(6)]
    assert Counter(answer["error_code"] for answer in answers) == {None: 1, "TARGET_EXISTS": 5}
    assert sorted(path.read_bytes() for path in _files(library).values()) == [str(each).encode() for each in range(6)]
    codes = [(await library.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] for _ in range(5)]
    assert set(codes) == {"TARGET_EXISTS"}


async def test_a_request_from_the_dead_letters_is_fulfilled_once_nothing_is_in_its_way(
    service: LiveLibrary, place
) -> None:
    path, other = place("track.mp3", b"mine"), place("Title.mp3", b"another's")
    await service.publish("rename.request", _request(path, "Title.mp3"))
    refusal = await service.answer(ANSWERS)
    assert refusal["error_code"] == "TARGET_EXISTS"
    other.unlink()
    await eventually(lambda: _has_letter(service))
    assert (await replay(service.broker, find_queue(service.topology, QUEUE))).replayed == 1
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["rename_id"]) == (True, refusal["rename_id"])
    assert _files(service)["Title.mp3"].read_bytes() == b"mine"


async def test_requests_for_one_file_are_carried_out_in_their_order(service: LiveLibrary, place) -> None:
    path = place("1.mp3")
    for number in range(1, 6):
        await service.publish("rename.request", _request(path.with_name(f"{number}.mp3"), f"{number + 1}.mp3"))
    for _ in range(5):
        assert (await service.answer(ANSWERS))["success"]
    assert list(_files(service)) == ["6.mp3"]


def _request(path: Path, suggested: str, **fields: Any) -> dict[str, Any]:
    return {"file_path": str(path), "suggested_name": suggested, "correlation_id": "asked", **fields}


def _files(library: LiveLibrary) -> dict[str, Path]:
    return {path.name: path for path in library.root.iterdir()}


async def _still_works(library: LiveLibrary, place: Any) -> None:
    path = place("good/song.mp3")
    await library.publish("rename.request", _request(path, "Good.mp3"))
    answer = await asyncio.wait_for(library.answer(ANSWERS), 30)
    assert (answer["success"], answer["new_path"]) == (True, str(path.with_name("Good.mp3")))


async def _has_letter(library: LiveLibrary) -> bool:
    return await library.depth(f"{QUEUE}.dlq") == 1


async def _at_rest(library: LiveLibrary) -> bool:
    delays = [f"{library.topology.name}.retry.{delay}" for delay in ("5s", "30s", "2m")]
    waiting = [await library.depth(name) for name in (QUEUE, *delays)]
    return not any(waiting) and library.held == 0
