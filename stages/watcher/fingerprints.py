"""Fingerprints of files, kept from run to run: what has not changed since is not read again at each start."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.stage import Logger
from stages.fingerprint import Fingerprint, Look
from stages.watcher.change_times import ChangeTimes
from stages.watcher.folders import Found
from stages.watcher.readers import Read

FILE = "fingerprints.sqlite3"
_SELECT = "SELECT sha256, xxh128, format_family, used_on FROM fingerprints WHERE path = ? AND look = ?"

# To be raised with every change of the table, of the hashes, and of how `stages.formats` finds the format family.
_VERSION = 1
_TABLE = """
CREATE TABLE fingerprints (
    path TEXT PRIMARY KEY, look TEXT NOT NULL, sha256 TEXT NOT NULL, xxh128 TEXT NOT NULL, format_family TEXT,
    used_on INTEGER NOT NULL
) WITHOUT ROWID
"""

# Only what had been unchanged for so long when it was read: later changes then have another time. Clocks of file
# servers differ, file systems count in up to two seconds, and changes of a mapped file have the time of the first
# one until the system has written it down, after half a minute.
_UNCHANGED_NS = 60 * 1_000_000_000
_DAY_NS = 86_400 * 1_000_000_000
_UNUSED_DAYS = 90
_BATCH_ROWS, _BATCH_NS = 256, 2 * 1_000_000_000
_LOCK_WAIT_S = 1.0
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Fingerprints:
    """A table in a file, by path. What it gives is what reading the file would; failing that, it gives nothing.

    All of it blocks, and may be called from any thread. Failures are logged and cost no more than reading.

    Args:
        folder: where the table is kept; made if missing.
        change_times: asked for each batch of files.
        now_ns: nanoseconds since the epoch by the clock that file times are of.
    """

    def __init__(
        self,
        folder: Path,
        log: Logger,
        *,
        change_times: Callable[[], ChangeTimes] = ChangeTimes.now,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = folder / FILE
        self._log = log
        self._change_times = change_times
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._usable = True
        self._unwritten: dict[str, Fingerprint | None] = {}
        self._written_ns = now_ns()

    def recall(self, found: Iterable[Found]) -> dict[str, Fingerprint]:
        """What is known of files that look so, by path."""
        with self._lock:
            try:
                return self._recall(found)
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                return {}

    def kept(self, read: Read) -> Read:
        """Reads as `read` does, and keeps what was read."""

        def reading(path: str, abandoned: Callable[[], bool]) -> Fingerprint:
            began_ns = self._now_ns()
            found = read(path, abandoned)
            self.keep(path, found, began_ns)
            return found

        return reading

    def keep(self, path: str, fingerprint: Fingerprint, began_ns: int) -> None:
        """Keep what was read of a file, beginning at that time; what was known of the path is forgotten."""
        is_certain = began_ns - fingerprint.look.ctime_ns >= _UNCHANGED_NS
        with self._lock:
            self._unwritten[path] = fingerprint if is_certain else None
            if len(self._unwritten) >= _BATCH_ROWS or abs(self._now_ns() - self._written_ns) >= _BATCH_NS:
                self._write()

    def close(self) -> None:
        """Write what is left. It may be used again."""
        with self._lock:
            self._write()
            self._disconnect()

    def _recall(self, found: Iterable[Found]) -> dict[str, Fingerprint]:
        self._write()
        if not self._usable:
            return {}
        connection, change_times, today = self._connected(), self._change_times(), self._today()
        known: dict[str, Fingerprint] = {}
        longer_ago = []
        for path, look in found:
            row = connection.execute(_SELECT, (path, _text(look))).fetchone()
            if row is not None and change_times.are_kept(path, look):
                *hashes, used_on = row
                known[path] = Fingerprint(look, *hashes)
                if used_on < today:
                    longer_ago.append((today, path))
        if longer_ago:
            with connection:
                connection.executemany("UPDATE fingerprints SET used_on = ? WHERE path = ?", longer_ago)
        return known

    def _write(self) -> None:
        """What cannot be written is read again at the next start."""
        read, self._unwritten, self._written_ns = self._unwritten, {}, self._now_ns()
        if not read or not self._usable:
            return
        try:
            connection, change_times, today = self._connected(), self._change_times(), self._today()
            rows = [
                (path, _text(each.look), each.sha256, each.xxh128, each.format_family, today)
                for path, each in read.items()
                if each is not None and change_times.are_kept(path, each.look)
            ]
            with connection:
                connection.executemany("DELETE FROM fingerprints WHERE path = ?", [(path,) for path in read])
                connection.executemany("INSERT INTO fingerprints VALUES (?, ?, ?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)  # the names of all files are in it
            connection = sqlite3.connect(self._path, timeout=_LOCK_WAIT_S, check_same_thread=False)
            try:
                _prepare(connection, self._today())
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _failed(self, error: sqlite3.Error | OSError) -> None:
        # The code of the failure in its lowest byte; its details above that.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            return
        self._disconnect()
        if code in _DAMAGED and _removed(self._path):
            self._log.warning("hashes of earlier runs were damaged; files are read again")
            return
        self._usable = False
        self._log.warning(
            "hashes of files cannot be kept; they are read at every start",
            reason=str(error),
            fix="Let PIPELINE_DATA_DIR be a folder that can be written to",
        )

    def _today(self) -> int:
        return self._now_ns() // _DAY_NS


def _prepare(connection: sqlite3.Connection, today: int) -> None:
    """Make the table, anew where it is another version's; drop what has not been used for long."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            connection.execute("DROP TABLE IF EXISTS fingerprints")
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("DELETE FROM fingerprints WHERE used_on < ?", (today - _UNUSED_DAYS,))


def _text(look: Look) -> str:
    """All but the device, whose number may be another one each time it is mounted."""
    return f"{look.inode} {look.size} {look.mtime_ns} {look.ctime_ns}"


def _removed(path: Path) -> bool:
    try:
        for each in (path, path.with_name(f"{path.name}-journal")):
            each.unlink(missing_ok=True)
    except OSError:
        return False
    return True
