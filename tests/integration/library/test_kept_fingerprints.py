"""Hashes kept from run to run: given where reading would give the same, and otherwise not at all."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stages.fingerprint import Abandoned, Fingerprint, Look
from stages.watcher.change_times import ChangeTimes
from stages.watcher.fingerprints import FILE, Fingerprints
from stages.watcher.readers import read_file

SECOND, DAY = 1_000_000_000, 86_400 * 1_000_000_000
NOW = 20_000 * DAY
PATH = "/music/Björk/日本.mp3"
LISTED = ChangeTimes([b"1 0 8:1 / / rw - ext4 /dev/a rw"])
OLD = Look(os.makedev(8, 1), 2**64 - 1, 1000, NOW - DAY, NOW - DAY)


class Log:
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, event: str, **values: Any) -> None:
        self.warnings.append(event)


class Runs:
    """Opens the table as each run of a watcher does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Log()
        self.now = NOW
        self.mounts = LISTED
        self._opened: list[Fingerprints] = []

    def next(self) -> Fingerprints:
        self.close()
        self._opened.append(
            Fingerprints(self.folder, self.log, change_times=lambda: self.mounts, now_ns=lambda: self.now)  # type: ignore[arg-type]
        )
        return self._opened[-1]

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()

    def remember(self, *paths: str, look: Look = OLD) -> None:
        """A run in which these files are read."""
        run = self.next()
        for path in paths:
            run.keep(path, of(look), self.now)
        self.close()

    def recalls(self, look: Look = OLD, path: str = PATH) -> bool:
        """Whether another run knows a file that looks so."""
        return bool(self.next().recall([(path, look)]))


def of(look: Look, content: str = "content") -> Fingerprint:
    return Fingerprint(look, f"sha256 of {content}", f"xxh128 of {content}", "mp3")


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    opened = Runs(tmp_path / "data")
    yield opened
    opened.close()


def test_unchanged_file_is_known_in_the_next_run(runs: Runs) -> None:
    runs.remember(PATH)
    assert runs.next().recall([(PATH, OLD), ("/music/other.mp3", OLD)]) == {PATH: of(OLD)}


def test_what_was_just_read_is_known_before_it_is_written(runs: Runs) -> None:
    run = runs.next()
    run.keep(PATH, of(OLD), runs.now)
    assert run.recall([(PATH, OLD)]) == {PATH: of(OLD)}


@pytest.mark.parametrize("field", ["inode", "size", "mtime_ns", "ctime_ns"])
def test_file_that_looks_different_in_any_way_is_not_known(runs: Runs, field: str) -> None:
    runs.remember(PATH)
    changed = {name: getattr(OLD, name) for name in OLD.__slots__}
    changed[field] += -1 if field == "inode" else 1
    assert not runs.recalls(Look(**changed))
    assert runs.recalls()


def test_disk_that_is_mounted_as_another_device_is_known(runs: Runs) -> None:
    runs.remember(PATH)
    runs.mounts = ChangeTimes([b"1 0 8:1 / / rw - ext4 /dev/a rw", b"2 1 8:2 / /music rw - ext4 /dev/b rw"])
    assert runs.recalls(Look(os.makedev(8, 2), OLD.inode, OLD.size, OLD.mtime_ns, OLD.ctime_ns))


@pytest.mark.parametrize(("seconds", "known"), [(60, True), (59.999, False), (0, False), (-3600, False)])
def test_file_that_was_changed_within_a_minute_before_it_was_read_is_not_kept(
    runs: Runs, seconds: float, known: bool
) -> None:
    look = Look(OLD.device, OLD.inode, OLD.size, OLD.mtime_ns, NOW - int(seconds * SECOND))
    runs.remember(PATH, look=look)
    assert runs.recalls(look) is known


def test_file_that_was_read_again_is_known_as_it_was_then(runs: Runs) -> None:
    runs.remember(PATH)
    run = runs.next()
    run.keep(PATH, of(OLD, "silently changed"), runs.now)
    assert run.recall([(PATH, OLD)]) == {PATH: of(OLD, "silently changed")}


def test_file_that_was_read_while_it_changed_is_not_known_any_more(runs: Runs) -> None:
    runs.remember(PATH)
    run = runs.next()
    run.keep(PATH, of(OLD), OLD.ctime_ns)
    assert run.recall([(PATH, OLD)]) == {}


@pytest.mark.parametrize("kind", [b"vfat", b"exfat", b"fuseblk", b"fuse.sshfs", b"something.new"])
def test_file_systems_that_record_no_change_times_are_not_trusted(runs: Runs, kind: bytes) -> None:
    stick = ChangeTimes([b"1 0 8:1 / /music rw - " + kind + b" /dev/a rw"])
    runs.mounts = stick
    runs.remember(PATH)
    runs.mounts = LISTED
    assert not runs.recalls()
    runs.remember(PATH)
    runs.mounts = stick
    assert not runs.recalls()


def test_reading_is_kept_and_failing_is_not(runs: Runs, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"sound")
    look = Look.of(path.stat())
    device = f"{os.major(look.device)}:{os.minor(look.device)}"
    runs.mounts = ChangeTimes([f"1 0 {device} / / rw - ext4 /dev/a rw".encode()])
    runs.now = look.ctime_ns + 61 * SECOND

    def failing(path: str, abandoned: Callable[[], bool]) -> Fingerprint:
        raise Abandoned

    run = runs.next()
    with pytest.raises(Abandoned):
        run.kept(failing)(str(path), lambda: False)
    assert run.recall([(str(path), look)]) == {}
    read = run.kept(read_file)(str(path), lambda: False)
    assert run.recall([(str(path), look)]) == {str(path): read}
    assert read.sha256 == hashlib.sha256(b"sound").hexdigest()


def test_names_of_files_are_for_nobody_else_to_read(runs: Runs) -> None:
    runs.remember(PATH)
    assert stat.S_IMODE((runs.folder / FILE).stat().st_mode) == 0o600


def test_files_unused_for_three_months_are_forgotten_and_used_ones_are_not(runs: Runs) -> None:
    runs.remember("/music/used.mp3", "/music/gone.mp3")
    for _ in range(3):
        runs.now += 40 * DAY
        assert runs.recalls(path="/music/used.mp3")
    runs.close()
    with closing(sqlite3.connect(runs.folder / FILE)) as table:
        assert table.execute("SELECT path FROM fingerprints").fetchall() == [("/music/used.mp3",)]


def test_clock_that_has_been_reset_forgets_nothing(runs: Runs) -> None:
    runs.remember(PATH)
    runs.now = DAY
    assert runs.recalls()
    runs.now = NOW
    assert runs.recalls()


@pytest.mark.parametrize(
    "rubbish", [b"no database at all, but quite a lot of text" * 99, b"SQLite format 3\0" + bytes(4096)]
)
def test_damaged_table_is_made_anew_with_a_warning(runs: Runs, rubbish: bytes) -> None:
    runs.folder.mkdir()
    (runs.folder / FILE).write_bytes(rubbish)
    assert not runs.recalls()
    runs.remember(PATH)
    assert runs.recalls()
    assert runs.log.warnings == ["hashes of earlier runs were damaged; files are read again"]


def test_table_that_is_not_ours_is_made_anew(runs: Runs) -> None:
    runs.remember(PATH)
    with closing(sqlite3.connect(runs.folder / FILE)) as table, table:
        table.execute("DROP TABLE fingerprints")
    assert not runs.recalls()
    runs.remember(PATH)
    assert runs.recalls()


def test_table_of_another_version_is_made_anew_without_a_warning(runs: Runs) -> None:
    runs.remember(PATH)
    with closing(sqlite3.connect(runs.folder / FILE)) as table:
        table.execute("PRAGMA user_version = 999")
    assert not runs.recalls()
    runs.remember(PATH)
    assert runs.recalls()
    assert runs.log.warnings == []


def test_folder_that_cannot_be_written_to_is_told_once_and_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    runs = Runs(tmp_path / "file" / "data")
    run = runs.next()
    for _ in range(3):
        run.keep(PATH, of(OLD), runs.now)
        assert run.recall([(PATH, OLD)]) == {}
    runs.close()
    assert runs.log.warnings == ["hashes of files cannot be kept; they are read at every start"]


def test_table_that_another_process_writes_to_is_waited_for_and_done_without(runs: Runs) -> None:
    runs.remember(PATH)
    with closing(sqlite3.connect(runs.folder / FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        run = runs.next()
        assert run.recall([(PATH, OLD)]) == {}
        other.execute("COMMIT")
        assert run.recall([(PATH, OLD)]) == {PATH: of(OLD)}
    assert runs.log.warnings == []


def test_many_threads_may_use_it_at_once(runs: Runs) -> None:
    run = runs.next()
    wrong: list[str] = []

    def use(number: int) -> None:
        for part in range(5):
            paths = [f"/music/{number}/{part}/{file}.mp3" for file in range(100)]
            for path in paths:
                run.keep(path, of(OLD, path), runs.now)
            if run.recall((path, OLD) for path in paths) != {path: of(OLD, path) for path in paths}:
                wrong.append(f"{number}/{part}")

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert runs.log.warnings == []
