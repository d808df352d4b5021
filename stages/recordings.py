"""Recordings in the state store: documents of the kind "recording", unique by path and indexed by SHA-256."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import Documents
from stages.sighting import Sighting

KIND = "recording"
VACATED = "vacated_path"
_MOST_PATHS_KEPT = 50
_MOST_TWINS = 50

Recording = dict[str, Any]
"""The JSON document. Times are RFC 3339 in UTC, so they compare as their texts do.

recording_id, path, file_name, relative_path, watched_directory; file_type, format_family, size_bytes,
sha256_hash, xxh128_hash; first_seen, updated_at (the time of the newest event taken in), deleted_at or None;
path_history, oldest first, each {path, until}; revision, which counts what was to be analysed; error, why the
file cannot be read, or None; error_event, the id of the message that said so.
"""


class Recordings:
    """Reads and writes recordings. Every method may raise StateUnavailable."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def known(self, recording_id: str) -> Recording:
        """The recording, deleted or not. Raises Permanent, UNKNOWN_RECORDING."""
        recording = await self._documents.get(KIND, recording_id)
        if recording is None:
            raise Permanent("No recording has this id", ErrorCode.UNKNOWN_RECORDING)
        return recording

    async def at(self, path: str) -> Recording | None:
        """The recording whose path this is, deleted or not."""
        ids = await self._documents.find(KIND, "path", path)
        return await self._documents.get(KIND, ids[0]) if ids else None

    async def new(self, sighting: Sighting) -> Recording:
        """A recording that owns the path from now on, and is stored by `put`."""
        return _blank(await self._documents.claim(KIND, "path", sighting.path, str(uuid4())), sighting)

    def successor(self, sighting: Sighting) -> Recording:
        """A recording for another file in the place of a deleted one, whose path it gets by `put`."""
        return _blank(str(uuid4()), sighting)

    async def with_content(self, sha256: str) -> list[Recording]:
        """Recordings of the same content, fifty at most."""
        ids = await self._documents.find(KIND, "sha256", sha256)
        found = [await self._documents.get(KIND, each) for each in ids[:_MOST_TWINS]]
        return [recording for recording in found if recording is not None]

    async def put(self, recording: Recording, *, owns_path: bool = True) -> None:
        """Store it. `owns_path`: it is found by its path, even where another one was before."""
        sha256 = recording.get("sha256_hash")
        await self._documents.put(
            KIND,
            recording["recording_id"],
            recording,
            unique={"path": recording["path"]} if owns_path else {},
            index={"sha256": sha256} if sha256 else {},
        )

    async def vacate(self, path: str, time: str) -> None:
        """Remember that nothing was at a path at that time: what is older must not bring it back."""
        if not await self.has_left(path, time):
            await self._documents.put(VACATED, path, {"path": path, "at": time})

    async def has_left(self, path: str, time: str) -> bool:
        """Whether a path that no recording has was vacated after that time."""
        vacated = await self._documents.get(VACATED, path)
        return vacated is not None and vacated["at"] > time


def has_gone(recording: Recording) -> bool:
    """Whether the file certainly is not at its path, though its watched folder is there and has something in it."""
    if os.path.lexists(recording["path"]):
        return False
    try:
        with os.scandir(recording.get("watched_directory") or "") as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def placed(recording: Recording, path: str, directory: str) -> Recording:
    """The recording at this path."""
    inside = path.startswith(directory.rstrip(os.sep) + os.sep)
    return recording | {
        "path": path,
        "file_name": os.path.basename(path),
        "relative_path": os.path.relpath(path, directory) if inside else os.path.basename(path),
        "watched_directory": directory,
    }


def moved(recording: Recording, sighting: Sighting) -> Recording:
    """The recording at the sighting's path, which remembers where it was."""
    history = [*recording["path_history"], {"path": recording["path"], "until": time_of(sighting)}]
    return placed(recording, sighting.path, sighting.directory) | {"path_history": history[-_MOST_PATHS_KEPT:]}


def time_of(sighting: Sighting) -> str:
    """When it was, always with microseconds, so that texts compare as the times do."""
    return sighting.time.isoformat(timespec="microseconds")


def _blank(recording_id: str, sighting: Sighting) -> Recording:
    blank: Recording = {
        "recording_id": recording_id,
        "file_type": sighting.file_type,
        "format_family": None,
        "size_bytes": None,
        "sha256_hash": None,
        "xxh128_hash": None,
        "first_seen": time_of(sighting),
        "updated_at": "",
        "deleted_at": None,
        "path_history": [],
        "revision": 0,
        "error": None,
        "error_event": None,
    }
    return placed(blank, sighting.path, sighting.directory)
