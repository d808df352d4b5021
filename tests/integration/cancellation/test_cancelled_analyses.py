"""`analysis.cancel` on a real broker and store: queued work never starts, running work stops, the worker goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.messages.message import ERROR_CODE
from pipeline.runtime.worker import Worker
from pipeline.state.port import Status, Update
from stages.examples import EXAMPLES
from tests.live_library import LiveLibrary, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]


def pool_processes() -> list[psutil.Process]:
    """Those that workers in this process have started."""
    children = psutil.Process().children()
    return [child for child in children if any("pipeline.runtime.child" in word for word in child.cmdline())]


def at_work(worker: Worker) -> bool:
    """Whether all its processes have a task: a recording is shown as being analysed before one of them gets it."""
    (pool,) = worker._pools
    return pool._idle.empty()


def request_for(recording_id: str, path: Path) -> dict[str, Any]:
    return EXAMPLES["analysis.request"][0] | {"recording_id": recording_id, "file_path": str(path)}


def cancellation_of(recording_id: str) -> dict[str, Any]:
    return EXAMPLES["analysis.cancel"][0] | {"recording_id": recording_id}


async def statuses(library: LiveLibrary, recording_id: str) -> list[str]:
    return [frame["data"]["status"] for frame in await library.events(recording_id)]


@pytest.mark.parametrize("announced", [True, False], ids=["ours", "a stranger's"])
async def test_a_queued_analysis_never_starts(
    announced: bool, library: LiveLibrary, track: Callable[[str], Path]
) -> None:
    publish = library.request if announced else library.publish
    for recording_id in ("before", "meant", "after"):
        await library.recording(recording_id, track(f"{recording_id}.wav"))
        await publish("analysis.request", request_for(recording_id, library.root / f"{recording_id}.wav"))
    await library.start(["cancellation"])
    await library.publish("analysis.cancel", cancellation_of("meant"))
    await eventually(lambda: _settled(library, "analysis.cancel"))
    await library.start(["analysis"])
    for recording_id in ("before", "after"):
        assert (await library.ended(recording_id))["data"]["status"] == "completed"
    frame = await library.ended("meant")
    assert (frame["data"]["type"], frame["data"]["status"]) == ("error", "cancelled")
    assert frame["data"]["details"]["error_code"] == "CANCELLED"
    await eventually(lambda: _settled(library, "analysis_queue"))
    assert set(await statuses(library, "meant")) <= {"queued", "cancelled"}
    assert await library.depth("analysis_queue.dlq") == 0


async def _settled(library: LiveLibrary, queue: str) -> bool:
    return await library.depth(queue) == 0 and library.held == 0


@pytest.mark.parametrize("elsewhere", [False, True], ids=["by the same worker", "by another worker"])
async def test_a_running_analysis_is_stopped_with_its_process_and_the_worker_goes_on(
    elsewhere: bool, library: LiveLibrary, track: Callable[[str], Path]
) -> None:
    worker = await library.start(["analysis"] if elsewhere else ["analysis", "cancellation"])
    (busy,) = pool_processes()
    if elsewhere:
        await library.start(["cancellation"])
    busy.send_signal(signal.SIGSTOP)  # as busy as can be: it does not even hear a signal
    await library.recording("endless", track("endless.wav"))
    await library.publish("analysis.request", request_for("endless", library.root / "endless.wav"))
    await eventually(lambda: at_work(worker))
    await library.publish("analysis.cancel", cancellation_of("endless"))
    frame = await library.ended("endless")
    assert (frame["data"]["status"], frame["data"]["details"]["error_code"]) == ("cancelled", "CANCELLED")
    await eventually(lambda: not busy.is_running())
    await eventually(lambda: worker.held == 0)
    await library.recording("next", track("next.wav"))
    await library.publish("analysis.request", request_for("next", library.root / "next.wav"))
    assert (await library.ended("next"))["data"]["status"] == "completed"
    assert [process.pid for process in pool_processes()] != [busy.pid]
    assert await statuses(library, "endless") == ["analyzing", "cancelled"]
    assert await library.depth("analysis_queue.dlq") == 0


async def test_of_two_workers_only_the_one_that_runs_it_loses_its_process(
    library: LiveLibrary, track: Callable[[str], Path]
) -> None:
    workers = [await library.start()]
    (first,) = pool_processes()
    workers.append(await library.start())
    (second,) = [each for each in pool_processes() if each.pid != first.pid]
    first.send_signal(signal.SIGSTOP)
    second.send_signal(signal.SIGSTOP)
    for recording_id in ("one", "other"):
        await library.recording(recording_id, track(f"{recording_id}.wav"))
        await library.publish("analysis.request", request_for(recording_id, library.root / f"{recording_id}.wav"))
    await eventually(lambda: all(map(at_work, workers)))
    await library.publish("analysis.cancel", cancellation_of("one"))
    assert (await library.ended("one"))["data"]["status"] == "cancelled"
    await eventually(lambda: first.is_running() != second.is_running())
    survivor = first if first.is_running() else second
    survivor.send_signal(signal.SIGCONT)
    assert (await library.ended("other"))["data"]["status"] == "completed"
    assert survivor.is_running()


async def test_what_is_asked_for_after_a_cancellation_is_done(
    library: LiveLibrary, track: Callable[[str], Path]
) -> None:
    await library.recording("rec", track("rec.wav"))
    await library.request("analysis.request", request_for("rec", library.root / "rec.wav"))
    await library.start(["cancellation"])
    await library.publish("analysis.cancel", cancellation_of("rec"))
    assert (await library.ended("rec"))["data"]["status"] == "cancelled"
    await library.request("analysis.request", request_for("rec", library.root / "rec.wav"))
    await library.start(["analysis"])
    await eventually(lambda: _completed(library, "rec"))
    assert (await statuses(library, "rec"))[:3] == ["queued", "cancelled", "queued"]


async def _completed(library: LiveLibrary, recording_id: str) -> bool:
    return "completed" in await statuses(library, recording_id)


async def test_an_analysis_that_waits_for_its_next_attempt_is_cancelled(
    library: LiveLibrary, track: Callable[[str], Path]
) -> None:
    worker = await library.start(["analysis", "cancellation"])
    (doomed,) = pool_processes()
    doomed.send_signal(signal.SIGSTOP)
    await library.recording("rec", track("rec.wav"))
    await library.publish("analysis.request", request_for("rec", library.root / "rec.wav"))
    await eventually(lambda: at_work(worker))
    os.kill(doomed.pid, signal.SIGKILL)
    await eventually(lambda: _retrying(library, "rec"))
    await library.publish("analysis.cancel", cancellation_of("rec"))
    assert (await library.ended("rec"))["data"]["status"] == "cancelled"
    await eventually(lambda: _waits_nowhere(library))
    assert (await statuses(library, "rec"))[-1] == "cancelled"
    assert await library.depth("analysis_queue.dlq") == 0


async def _retrying(library: LiveLibrary, recording_id: str) -> bool:
    return "retrying" in await statuses(library, recording_id)


async def _waits_nowhere(library: LiveLibrary) -> bool:
    waiting = await library.depth(f"{library.topology.name}.retry.5s")
    return waiting == 0 and await _settled(library, "analysis_queue")


async def test_cancelling_a_finished_analysis_changes_nothing(library: LiveLibrary) -> None:
    found = Update("rec", "1", "a", "analysis_complete", Status.COMPLETED, 1.0, {"results": {}}, begins=True)
    await library.state.progress.record(found)
    await library.start(["cancellation"])
    await library.publish("analysis.cancel", cancellation_of("rec"))
    await eventually(lambda: _settled(library, "analysis.cancel"))
    assert await statuses(library, "rec") == ["completed"]
    assert await library.depth("analysis.cancel.dlq") == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"recording_id": "nobody"}, "UNKNOWN_RECORDING"),
        ({"action": "cancel"}, "INVALID_MESSAGE"),
        ({"recording_id": 7}, "INVALID_MESSAGE"),
        ({"recording_id": "rec", "action": "pause"}, "INVALID_MESSAGE"),
        (b"cancel!", "INVALID_MESSAGE"),
    ],
)
async def test_a_cancellation_that_makes_no_sense_is_dead_lettered_and_the_next_is_taken(
    body: Any, code: str, library: LiveLibrary
) -> None:
    await library.state.progress.record(Update("rec", "1", "", "progress", Status.QUEUED))
    await library.start(["cancellation"])
    await library.publish("analysis.cancel", body)
    await library.publish("analysis.cancel", cancellation_of("rec"))
    assert (await library.take("analysis.cancel.dlq")).headers[ERROR_CODE] == code
    assert (await library.ended("rec"))["data"]["status"] == "cancelled"
