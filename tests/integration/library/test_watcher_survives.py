from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from stages.watcher import watch
from stages.watcher.observation import Observation

Start = Callable[..., Any]
OnDisk = Callable[[Path], dict[str, str]]


class Disorder:
    """Does at random what people and programs do to a music folder."""

    def __init__(self, folder: Path, outside: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._folder = folder
        self._outside = outside
        outside.mkdir()
        self._actions = [self._write, self._append, self._rename, self._copy, self._replace, self._delete] * 2
        self._actions += [self._new_folder, self._rename_folder, self._delete_folder, self._out, self._in]

    def go_on(self, steps: int) -> None:
        for number in range(steps):
            with suppress(OSError):  # a folder in the way of a renamed one
                self._random.choice(self._actions)(number)

    def _files(self) -> list[Path]:
        return sorted(self._folder.rglob("*.mp3"))

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._folder.rglob("*") if path.is_dir())

    def _some(self, paths: list[Path]) -> Path | None:
        return self._random.choice(paths) if paths else None

    def _name(self, number: int) -> Path:
        return self._random.choice([self._folder, *self._folders()]) / f"{number % 12}.mp3"

    def _write(self, number: int) -> None:
        self._name(number).write_bytes(self._random.randbytes(200))

    def _append(self, number: int) -> None:
        if path := self._some(self._files()):
            with path.open("ab") as file:
                file.write(self._random.randbytes(50))

    def _rename(self, number: int) -> None:
        if path := self._some(self._files()):
            path.replace(self._name(number))

    def _copy(self, number: int) -> None:
        if path := self._some(self._files()):
            target = self._name(number)
            if target != path:
                shutil.copy2(path, target)

    def _replace(self, number: int) -> None:
        if path := self._some(self._files()):
            hidden = path.with_name(".saving")
            hidden.write_bytes(self._random.randbytes(100))
            hidden.replace(path)

    def _delete(self, number: int) -> None:
        if path := self._some(self._files()):
            path.unlink()

    def _new_folder(self, number: int) -> None:
        (self._random.choice([self._folder, *self._folders()]) / f"folder{number % 4}").mkdir(exist_ok=True)

    def _rename_folder(self, number: int) -> None:
        if path := self._some(self._folders()):
            target = self._folder / f"folder{number}"
            path.rename(target)

    def _delete_folder(self, number: int) -> None:
        if (path := self._some(self._folders())) and self._random.random() < 0.3:
            shutil.rmtree(path)

    def _out(self, number: int) -> None:
        if path := self._some([*self._files(), *self._folders()]):
            path.rename(self._outside / f"{number}-{path.name}")

    def _in(self, number: int) -> None:
        if path := self._some(sorted(self._outside.iterdir())):
            path.rename(self._folder / path.name)


@pytest.mark.parametrize("polling", [False, True], ids=["inotify", "polling"])
@pytest.mark.parametrize("seed", range(4))
async def test_events_lead_to_what_is_on_disk_whatever_happens_to_the_folder(
    music: Path, start_watching: Start, on_disk: OnDisk, tmp_path: Path, seed: int, polling: bool
) -> None:
    disorder = Disorder(music, tmp_path / "outside", seed)
    disorder.go_on(60)
    watching = start_watching(polling=polling, poll_interval=0.1, settle=0.1, pairing=0.3)
    for _ in range(3):
        await asyncio.to_thread(disorder.go_on, 80)
        await watching.until(lambda: watching.library() == on_disk(music))


async def test_polling_pairs_renames_and_notices_changes(music: Path, start_watching: Start) -> None:
    (music / "a.mp3").write_bytes(b"a")
    watching = start_watching(polling=True, poll_interval=0.1)
    await watching.event("file.discovered", music / "a.mp3")
    (music / "a.mp3").rename(music / "b.mp3")
    assert (await watching.event("file.renamed", music / "b.mp3"))["old_path"] == str(music / "a.mp3")
    (music / "b.mp3").write_bytes(b"changed")
    await watching.event("file.modified", music / "b.mp3")
    (music / "b.mp3").unlink()
    await watching.event("file.deleted", music / "b.mp3")


class NoInstance(Observation):
    def __init__(self, *arguments: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")


class NoDeepWatch(Observation):
    def _watch(self, folder: str) -> None:
        if "deep" in folder:
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._watch(folder)


class Overflowing(Observation):
    """Loses what happens to one file, as the kernel does when its queue is full."""

    def _happened(self, watch: int, mask: int, cookie: int, name: str) -> None:
        lost = name == "song.mp3"
        super()._happened(-1 if lost else watch, 0x4000 if lost else mask, cookie, "" if lost else name)


async def test_limit_of_watches_is_an_error_with_its_fix_and_falls_back_to_polling(
    music: Path, start_watching: Start
) -> None:
    watching = start_watching(observe=NoInstance, poll_interval=0.1)
    await watching.observing()
    assert next(values["fix"] for level, _, values in watching.log.lines if level == "error").startswith("sudo sysctl")
    (music / "song.mp3").write_bytes(b"sound")
    await watching.event("file.created", music / "song.mp3")


async def test_limit_reached_in_a_folder_below_falls_back_to_polling_too(music: Path, start_watching: Start) -> None:
    watching = start_watching(observe=NoDeepWatch, poll_interval=0.1)
    await watching.observing()
    (music / "deep").mkdir()
    await watching.until(lambda: any(level == "error" for level, _, _ in watching.log.lines))
    (music / "deep" / "song.mp3").write_bytes(b"sound")
    await watching.event("file.created", music / "deep" / "song.mp3")


async def test_more_changes_than_can_be_remembered_are_found_by_looking_everywhere(
    music: Path, start_watching: Start, on_disk: OnDisk
) -> None:
    watching = start_watching(max_hints=16)
    await watching.observing()
    for number in range(200):
        (music / f"{number}.mp3").write_bytes(str(number).encode())
    await watching.until(lambda: watching.library() == on_disk(music))


async def test_changes_that_the_kernel_lost_are_found_by_looking_everywhere(
    music: Path, start_watching: Start, on_disk: OnDisk
) -> None:
    watching = start_watching(observe=Overflowing)
    await watching.observing()
    (music / "Album").mkdir()
    (music / "Album" / "song.mp3").write_bytes(b"sound")
    await watching.event("file.created", music / "Album" / "song.mp3")
    (music / "Album").rename(music / "Renamed")
    (music / "Renamed" / "other.mp3").write_bytes(b"other")
    await watching.until(lambda: watching.library() == on_disk(music))


async def test_folder_that_goes_away_deletes_nothing_and_is_watched_again_when_it_returns(
    music: Path, start_watching: Start, tmp_path: Path
) -> None:
    (music / "stays.mp3").write_bytes(b"stays")
    (music / "changes.mp3").write_bytes(b"before")
    (music / "goes.mp3").write_bytes(b"goes")
    watching = start_watching()
    await watching.until(lambda: len(watching.events) == 3)
    music.rename(tmp_path / "unmounted")
    await watching.until(lambda: any("is not there" in event for _, event, _ in watching.log.lines))
    (tmp_path / "unmounted" / "changes.mp3").write_bytes(b"after")
    (tmp_path / "unmounted" / "goes.mp3").unlink()
    assert len(watching.events) == 3
    (tmp_path / "unmounted").rename(music)
    await watching.event("file.modified", music / "changes.mp3")
    await watching.event("file.deleted", music / "goes.mp3")
    (music / "new.mp3").write_bytes(b"new")
    await watching.event("file.created", music / "new.mp3")
    assert len(watching.events) == 6


async def test_empty_mount_point_in_the_place_of_a_folder_deletes_nothing(
    music: Path, start_watching: Start, tmp_path: Path
) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    watching = start_watching()
    await watching.event("file.discovered", music / "song.mp3")
    music.rename(tmp_path / "unmounted")
    music.mkdir()
    await watching.until(lambda: any("is not there" in event for _, event, _ in watching.log.lines))
    music.rmdir()
    (tmp_path / "unmounted").rename(music)
    await watching.until(lambda: sum(event == "scanned" for _, event, _ in watching.log.lines) >= 2)
    await watching.everything_before(music / "last.mp3")
    assert watching.told() == [("discovered", "song.mp3"), ("created", "last.mp3")]


async def test_folder_that_is_deleted_and_made_anew_is_watched_again(music: Path, start_watching: Start) -> None:
    watching = start_watching()
    await watching.observing()
    music.rmdir()
    music.mkdir()
    await watching.until(lambda: sum(event == "scanned" for _, event, _ in watching.log.lines) >= 2)
    (music / "song.mp3").write_bytes(b"sound")
    await watching.event("file.created", music / "song.mp3")


async def test_folder_that_is_not_there_at_the_start_is_waited_for(
    music: Path, start_watching: Start, tmp_path: Path
) -> None:
    watching = start_watching(music, tmp_path / "later")
    await watching.until(lambda: any("is not there" in event for _, event, _ in watching.log.lines))
    (tmp_path / "arriving").mkdir()
    (tmp_path / "arriving" / "song.mp3").write_bytes(b"sound")
    (tmp_path / "arriving").rename(tmp_path / "later")
    await watching.event("file.discovered", tmp_path.resolve() / "later" / "song.mp3")


async def test_folders_inside_one_another_and_links_to_them_are_watched_once(
    music: Path, start_watching: Start, tmp_path: Path
) -> None:
    (music / "inner").mkdir()
    (music / "inner" / "song.mp3").write_bytes(b"sound")
    (tmp_path / "link").symlink_to(music)
    watching = start_watching(music / "inner", tmp_path / "link", music)
    event = await watching.event("file.discovered", music / "inner" / "song.mp3")
    assert event["watched_directory"] == str(music)
    (music / "new.mp3").write_bytes(b"new")
    await watching.event("file.created", music / "new.mp3")
    assert len(watching.events) == 2


class Context:
    """What `watch` is given by the pipeline."""

    def __init__(self, log: Any, roots: list[Path], options: Mapping[str, Any]) -> None:
        self.log = log
        self.roots = roots
        self.options = options
        self.data_dir = roots[0].parent / "data"
        self.stopping = False
        self.up_to_date = asyncio.Event()

    def caught_up(self) -> None:
        self.up_to_date.set()


class Silence:
    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, **values: None


def watching_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "watch" in f"{type(thread).__module__} {thread.name}"}


async def test_source_ends_when_the_pipeline_stops_and_leaves_no_thread(music: Path) -> None:
    (music / "song.mp3").write_bytes(b"sound")
    before = watching_threads()
    context = Context(Silence(), [music], {"settle": 0.1})
    async for emit in watch(context):
        assert emit.message == "file.discovered"
        assert watching_threads() > before
        context.stopping = True
    assert watching_threads() == before


async def test_source_has_caught_up_once_all_that_was_there_is_announced(music: Path) -> None:
    for number in range(100):
        (music / f"{number}.mp3").write_bytes(b"just written" if number % 2 else b"long ago")
        os.utime(music / f"{number}.mp3", None if number % 2 else (1, 1))
    context = Context(Silence(), [music], {"settle": 0.2})
    announced = 0
    async with aclosing(watch(context)) as source:
        async for emit in source:
            announced += 1
            assert emit.message == "file.discovered"
            assert not context.up_to_date.is_set()
            if announced == 100:
                break
        follow = asyncio.ensure_future(anext(source))
        async with asyncio.timeout(20):
            await context.up_to_date.wait()
        (music / "new.mp3").write_bytes(b"new")
        assert (await follow).message == "file.created"


async def test_source_can_be_closed_while_a_large_file_is_read(music: Path) -> None:
    (music / "small.mp3").write_bytes(b"sound")
    os.utime(music / "small.mp3", (1, 1))
    with (music / "z large.mp3").open("wb") as file:
        file.truncate(64 * 1024**3)
    os.utime(music / "z large.mp3", (1, 1))
    before = watching_threads()
    context = Context(Silence(), [music], {"settle": 0.1, "readers": 2})
    source = watch(context)
    async with asyncio.timeout(20):
        assert (await anext(source)).message == "file.discovered"
        await source.aclose()
    assert watching_threads() == before


@pytest.mark.parametrize("options", [{"settle": 0}, {"limit": 0}, {"limit": "many"}, {"setle": 1}, {"readers": None}])
async def test_wrong_options_are_named(music: Path, options: dict[str, Any]) -> None:
    with pytest.raises(PipelineError, match=next(iter(options))):
        await anext(watch(Context(Silence(), [music], options)))
