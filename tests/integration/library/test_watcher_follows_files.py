from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xxhash

Start = Callable[..., Any]
OnDisk = Callable[[Path], dict[str, str]]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def test_new_file_is_created_with_its_size_hashes_type_and_folder(music: Path, start_watching: Start) -> None:
    watching = start_watching(instance_id="watcher-7")
    await watching.observing()
    path = music / "Artist" / "Album" / "Song.MP3"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"sound")
    event = await watching.event("file.created", path)
    assert event["event_type"] == "created"
    assert event["size_bytes"] == 5
    assert event["sha256_hash"] == sha256(b"sound")
    assert event["xxh128_hash"] == xxhash.xxh128(b"sound").hexdigest()
    assert event["file_type"] == event["format_family"] == "mp3"
    assert event["watched_directory"] == str(music)
    assert event["instance_id"] == "watcher-7"
    assert "old_path" not in event
    assert "error_code" not in event


async def test_file_is_not_announced_before_its_writer_closes_it(music: Path, start_watching: Start) -> None:
    watching = start_watching(settle=60.0)
    await watching.observing()
    with (music / "slow.mp3").open("wb", buffering=0) as file:
        for part in range(5):
            file.write(bytes([part]) * 1000)
            await watching.everything_before(music / f"other{part}.mp3")
            assert ("created", "slow.mp3") not in watching.told()
    event = await watching.event("file.created", music / "slow.mp3")
    assert event["sha256_hash"] == sha256((music / "slow.mp3").read_bytes())
    assert watching.told().count(("created", "slow.mp3")) == 1


async def test_file_that_stays_open_is_announced_when_it_has_settled(music: Path, start_watching: Start) -> None:
    watching = start_watching()
    await watching.observing()
    with (music / "open.mp3").open("wb", buffering=0) as file:
        file.write(b"so far")
        assert (await watching.event("file.created", music / "open.mp3"))["sha256_hash"] == sha256(b"so far")
        file.write(b", and more")
    event = await watching.event("file.modified", music / "open.mp3")
    assert event["sha256_hash"] == sha256(b"so far, and more")


async def test_empty_file_is_announced_with_size_zero_and_real_hashes(music: Path, start_watching: Start) -> None:
    watching = start_watching()
    await watching.observing()
    (music / "empty.mp3").touch()
    event = await watching.event("file.created", music / "empty.mp3")
    assert (event["size_bytes"], event["sha256_hash"]) == (0, sha256(b""))


async def test_empty_file_that_is_filled_at_once_is_announced_full(music: Path, start_watching: Start) -> None:
    watching = start_watching(settle=5.0)
    await watching.observing()
    (music / "a.mp3").touch()
    (music / "a.mp3").write_bytes(b"full")
    assert (await watching.event("file.created", music / "a.mp3"))["size_bytes"] == 4


@pytest.mark.parametrize(
    "temporary", [".song.mp3.Xa81Zk", "song.mp3.part", "song.crdownload", ".syncthing.song.mp3.tmp"]
)
async def test_file_written_under_a_temporary_name_is_created_once_under_its_own(
    music: Path, start_watching: Start, temporary: str
) -> None:
    watching = start_watching()
    await watching.observing()
    (music / temporary).write_bytes(b"sound")
    await watching.everything_before(music / "first.mp3")
    (music / temporary).rename(music / "song.mp3")
    event = await watching.event("file.created", music / "song.mp3")
    assert event["sha256_hash"] == sha256(b"sound")
    assert "old_path" not in event
    assert watching.told() == [("created", "first.mp3"), ("created", "song.mp3")]


async def test_saving_over_a_file_by_renaming_is_a_modification(music: Path, start_watching: Start) -> None:
    (music / "song.mp3").write_bytes(b"before")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    (music / ".song.tmp").write_bytes(b"after")
    (music / ".song.tmp").replace(music / "song.mp3")
    assert (await watching.event("file.modified", music / "song.mp3"))["sha256_hash"] == sha256(b"after")
    assert watching.told() == [("discovered", "song.mp3"), ("modified", "song.mp3")]


async def test_changed_content_is_modified_even_where_size_and_time_stay(music: Path, start_watching: Start) -> None:
    path = music / "song.mp3"
    path.write_bytes(b"before")
    watching = start_watching()
    await watching.event("file.discovered", path)
    status = path.stat()
    path.write_bytes(b"after!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (await watching.event("file.modified", path))["sha256_hash"] == sha256(b"after!")


async def test_content_written_through_a_mapping_is_modified_though_no_time_changes(
    music: Path, start_watching: Start
) -> None:
    path = music / "mapped.mp3"
    path.write_bytes(b"before")
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 6) as content:
        content[:] = b"so far"
        watching = start_watching()
        await watching.until(lambda: watching.library() == {str(path): sha256(b"so far")})
        content[:] = b"at end"
    await watching.until(lambda: watching.library() == {str(path): sha256(b"at end")})


async def test_writing_the_same_content_again_announces_nothing(music: Path, start_watching: Start) -> None:
    (music / "song.mp3").write_bytes(b"same")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").write_bytes(b"same")
    os.utime(music / "song.mp3", (1, 1))
    (music / "song.mp3").chmod(0o600)
    await watching.everything_before(music / "last.mp3")
    assert watching.told() == [("discovered", "song.mp3"), ("created", "last.mp3")]


async def test_new_name_in_the_same_folder_is_renamed_and_keeps_the_hashes(music: Path, start_watching: Start) -> None:
    (music / "old.mp3").write_bytes(b"sound")
    watching = start_watching()
    await watching.event("file.discovered", music / "old.mp3")
    (music / "old.mp3").rename(music / "new.mp3")
    event = await watching.event("file.renamed", music / "new.mp3")
    assert event["event_type"] == "renamed"
    assert event["old_path"] == str(music / "old.mp3")
    assert event["sha256_hash"] == sha256(b"sound")
    await watching.everything_before(music / "last.mp3")
    assert watching.told() == [("discovered", "old.mp3"), ("renamed", "new.mp3"), ("created", "last.mp3")]


async def test_other_folder_is_moved(music: Path, start_watching: Start) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    (music / "Album").mkdir()
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").rename(music / "Album" / "song.mp3")
    event = await watching.event("file.moved", music / "Album" / "song.mp3")
    assert (event["event_type"], event["old_path"]) == ("moved", str(music / "song.mp3"))


async def test_file_changed_after_its_renaming_is_renamed_and_then_modified(music: Path, start_watching: Start) -> None:
    (music / "old.mp3").write_bytes(b"before")
    watching = start_watching()
    await watching.event("file.discovered", music / "old.mp3")
    (music / "old.mp3").rename(music / "new.mp3")
    (music / "new.mp3").write_bytes(b"after, longer")
    await watching.event("file.renamed", music / "new.mp3")
    assert (await watching.event("file.modified", music / "new.mp3"))["sha256_hash"] == sha256(b"after, longer")


async def test_renaming_over_another_file_is_one_event(music: Path, start_watching: Start) -> None:
    (music / "a.mp3").write_bytes(b"a")
    (music / "b.mp3").write_bytes(b"b")
    watching = start_watching()
    await watching.event("file.discovered", music / "b.mp3")
    (music / "a.mp3").replace(music / "b.mp3")
    assert (await watching.event("file.renamed", music / "b.mp3"))["sha256_hash"] == sha256(b"a")
    await watching.everything_before(music / "last.mp3")
    assert watching.told()[2:] == [("renamed", "b.mp3"), ("created", "last.mp3")]


async def test_renamed_folder_moves_each_file_in_it_without_reading_them_again(
    music: Path, start_watching: Start, on_disk: OnDisk
) -> None:
    for number in range(120):
        path = music / "Old" / f"disc {number % 3}" / f"{number}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(number).encode())
    from stages.watcher.readers import read_file

    read: list[str] = []

    def counting(path: str, abandoned: Any) -> Any:
        read.append(path)
        return read_file(path, abandoned)

    watching = start_watching(read=counting)
    await watching.until(lambda: len(watching.events) == 120)
    (music / "Old").rename(music / "New")
    await watching.until(lambda: watching.library() == on_disk(music))
    moves = watching.events[120:]
    assert {event["message"] for event in moves} == {"file.moved"}
    assert {event["file_path"].replace("New", "Old") for event in moves} == {event["old_path"] for event in moves}
    assert len(read) == 120


async def test_file_put_in_a_renamed_folder_is_followed(music: Path, start_watching: Start) -> None:
    (music / "Old").mkdir()
    watching = start_watching()
    await watching.observing()
    (music / "Old").rename(music / "New")
    await watching.everything_before(music / "first.mp3")
    (music / "New" / "song.mp3").write_bytes(b"sound")
    await watching.event("file.created", music / "New" / "song.mp3")


async def test_deleted_file_carries_neither_hashes_nor_size(music: Path, start_watching: Start) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").unlink()
    event = await watching.event("file.deleted", music / "song.mp3")
    assert event["event_type"] == "deleted"
    assert not event.keys() & {"sha256_hash", "xxh128_hash", "size_bytes", "old_path", "format_family"}


async def test_deleted_folder_deletes_each_file_in_it(music: Path, start_watching: Start) -> None:
    for name in ("a", "b", "c/d"):
        (music / "Album" / name).parent.mkdir(parents=True, exist_ok=True)
        (music / "Album" / f"{name}.mp3").write_bytes(name.encode())
    watching = start_watching()
    await watching.until(lambda: len(watching.events) == 3)
    shutil.rmtree(music / "Album")
    await watching.until(lambda: len(watching.events) == 6)
    assert sorted(watching.told()[3:]) == [("deleted", "a.mp3"), ("deleted", "b.mp3"), ("deleted", "d.mp3")]


async def test_file_that_comes_back_after_its_deletion_is_created(music: Path, start_watching: Start) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").unlink()
    await watching.event("file.deleted", music / "song.mp3")
    (music / "song.mp3").write_bytes(b"sound")
    assert (await watching.event("file.created", music / "song.mp3"))["sha256_hash"] == sha256(b"sound")


async def test_file_replaced_at_once_by_other_content_is_modified(music: Path, start_watching: Start) -> None:
    (music / "song.mp3").write_bytes(b"before")
    watching = start_watching(pairing=30.0)
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").unlink()
    (music / "song.mp3").write_bytes(b"after")
    assert (await watching.event("file.modified", music / "song.mp3"))["sha256_hash"] == sha256(b"after")
    assert watching.told() == [("discovered", "song.mp3"), ("modified", "song.mp3")]


async def test_deletion_and_a_copy_elsewhere_are_paired_by_content(music: Path, start_watching: Start) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    (music / "Album").mkdir()
    watching = start_watching(pairing=30.0)
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").unlink()
    (music / "Album" / "song.mp3").write_bytes(b"sound")
    event = await watching.event("file.moved", music / "Album" / "song.mp3")
    assert event["old_path"] == str(music / "song.mp3")


async def test_copy_of_a_file_that_stays_is_created(music: Path, start_watching: Start) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    shutil.copy(music / "song.mp3", music / "copy.mp3")
    (music / "hard link.mp3").hardlink_to(music / "song.mp3")
    await watching.event("file.created", music / "copy.mp3")
    await watching.event("file.created", music / "hard link.mp3")


async def test_file_moved_out_is_deleted_and_moved_in_is_created(
    music: Path, start_watching: Start, tmp_path: Path
) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").rename(tmp_path / "song.mp3")
    await watching.event("file.deleted", music / "song.mp3")
    (tmp_path / "song.mp3").rename(music / "back.mp3")
    assert (await watching.event("file.created", music / "back.mp3"))["sha256_hash"] == sha256(b"sound")


async def test_file_that_leaves_and_returns_under_another_name_at_once_is_renamed(
    music: Path, start_watching: Start, tmp_path: Path
) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    watching = start_watching(pairing=30.0)
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").rename(tmp_path / "song.mp3")
    (tmp_path / "song.mp3").rename(music / "back.mp3")
    assert (await watching.event("file.renamed", music / "back.mp3"))["old_path"] == str(music / "song.mp3")


async def test_folder_moved_out_deletes_and_moved_in_creates_each_file(
    music: Path, start_watching: Start, tmp_path: Path
) -> None:
    (music / "Album").mkdir()
    for name in ("a.mp3", "b.mp3"):
        (music / "Album" / name).write_bytes(name.encode())
    watching = start_watching()
    await watching.until(lambda: len(watching.events) == 2)
    (music / "Album").rename(tmp_path / "Album")
    await watching.until(lambda: len(watching.events) == 4)
    (tmp_path / "Album").rename(music / "Album")
    await watching.until(lambda: len(watching.events) == 6)
    assert [message for message, _ in watching.told()] == ["discovered"] * 2 + ["deleted"] * 2 + ["created"] * 2


async def test_folder_moved_out_while_its_path_is_used_anew_does_not_end_the_watching(
    music: Path, start_watching: Start, tmp_path: Path
) -> None:
    (music / "Album").mkdir()
    (music / "Album" / "a.mp3").write_bytes(b"a")
    watching = start_watching()
    await watching.event("file.discovered", music / "Album" / "a.mp3")
    (music / "Album").rename(tmp_path / "out")
    await watching.event("file.deleted", music / "Album" / "a.mp3")
    (music / "Album").mkdir()
    (music / "Album" / "b.mp3").write_bytes(b"b")
    await watching.event("file.created", music / "Album" / "b.mp3")
    shutil.rmtree(music / "Album")
    await watching.event("file.deleted", music / "Album" / "b.mp3")
    shutil.rmtree(tmp_path / "out")
    (music / "c.mp3").write_bytes(b"c")
    await watching.event("file.created", music / "c.mp3")


async def test_files_in_nested_folders_made_at_once_are_all_found(
    music: Path, start_watching: Start, on_disk: OnDisk
) -> None:
    watching = start_watching()
    await watching.observing()

    def build() -> None:
        for number in range(60):
            folder = music / str(number % 5) / str(number % 3) / str(number)
            folder.mkdir(parents=True)
            (folder / "song.mp3").write_bytes(str(number).encode())

    builder = threading.Thread(target=build)
    builder.start()
    await watching.until(lambda: not builder.is_alive())
    await watching.until(lambda: watching.library() == on_disk(music))
    assert len(watching.events) == 60


async def test_files_that_change_places_end_up_with_the_right_content(
    music: Path, start_watching: Start, on_disk: OnDisk
) -> None:
    (music / "a.mp3").write_bytes(b"a")
    (music / "b.mp3").write_bytes(b"b")
    watching = start_watching()
    await watching.until(lambda: len(watching.events) == 2)
    (music / "a.mp3").rename(music / ".swap")
    (music / "b.mp3").rename(music / "a.mp3")
    (music / ".swap").rename(music / "b.mp3")
    await watching.until(lambda: watching.library() == on_disk(music))


async def test_chain_of_renamings_moves_each_file_to_its_place(
    music: Path, start_watching: Start, on_disk: OnDisk
) -> None:
    for number in range(1, 5):
        (music / f"{number}.mp3").write_bytes(str(number).encode())
    watching = start_watching(pairing=30.0)
    await watching.until(lambda: len(watching.events) == 4)
    for number in range(4, 0, -1):
        (music / f"{number}.mp3").rename(music / f"{number + 1}.mp3")
    await watching.until(lambda: watching.library() == on_disk(music))
    # A look in the middle of the chain finds a name taken by another file, whose renaming is then told as its
    # coming and going; each file is in its place all the same.
    assert {message for message, _ in watching.told()[4:]} <= {"renamed", "created", "deleted", "modified"}
    assert any(message == "renamed" for message, _ in watching.told()[4:])
