"""A file with what a store holds: a header, a line per key, and a last line that shows the file is whole."""

from __future__ import annotations

import json
import os
import tempfile
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.state.dump import Entry

_FORMAT = "tracktion-state"
_VERSION = 1


class Damaged(Exception):
    """The file is no whole snapshot; the message says in what way."""


def write_snapshot(path: Path, lines: Iterable[str]) -> None:
    """Replace the file by these entries: at any moment there is the old file or the new one. Raises OSError."""
    with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(json.dumps({"format": _FORMAT, "version": _VERSION, "saved_at": time.time()}) + "\n")
            count = checksum = 0
            for line in lines:
                file.write(line + "\n")
                count, checksum = count + 1, zlib.crc32(line.encode(), checksum)
            file.write(json.dumps({"entries": count, "crc32": checksum}) + "\n")
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    _sync_folder(path.parent)


def read_snapshot(path: Path) -> list[Entry]:
    """The entries of the file; none if there is no file.

    Raises: Damaged; OSError; PipelineError if a later version of the program wrote it.
    """
    try:
        lines = path.read_bytes().decode("ascii").removesuffix("\n").split("\n")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise Damaged("it is not text") from error
    if lines == [""]:
        raise Damaged("it is empty")
    header = _object(lines[0])
    if header.get("format") != _FORMAT:
        raise Damaged("its first line is not a snapshot's")
    if header.get("version") != _VERSION:
        raise PipelineError(
            f"The saved state is of version {header.get('version')}, and this program reads version {_VERSION}",
            where=str(path),
            fix="Use the program that wrote it, or move the file away to start afresh",
        )
    trailer = _object(lines[-1])
    checksum, entries = 0, []
    for number, line in enumerate(lines[1:-1], start=2):
        checksum = zlib.crc32(line.encode(), checksum)
        try:
            entries.append(Entry.from_line(line))
        except ValueError as error:
            raise Damaged(f"line {number} is not an entry") from error
    if trailer.get("entries") != len(entries) or trailer.get("crc32") != checksum:
        raise Damaged("its end is missing or does not match")
    return entries


def set_aside(path: Path) -> Path:
    """Rename a damaged file out of the way; where it is now. Raises OSError."""
    aside = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}{path.suffix}")
    path.rename(aside)
    return aside


def _object(line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
