from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.watcher.readers import read_file

Start = Callable[..., Any]
OnDisk = Callable[[Path], dict[str, str]]


def fill(music: Path, *names: str) -> None:
    """Files that were finished long ago."""
    for name in names:
        path = music / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (1_000_000_000, 1_000_000_000))


async def test_files_there_at_the_start_are_discovered_in_the_order_of_their_names(
    music: Path, start_watching: Start
) -> None:
    fill(music, "b/2.flac", "b/1.mp3", "a/9.ogg", "z.wav", "B.mp3")
    watching = start_watching()
    await watching.until(lambda: len(watching.events) == 5)
    found = [event["file_info"]["path"].removeprefix(f"{music}/") for event in watching.events]
    assert found == ["B.mp3", "z.wav", "a/9.ogg", "b/1.mp3", "b/2.flac"]


async def test_discovered_file_has_the_shape_of_the_contract(music: Path, start_watching: Start) -> None:
    fill(music, "Song.MP3")
    event = await start_watching().event("file.discovered", music / "Song.MP3")
    assert event["event_type"] == "file_discovered"
    assert event["file_info"].keys() == {"path", "extension", "size_bytes", "sha256_hash", "xxh128_hash"}
    assert (event["file_info"]["extension"], event["file_info"]["size_bytes"]) == (".mp3", 8)
    assert event["file_type"] == event["format_family"] == "mp3"


async def test_thousand_files_are_each_discovered_once(music: Path, start_watching: Start, on_disk: OnDisk) -> None:
    fill(music, *(f"{number % 7}/{number % 11}/{number}.mp3" for number in range(1000)))
    watching = start_watching()
    await watching.until(lambda: watching.library() == on_disk(music))
    await watching.everything_before(music / "last.mp3")
    assert len(watching.events) == 1001


async def test_file_still_being_written_at_the_start_is_discovered_when_it_is_finished(
    music: Path, start_watching: Start, on_disk: OnDisk
) -> None:
    with (music / "slow.mp3").open("wb", buffering=0) as file:
        file.write(b"first part")
        watching = start_watching(settle=60.0)
        await watching.observing()
        file.write(b", second part")
    await watching.event("file.discovered", music / "slow.mp3")
    assert watching.library() == on_disk(music)
    assert len(watching.events) == 1


async def test_identity_is_the_same_for_the_same_content_and_differs_between_runs(
    music: Path, start_watching: Start
) -> None:
    fill(music, "a.mp3", "b.mp3")
    identities = []
    for _ in range(2):
        watching = start_watching()
        await watching.until(lambda watching=watching: len(watching.emits) == 2)
        identities += [emit.identity for emit in watching.emits]
    assert len(set(identities)) == 4
    assert None not in identities


async def test_limit_takes_in_the_first_files_and_follows_changes_of_all(music: Path, start_watching: Start) -> None:
    fill(music, *(f"{number}.mp3" for number in range(9)))
    watching = start_watching(limit=3, rescan=0.1)
    await watching.event("file.discovered", music / "2.mp3")
    (music / "7.mp3").write_bytes(b"changed")
    await watching.event("file.created", music / "7.mp3")
    (music / "new.mp3").write_bytes(b"new")
    await watching.event("file.created", music / "new.mp3")
    await watching.until(lambda: watching.rescanned() >= 2)
    await watching.everything_before(music / "last.mp3")
    assert [message for message, _ in watching.told()] == ["discovered"] * 3 + ["created"] * 3


async def test_hidden_partial_and_other_files_are_left_out(music: Path, start_watching: Start) -> None:
    left_out = [".hidden.mp3", ".git/a.mp3", "a.mp3.part", "a.mp3.crdownload", "cover.jpg", "@eaDir/a.mp3", "mp3"]
    fill(music, *left_out, "song.mp3")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    fill(music, *(f"later/{name}" for name in left_out))
    await watching.everything_before(music / "last.mp3")
    assert watching.told() == [("discovered", "song.mp3"), ("created", "last.mp3")]


async def test_names_to_ignore_can_be_given(music: Path, start_watching: Start) -> None:
    fill(music, "demo/a.mp3", "Live Album/b.mp3", "c.mp3", ".d.mp3")
    watching = start_watching(ignore=["demo", "Live *"])
    await watching.until(lambda: len(watching.events) == 2)
    assert watching.told() == [("discovered", ".d.mp3"), ("discovered", "c.mp3")]


async def test_folders_named_like_music_pipes_and_dangling_links_are_left_out(
    music: Path, start_watching: Start
) -> None:
    (music / "folder.mp3").mkdir()
    os.mkfifo(music / "pipe.mp3")
    (music / "dangling.mp3").symlink_to(music / "nowhere.mp3")
    (music / "itself.mp3").symlink_to(music / "itself.mp3")
    fill(music, "song.mp3")
    watching = start_watching()
    await watching.observing()
    await watching.everything_before(music / "last.mp3")
    assert watching.told() == [("discovered", "song.mp3"), ("created", "last.mp3")]


async def test_links_are_followed_to_files_inside_only(music: Path, start_watching: Start, tmp_path: Path) -> None:
    fill(tmp_path, "outside/secret.mp3")
    fill(music, "Album/song.mp3")
    (music / "inside.mp3").symlink_to(music / "Album" / "song.mp3")
    (music / "outside.mp3").symlink_to(tmp_path / "outside" / "secret.mp3")
    (music / "folder").symlink_to(tmp_path / "outside")
    (music / "Album" / "loop").symlink_to(music)
    watching = start_watching()
    await watching.observing()
    await watching.everything_before(music / "last.mp3")
    assert sorted(watching.told()) == [
        ("created", "last.mp3"),
        ("discovered", "inside.mp3"),
        ("discovered", "song.mp3"),
    ]


async def test_name_that_is_not_utf_8_is_left_out_with_a_warning(music: Path, start_watching: Start) -> None:
    fill(music, "song.mp3")
    (music / os.fsdecode(b"caf\xe9.mp3")).write_bytes(b"x")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    (music / os.fsdecode(b"late\xff.mp3")).write_bytes(b"x")
    await watching.everything_before(music / "last.mp3")
    assert watching.told() == [("discovered", "song.mp3"), ("created", "last.mp3")]
    warned = str([line for line in watching.log.lines if line[0] == "warning"])
    assert "caf\\\\xe9.mp3" in warned
    assert "late\\\\xff.mp3" in warned


@pytest.mark.parametrize("name", ["новая песня.mp3", "日本語/曲.mp3", "line\nbreak.mp3", "e\u0301.mp3", '"quoted".mp3'])
async def test_any_utf_8_name_is_announced_as_it_is(music: Path, start_watching: Start, name: str) -> None:
    fill(music, name)
    watching = start_watching()
    await watching.event("file.discovered", music / name)


class Unreadable:
    """Fails for one path, as the operating system would; root may read everything."""

    def __init__(self, path: Path, error: OSError, times: int) -> None:
        self.path = str(path)
        self.error = error
        self.times = times

    def __call__(self, path: str, abandoned: Callable[[], bool]) -> Any:
        if path == self.path and self.times > 0:
            self.times -= 1
            raise self.error
        return read_file(path, abandoned)


async def test_unreadable_file_is_announced_without_hashes_and_with_the_reason(
    music: Path, start_watching: Start
) -> None:
    fill(music, "a.mp3", "broken.mp3", "c.mp3")
    denied = Unreadable(music / "broken.mp3", PermissionError(13, "Permission denied"), times=1)
    watching = start_watching(read=denied)
    await watching.until(lambda: len(watching.events) == 3)
    event = watching.events[1]
    assert event["file_info"].keys() == {"path", "extension", "size_bytes"}
    assert (event["error_code"], event["error"]) == ("FILE_UNREADABLE", "Permission denied")
    assert watching.told() == [("discovered", "a.mp3"), ("discovered", "broken.mp3"), ("discovered", "c.mp3")]


async def test_file_that_becomes_readable_is_modified(music: Path, start_watching: Start) -> None:
    fill(music, "song.mp3")
    watching = start_watching(read=Unreadable(music / "song.mp3", PermissionError(13, "Permission denied"), times=2))
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").chmod(0o640)
    await watching.until(lambda: sum(event == "a file cannot be read" for _, event, _ in watching.log.lines) == 2)
    (music / "song.mp3").chmod(0o644)
    event = await watching.event("file.modified", music / "song.mp3")
    assert event["sha256_hash"]
    assert "error_code" not in event
    assert len(watching.events) == 2


async def test_read_error_that_passes_is_not_announced(music: Path, start_watching: Start) -> None:
    fill(music, "song.mp3")
    watching = start_watching(read=Unreadable(music / "song.mp3", OSError(5, "Input/output error"), times=2))
    event = await watching.event("file.discovered", music / "song.mp3")
    assert event["file_info"]["sha256_hash"]
    assert "error_code" not in event


async def test_read_error_that_stays_is_announced(music: Path, start_watching: Start) -> None:
    fill(music, "song.mp3")
    watching = start_watching(read=Unreadable(music / "song.mp3", OSError(5, "Input/output error"), times=3))
    event = await watching.event("file.discovered", music / "song.mp3")
    assert (event["error_code"], event["error"]) == ("FILE_UNREADABLE", "Input/output error")


async def test_file_that_vanishes_before_it_is_read_is_not_announced(music: Path, start_watching: Start) -> None:
    fill(music, "a.mp3", "b.mp3")

    def vanishing(path: str, abandoned: Callable[[], bool]) -> Any:
        (music / "a.mp3").unlink(missing_ok=True)
        return read_file(path, abandoned)

    watching = start_watching(read=vanishing)
    await watching.event("file.discovered", music / "b.mp3")
    await watching.everything_before(music / "last.mp3")
    assert watching.told() == [("discovered", "b.mp3"), ("created", "last.mp3")]


async def test_file_renamed_before_the_scan_reaches_it_is_announced_once(
    music: Path, start_watching: Start, on_disk: OnDisk
) -> None:
    fill(music, "a.mp3", "z.mp3")

    def renaming(path: str, abandoned: Callable[[], bool]) -> Any:
        if path.endswith("a.mp3"):
            (music / "z.mp3").rename(music / "y.mp3")
        return read_file(path, abandoned)

    watching = start_watching(read=renaming, readers=1)
    await watching.event("file.created", music / "y.mp3")
    assert watching.library() == on_disk(music)
