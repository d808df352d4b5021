"""Watchers one after the other on the same folder: what has not changed in between is not read again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from stages.fingerprint import Fingerprint
from stages.watcher import watch
from stages.watcher.change_times import ChangeTimes
from stages.watcher.fingerprints import FILE, Fingerprints
from stages.watcher.readers import read_file
from tests.integration.library.conftest import Log, Watching

OnDisk = Callable[[Path], dict[str, str]]


class Trusting(ChangeTimes):
    """Whatever the tests' folder is on."""

    def are_kept(self, path: str, look: Any) -> bool:
        return True


def an_hour_from_now() -> int:
    return time.time_ns() + 3_600_000_000_000


class Runs:
    """Starts watchers that count what they read, an hour after the files were written."""

    def __init__(self, start: Callable[..., Watching], folder: Path) -> None:
        self._start = start
        self._folder = folder
        self.read: list[str] = []

    def next(self, **options: Any) -> Watching:
        self.read.clear()
        kept = Fingerprints(self._folder, Log(), change_times=lambda: Trusting(()), now_ns=an_hour_from_now)
        return self._start(fingerprints=kept, read=self._read, **options)

    def _read(self, path: str, abandoned: Callable[[], bool]) -> Fingerprint:
        self.read.append(Path(path).name)
        return read_file(path, abandoned)


@pytest.fixture
def runs(start_watching: Callable[..., Watching], tmp_path: Path) -> Runs:
    return Runs(start_watching, tmp_path / "data")


async def everything(watching: Watching, expected: dict[str, str]) -> list[str]:
    """The names of the files, as they were told of, once the library is as expected; the watcher has ended then."""
    await watching.until(lambda: watching.library() == expected)
    await watching.close()
    return [name for _, name in watching.told()]


def fill(music: Path, *names: str) -> None:
    for name in names:
        path = music / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (1_000_000_000, 1_000_000_000))


async def test_second_start_tells_of_every_file_and_reads_none(music: Path, runs: Runs, on_disk: OnDisk) -> None:
    fill(music, *(f"{number % 3}/{number}.mp3" for number in range(100)))
    first = await everything(runs.next(), on_disk(music))
    assert sorted(runs.read) == sorted(first)
    second = await everything(runs.next(), on_disk(music))
    assert runs.read == []
    assert second == first


async def test_only_what_is_new_or_changed_is_read(music: Path, runs: Runs, on_disk: OnDisk) -> None:
    fill(music, "same.mp3", "edited.mp3", "replaced.mp3", "renamed.mp3", "touched.mp3", "deleted.mp3")
    await everything(runs.next(), on_disk(music))
    (music / "edited.mp3").write_bytes(b"EDITED.MP3")
    os.utime(music / "edited.mp3", (1_000_000_000, 1_000_000_000))
    fill(music, ".saving")
    (music / ".saving").replace(music / "replaced.mp3")
    (music / "renamed.mp3").rename(music / "new name.mp3")
    (music / "touched.mp3").touch()
    (music / "deleted.mp3").unlink()
    fill(music, "new.mp3")
    await everything(runs.next(), on_disk(music))
    assert sorted(runs.read) == ["edited.mp3", "new name.mp3", "new.mp3", "replaced.mp3", "touched.mp3"]


async def test_order_of_names_stays_where_some_are_remembered(music: Path, runs: Runs, on_disk: OnDisk) -> None:
    fill(music, "b.mp3", "d.mp3")
    await everything(runs.next(), on_disk(music))
    fill(music, "a.mp3", "c.mp3", "e.mp3")
    assert await everything(runs.next(), on_disk(music)) == ["a.mp3", "b.mp3", "c.mp3", "d.mp3", "e.mp3"]
    assert sorted(runs.read) == ["a.mp3", "c.mp3", "e.mp3"]


async def test_remembered_file_that_changes_later_is_read_and_modified(
    music: Path, runs: Runs, on_disk: OnDisk
) -> None:
    fill(music, "song.mp3")
    await everything(runs.next(), on_disk(music))
    watching = runs.next()
    await watching.event("file.discovered", music / "song.mp3")
    (music / "song.mp3").write_bytes(b"changed.")
    await watching.event("file.modified", music / "song.mp3")
    assert watching.library() == on_disk(music)


async def test_what_arrived_while_watching_is_remembered_once_it_is_old(
    music: Path, runs: Runs, on_disk: OnDisk
) -> None:
    watching = runs.next()
    await watching.observing()
    fill(music, "new.mp3")
    await watching.event("file.created", music / "new.mp3")
    await everything(watching, on_disk(music))
    await everything(runs.next(), on_disk(music))
    assert runs.read == []


class Context:
    """What `watch` is given by the pipeline."""

    stopping = False

    def __init__(self, root: Path, data_dir: Path, options: dict[str, Any]) -> None:
        self.log = Log()
        self.roots = [root]
        self.data_dir = data_dir
        self.options = options

    def caught_up(self) -> None:
        """Nobody waits."""


async def first_of(context: Context) -> str:
    async with aclosing(watch(context)) as source:
        return (await anext(source)).message


@pytest.mark.parametrize("remember", [True, False])
async def test_source_keeps_hashes_in_its_data_folder_unless_told_otherwise(
    music: Path, tmp_path: Path, remember: bool
) -> None:
    fill(music, "song.mp3")
    await first_of(Context(music, tmp_path / "data", {"remember": remember}))
    assert (tmp_path / "data" / FILE).exists() is remember


async def test_source_does_without_a_data_folder_that_cannot_be_made(music: Path, tmp_path: Path) -> None:
    fill(music, "song.mp3")
    (tmp_path / "data").write_bytes(b"a file")
    context = Context(music, tmp_path / "data", {})
    assert await first_of(context) == "file.discovered"
    assert [event for level, event, _ in context.log.lines if level == "warning"] == [
        "hashes of files cannot be kept; they are read at every start"
    ]
