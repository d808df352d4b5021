"""A watcher, the catalog and the analysis on real servers: what people do to files, and what is analysed for it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ops.audio import write_track
from pipeline.dlq.inspect import peek
from pipeline.dlq.queues import find_queue
from pipeline.runtime.compose import import_reference
from pipeline.runtime.sources import SourceRunner
from pipeline.topology.model import Topology
from tests.api_plane import project_topology
from tests.live_library import LiveLibrary, eventually, live_library

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

_STAGES = ("catalog", "lifecycle", "analysis")
_TAP = "tap"
_WATCHING = {"settle": 0.2, "pairing": 0.5, "root_check": 0.1}


def topology_with(**queues: Any) -> Topology:
    """The project's, with these queues changed or added."""
    whole = project_topology().model_dump(mode="json", by_alias=True, exclude_none=True)
    for key, queue in queues.items():
        whole["queues"][key] = {**whole["queues"].get(key, {}), **queue}
    return Topology.model_validate(whole)


class Folder:
    """A library whose folder is watched, and every request for an analysis that came of it."""

    def __init__(self, library: LiveLibrary) -> None:
        self.library = library
        self.root = library.root
        self.requests: list[str] = []
        self._watcher: SourceRunner | None = None
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.library.broker.consume(_TAP, self._asked, prefetch=100)
        await self.library.start(_STAGES)
        await self.watch()

    async def watch(self) -> None:
        """Start a watcher, as each start of the pipeline does, and wait until it has told of what there is."""
        self._watcher = SourceRunner(
            "watcher",
            self.library.topology,
            self.library.broker,
            self.library.state,
            import_reference,
            data_dir=self.library.data_dir,
            roots=(self.root,),
            options=_WATCHING,
        )
        self._running = asyncio.ensure_future(self._watcher.run())
        async with asyncio.timeout(60):
            await self._watcher.caught_up()

    async def stop_watching(self) -> None:
        if self._watcher is not None and self._running is not None:
            await self._watcher.stop()
            await self._running
        self._watcher = self._running = None

    def write(self, name: str, bpm: float) -> Path:
        """A track, written aside and put in its place."""
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        aside = path.with_name(f".{path.name}")
        write_track(aside.with_suffix(path.suffix), bpm=bpm, key="A minor", seconds=8)
        aside.with_suffix(path.suffix).replace(path)
        return path

    async def at(self, path: Path) -> dict[str, Any] | None:
        """The recording of a file that is there."""
        ids = await self.library.state.documents.find("recording", "path", str(path))
        recording = await self.library.state.documents.get("recording", ids[0]) if ids else None
        return recording if recording is not None and recording["deleted_at"] is None else None

    async def recording(self, path: Path) -> dict[str, Any]:
        """The same, awaited."""
        found: dict[str, Any] = await eventually(lambda: self.at(path))
        return found

    async def tempo(self, recording_id: str) -> float | None:
        """What the last analysis that ended has found."""
        event = await self.library.state.progress.snapshot(recording_id)
        if event is None or not event.status.terminal:
            return None
        # Of that event, and not of the last one: another analysis may have been asked for meanwhile.
        tempo: float = json.loads(event.frame)["data"]["results"]["bpm"]
        return tempo

    async def analysed(self, path: Path, bpm: float) -> dict[str, Any]:
        """Wait until the file has been found to have this tempo; its recording."""

        async def found() -> dict[str, Any] | None:
            recording = await self.at(path)
            tempo = await self.tempo(recording["recording_id"]) if recording else None
            return recording if tempo is not None and abs(tempo - bpm) < 1 else None

        recording: dict[str, Any] = await eventually(found)
        return recording

    async def settled(self) -> None:
        """Wait until what has been done so far must have been taken in, by way of a new file, and drop that again."""
        sentinel = self.write("sentinel.flac", 150)
        await self.analysed(sentinel, 150)
        sentinel.unlink()

        async def gone() -> bool:
            return await self.at(sentinel) is None

        await eventually(gone)

    def asked(self, recording: dict[str, Any]) -> int:
        """How many different requests for its analysis there were."""
        return len({each for each in self.requests if each.startswith(recording["recording_id"])})

    def _asked(self, delivery: Any) -> None:
        body = import_reference(self.library.topology.messages["file.analyze"].model).model_validate_json(
            delivery.message.body
        )
        self.requests.append(f"{body.recording_id} {delivery.message.message_id}")
        delivery.ack()


@pytest.fixture
async def folder(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Folder]:
    tapped = topology_with(
        **{_TAP: {"external": True, "bindings": [{"source": "tracktion.events", "routing_key": ["file.analyze"]}]}}
    )
    async with live_library(
        rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path.resolve(), topology=tapped
    ) as library:
        opened = Folder(library)
        await opened.open()
        yield opened
        await opened.stop_watching()


async def test_changed_file_is_analysed_again_and_the_same_content_is_not(folder: Folder) -> None:
    path = folder.write("track.flac", 120)
    first = await folder.analysed(path, 120)
    content = path.read_bytes()
    path.touch()
    path.write_bytes(content)
    (folder.root / ".copy").write_bytes(content)
    (folder.root / ".copy").replace(path)
    path.chmod(0o600)
    await folder.settled()
    assert folder.asked(first) == 1
    folder.write("track.flac", 140)
    second = await folder.analysed(path, 140)
    assert second["recording_id"] == first["recording_id"]
    assert second["sha256_hash"] != first["sha256_hash"]
    assert folder.asked(first) == 2


async def test_moved_file_keeps_its_id_its_results_and_where_it_was(folder: Folder) -> None:
    path = folder.write("track.flac", 120)
    first = await folder.analysed(path, 120)
    renamed, moved = folder.root / "better name.flac", folder.root / "Album" / "better name.flac"
    path.rename(renamed)
    await folder.recording(renamed)
    moved.parent.mkdir()
    renamed.rename(moved)
    await folder.recording(moved)
    moved.parent.rename(folder.root / "Renamed Album")
    last = await folder.recording(folder.root / "Renamed Album" / "better name.flac")
    assert last["recording_id"] == first["recording_id"]
    assert [each["path"] for each in last["path_history"]] == [str(path), str(renamed), str(moved)]
    await folder.settled()
    assert folder.asked(first) == 1
    tempo = await folder.tempo(last["recording_id"])
    assert tempo is not None
    assert abs(tempo - 120) < 1


async def test_next_start_has_only_that_analysed_which_changed_meanwhile(folder: Folder) -> None:
    same, edited, renamed = (folder.write(f"{name}.flac", bpm) for name, bpm in (("a", 100), ("b", 110), ("c", 120)))
    before = [await folder.analysed(path, bpm) for path, bpm in ((same, 100), (edited, 110), (renamed, 120))]
    await folder.stop_watching()
    times = edited.stat()
    folder.write("b.flac", 140)
    os.utime(edited, ns=(times.st_atime_ns, times.st_mtime_ns))
    renamed.rename(folder.root / "d.flac")
    await folder.watch()
    after = [
        await folder.recording(same),
        await folder.analysed(edited, 140),
        await folder.recording(folder.root / "d.flac"),
    ]
    assert [each["recording_id"] for each in after] == [each["recording_id"] for each in before]
    await folder.settled()
    assert [folder.asked(each) for each in before] == [1, 2, 1]


async def test_file_that_is_deleted_and_put_back_has_its_results_without_an_analysis(folder: Folder) -> None:
    path = folder.write("track.flac", 120)
    first = await folder.analysed(path, 120)
    content = path.read_bytes()
    path.unlink()

    async def deleted() -> bool:
        return await folder.at(path) is None

    await eventually(deleted)
    path.write_bytes(content)
    again = await folder.recording(path)
    assert again["recording_id"] == first["recording_id"]
    await folder.settled()
    assert folder.asked(first) == 1


async def test_events_that_nobody_takes_in_for_their_time_are_dead_letters_of_rabbitmq(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path: Path
) -> None:
    short = topology_with(**{"cataloging.file.events": {"ttl": "1ms"}})
    letters = find_queue(short, "cataloging.file.events.dlq")
    events = [name for name in short.messages if name.startswith("file.") and name != "file.analyze"]
    async with live_library(rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path, topology=short) as library:
        for name in events:
            await library.publish(name, {}, id=name)

        async def buried() -> bool:
            return await library.depth(letters.name) == len(events)

        await eventually(buried)
        found = await peek(library.broker, letters)
        assert [(letter.message_id, letter.error_code, letter.routing_key) for letter in found] == [
            (name, "EXPIRED", name) for name in events
        ]
        assert await library.depth("analysis.lifecycle.events") == len(events)


async def test_rabbitmq_lets_the_catalogs_events_wait_for_a_day(folder: Folder) -> None:
    async def policy() -> dict[str, Any] | None:
        queue = await folder.library.management.get("queues", folder.library.vhost, "cataloging.file.events")
        found: dict[str, Any] | None = queue.get("effective_policy_definition")
        return found

    definition = await eventually(policy)
    assert (definition["message-ttl"], definition["dead-letter-routing-key"]) == (
        24 * 60 * 60 * 1000,
        "cataloging.file.events.dlq",
    )
