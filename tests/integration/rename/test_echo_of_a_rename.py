"""What the watcher tells of our own rename starts nothing: the recording keeps its id and results, under its new name.

The watcher, the catalog, the analysis, the metadata and the renames work together here, on a real folder, broker and
store. A queue of the test's own hears everything that is asked of the analysis.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import wave
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops.audio import write_track
from pipeline.broker.port import Delivery
from pipeline.runtime.compose import import_reference
from pipeline.runtime.sources import SourceRunner
from pipeline.runtime.worker import Worker
from stages.rename import exclusive
from tests.live_library import LiveLibrary, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

TAP = "everything"
OTHERS = ("catalog", "lifecycle", "metadata", "rename")


class Watched:
    """A watched library.

    Attributes:
        asked: routing keys with bodies of all that was published on `tracktion.events`.
    """

    def __init__(self, library: LiveLibrary) -> None:
        self.library = library
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._source = SourceRunner(
            "watcher",
            library.topology,
            library.broker,
            library.state,
            import_reference,
            roots=[library.root],
            data_dir=library.data_dir,
            options={"settle": 0.2, "pairing": 1.0, "root_check": 0.1},
        )
        self._running: asyncio.Future[None] | None = None

    async def open(self) -> None:
        management, vhost = self.library.management, self.library.vhost
        await management.put("queues", vhost, TAP, body={"durable": True})
        await management.post("bindings", vhost, "e", "tracktion.events", "q", TAP, body={"routing_key": "#"})
        await self.library.broker.consume(TAP, self._overheard, prefetch=100)
        self._running = asyncio.ensure_future(self._source.run())
        await self._source.caught_up()

    async def close(self) -> None:
        await self._source.stop()
        assert self._running is not None
        await self._running

    async def recording_at(self, path: Path) -> dict[str, Any] | None:
        """What the catalog has of a path."""
        (owner,) = await self.library.state.documents.owners("recording", "path", [str(path)])
        return None if owner is None else await self.library.state.documents.get("recording", owner)

    async def renamed(self, path: Path, name: str, **options: bool) -> None:
        """Ask for a rename, and wait until the catalog has heard of it."""
        body = {"file_path": str(path), "suggested_name": name, "options": options}
        await self.library.publish("rename.request", body)
        answer = await self.library.answer("file_rename.response")
        assert answer["success"], answer
        await eventually(lambda: self.recording_at(path.with_name(name)))

    async def analyses_of(self, recording_id: str) -> list[str]:
        """The terminal events of a recording."""
        frames = await self.library.events(recording_id)
        return [frame["data"]["type"] for frame in frames if frame["data"]["type"] in ("analysis_complete", "error")]

    async def at_rest(self) -> bool:
        """Whether nothing is to be done or being done."""
        queues = [name for name, queue in self.library.topology.queues.items() if not queue.external]
        waiting = [await self.library.depth(self.library.topology.queue_name(queue)) for queue in queues]
        return self.library.held == 0 and not any(waiting)

    def requests_for(self, recording_id: str) -> Counter[str]:
        """What was asked for of a recording, and how often."""
        return Counter(key for key, body in self.asked if body.get("recording_id") == recording_id)

    def _overheard(self, delivery: Delivery) -> None:
        self.asked.append((delivery.message.headers["x-message-name"], json.loads(delivery.message.body)))
        delivery.ack()


@pytest.fixture
async def watched(library: LiveLibrary) -> AsyncIterator[Watched]:
    watching = Watched(library)
    await watching.open()
    yield watching
    await watching.close()


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of 120 BPM in A minor, outside of the library."""
    path = tmp_path_factory.mktemp("music") / "music.wav"
    write_track(path, bpm=120, key="A minor", seconds=12, style="pop")
    return path


@pytest.fixture
def song(library: LiveLibrary, music: Path) -> Callable[..., Path]:
    """Puts the music into the library, `times` after each other."""

    def placed(name: str = "track.wav", times: int = 1) -> Path:
        path = library.root.parent / name
        with wave.open(str(music)) as source, wave.open(str(path), "wb") as target:
            target.setparams(source.getparams())
            frames = source.readframes(source.getnframes())
            for _ in range(times):
                target.writeframesraw(frames)
        return Path(shutil.move(path, library.root / name))

    return placed


def by_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that cannot rename exclusively in one step."""

    def not_offered(folder: int, old: str, new: str) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), old, None, new)

    monkeypatch.setattr(exclusive, "rename_in_one_step", not_offered)


@pytest.mark.parametrize(
    ("name", "options", "prepare"),
    [
        ("Artist - Title.wav", {}, None),
        ("Artist - Title.wav", {"backup_original": True}, None),
        ("TRACK.wav", {}, None),
        ("Artist - Title.wav", {"backup_original": True}, by_links),
    ],
    ids=["plain", "with a backup", "only the case", "by links"],
)
async def test_an_analysed_recording_keeps_its_id_and_results_and_nothing_is_asked_again(
    watched: Watched,
    song: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, bool],
    prepare: Callable[[pytest.MonkeyPatch], None] | None,
) -> None:
    if prepare is not None:
        prepare(monkeypatch)
    await watched.library.start([*OTHERS, "analysis"])
    path = song()
    before = await eventually(lambda: watched.recording_at(path))
    recording_id = before["recording_id"]
    results = (await watched.library.ended(recording_id))["data"]["results"]
    assert results["bpm"] == pytest.approx(120, rel=0.01)
    await eventually(watched.at_rest)
    asked, frames = watched.requests_for(recording_id), await watched.library.events(recording_id)
    assert asked["file.analyze"] == 1
    await watched.renamed(path, name, **options)
    # What comes of the rename comes before what comes of this file.
    other = song("other.wav", times=2)
    second = await eventually(lambda: watched.recording_at(other))
    await watched.library.ended(second["recording_id"])
    await eventually(watched.at_rest)
    after = await watched.recording_at(path.with_name(name))
    assert after is not None
    assert after["recording_id"] == recording_id
    assert [each["path"] for each in after["path_history"]] == [str(path)]
    assert (after["deleted_at"], after["revision"], after["sha256_hash"]) == (None, 1, before["sha256_hash"])
    assert await watched.recording_at(path) is None
    assert watched.requests_for(recording_id) == asked
    assert await watched.library.events(recording_id) == frames
    _, total = await watched.library.state.documents.page("recording")
    assert total == 2


async def test_a_recording_renamed_while_its_analysis_waits_gets_one_result(
    watched: Watched, song: Callable[..., Path]
) -> None:
    await watched.library.start(OTHERS)
    path = song()
    recording_id = (await eventually(lambda: watched.recording_at(path)))["recording_id"]
    await eventually(lambda: watched.requests_for(recording_id)["file.analyze"] == 1)
    await watched.renamed(path, "Artist - Title.wav")
    await watched.library.start(["analysis"])
    await _ends_with_one_result(watched, recording_id, path.with_name("Artist - Title.wav"))


async def test_a_recording_renamed_before_its_analysis_has_opened_the_file_gets_one_result(
    watched: Watched, song: Callable[..., Path]
) -> None:
    await watched.library.start(OTHERS)
    worker = await watched.library.start(["analysis"])
    stopped = _processes(worker)
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    path = song()
    recording_id = (await eventually(lambda: watched.recording_at(path)))["recording_id"]
    await eventually(lambda: worker.held == 1)
    await watched.renamed(path, "Artist - Title.wav")
    for process in stopped:
        process.send_signal(signal.SIGCONT)
    await _ends_with_one_result(watched, recording_id, path.with_name("Artist - Title.wav"))


async def test_a_recording_renamed_while_its_analysis_reads_it_gets_one_result(
    watched: Watched, song: Callable[..., Path]
) -> None:
    await watched.library.start(OTHERS)
    worker = await watched.library.start(["analysis"])
    (process,) = _processes(worker)
    path = song(times=100)
    await eventually(lambda: any(each.path == str(path) for each in process.open_files()))
    process.send_signal(signal.SIGSTOP)
    recording_id = (await eventually(lambda: watched.recording_at(path)))["recording_id"]
    assert await watched.analyses_of(recording_id) == []
    await watched.renamed(path, "Artist - Title.wav")
    process.send_signal(signal.SIGCONT)
    await _ends_with_one_result(watched, recording_id, path.with_name("Artist - Title.wav"))


async def _ends_with_one_result(watched: Watched, recording_id: str, path: Path) -> None:
    frame = await watched.library.ended(recording_id)
    assert frame["data"]["type"] == "analysis_complete"
    await eventually(watched.at_rest)
    assert await watched.analyses_of(recording_id) == ["analysis_complete"]
    recording = await watched.recording_at(path)
    assert recording is not None
    assert (recording["recording_id"], recording["deleted_at"]) == (recording_id, None)
    _, total = await watched.library.state.documents.page("recording")
    assert total == 1


def _processes(worker: Worker) -> list[psutil.Process]:
    """Those of the worker's pool."""
    (pool,) = worker._pools
    return [psutil.Process(child.pid) for child in pool._children]
