"""What the embedded store keeps in its folder, and who may use it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from pipeline.errors import PipelineError
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Claim, Status, Update


@asynccontextmanager
async def opened(folder: Path | None, **options: float) -> AsyncIterator[EmbeddedStore]:
    store = EmbeddedStore(folder, **options)
    await store.connect()
    try:
        yield store
    finally:
        await store.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def begins(progress: float = 0.0) -> Update:
    return Update("rec", "run", "attempt", "progress", Status.ANALYZING, progress, begins=True)


async def test_store_without_a_folder_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(None) as store:
        await store.documents.put("recording", "id", {})
    async with opened(None) as store:
        assert await store.documents.get("recording", "id") is None
    assert list(tmp_path.iterdir()) == []


async def test_folder_is_made(tmp_path: Path) -> None:
    async with opened(tmp_path / "a" / "b") as store:
        await store.documents.put("recording", "id", {})
    assert (tmp_path / "a" / "b" / "state.jsonl").exists()


async def test_store_that_was_never_connected_writes_nothing(tmp_path: Path) -> None:
    await EmbeddedStore(tmp_path / "data").close()
    assert not (tmp_path / "data").exists()


async def test_changes_are_saved_while_running(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    async with opened(tmp_path, save_every_s=0.02) as store:
        await store.documents.put("recording", "one", {"title": "first"})
        await until(lambda: path.exists() and "first" in path.read_text())
        await store.documents.put("recording", "one", {"title": "second"})
        await until(lambda: "second" in path.read_text())
        assert "first" not in path.read_text()
        await store.documents.delete("recording", "one")
        await until(lambda: "second" not in path.read_text())


async def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    async with opened(tmp_path, save_every_s=0.01) as store:
        await store.documents.put("recording", "one", {})
        await until(path.exists)
        written = path.stat().st_ino
        for _ in range(20):
            await store.documents.get("recording", "one")
            await asyncio.sleep(0.01)
        assert path.stat().st_ino == written


async def test_leases_and_counts_end_with_the_process_and_the_epoch_changes(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        before = await store.progress.record(begins(0.1))
        await store.ledger.begin("stage", "running", "owner", 600)
        await store.ledger.begin("stage", "done", "owner", 600)
        await store.ledger.finish("stage", "done", "owner", 600.0)
        await store.announce("connections", "old", 5, 600)
    async with opened(tmp_path) as store:
        assert await store.ledger.begin("stage", "running", "other", 600) is Claim.FRESH
        assert await store.ledger.begin("stage", "done", "other", 600) is Claim.DONE
        assert await store.announce("connections", "new", 1, 600) == 1
        after = await store.progress.record(begins(0.2))
        assert before is not None
        assert after is not None
        assert after.sequence == before.sequence + 1
        assert after.epoch != before.epoch
        assert await store.progress.since("rec", 0) == [after]


async def test_entries_expire_in_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    async with opened(tmp_path, save_every_s=0.02) as store:
        await store.ledger.begin("stage", "short", "owner", 600)
        await store.ledger.finish("stage", "short", "owner", 0.3)
        await until(lambda: path.exists() and "stage:short" in path.read_text())
    async with opened(tmp_path, save_every_s=0.02) as store:
        await asyncio.sleep(0.3)
        await store.documents.put("recording", "one", {})
        await until(lambda: "document:recording:one" in path.read_text())
        assert "stage:short" not in path.read_text()
        assert await store.ledger.begin("stage", "short", "other", 600) is Claim.FRESH


async def test_damaged_snapshot_is_set_aside_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    async with opened(tmp_path) as store:
        await store.documents.put("recording", "one", {})
    damaged = path.read_bytes()[:-10]
    path.write_bytes(damaged)
    with structlog.testing.capture_logs() as logs:
        async with opened(tmp_path) as store:
            assert await store.documents.get("recording", "one") is None
            await store.documents.put("recording", "two", {"a": 2})
    (warning,) = logs
    assert warning["log_level"] == "warning"
    assert Path(warning["set_aside"]).read_bytes() == damaged
    async with opened(tmp_path) as store:
        assert await store.documents.get("recording", "two") == {"a": 2}


async def test_second_store_on_the_folder_is_told_who_has_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with pytest.raises(PipelineError, match=rf"Another process \({os.getpid()}\)") as caught:
            async with opened(tmp_path):
                pass
        assert "PIPELINE_DATA_DIR" in caught.value.fix
        await store.documents.put("recording", "one", {"a": 1})
    async with opened(tmp_path) as store:
        assert await store.documents.get("recording", "one") == {"a": 1}


async def test_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PipelineError, match="cannot be kept") as caught:
        async with opened(tmp_path / "file" / "data"):
            pass
    assert caught.value.where == str(tmp_path / "file" / "data")
    assert "PIPELINE_DATA_DIR" in caught.value.fix


async def test_failed_save_is_reported_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with structlog.testing.capture_logs() as logs:
        async with opened(folder, save_every_s=0.02) as store:
            folder.rename(tmp_path / "elsewhere")
            await store.documents.put("recording", "one", {"a": 1})
            await until(lambda: bool(logs))
            (tmp_path / "elsewhere").rename(folder)
    assert {each["event"] for each in logs} == {"state not saved"}
    async with opened(folder) as store:
        assert await store.documents.get("recording", "one") == {"a": 1}


async def test_store_closes_at_whatever_turn_of_a_save(tmp_path: Path) -> None:
    for turns in range(30):
        store = EmbeddedStore(tmp_path, save_every_s=0)
        await store.connect()
        await store.documents.put("recording", "one", {"turns": turns})
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await store.close()


async def test_store_closes_while_a_save_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, fail = threading.Event(), threading.Event()

    def full_disk(path: Path, lines: list[str]) -> None:
        begun.set()
        fail.wait(20)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.state.embedded.write_snapshot", full_disk)
    with structlog.testing.capture_logs() as logs:
        async with opened(tmp_path, save_every_s=0) as store:
            await store.documents.put("recording", "one", {})
            await until(begun.is_set)
            asyncio.get_running_loop().call_soon(fail.set)
    assert [each["event"] for each in logs] == ["state not saved"]


async def test_many_writes_during_a_save_leave_a_snapshot_of_one_moment(tmp_path: Path) -> None:
    async with opened(tmp_path, save_every_s=0.01) as store:

        async def write(worker: int) -> None:
            for number in range(150):
                name = f"{worker}-{number}"
                await store.documents.put("recording", name, {"n": number}, unique={"path": f"/{name}"})

        await asyncio.gather(*(write(worker) for worker in range(8)))
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "state.jsonl").write_bytes((tmp_path / "state.jsonl").read_bytes())
    async with opened(copy) as early, opened(tmp_path) as late:
        assert (await late.documents.page("recording"))[1] == 8 * 150
        documents, total = await early.documents.page("recording", limit=10_000)
        assert len(documents) == total > 0
        for document in documents:
            assert await early.documents.find("recording", "path", f"/{document['id']}") == [document["id"]]


_VICTIM = """
import asyncio, sys
from pathlib import Path
from pipeline.state.embedded import EmbeddedStore

async def main():
    store = EmbeddedStore(Path(sys.argv[1]), save_every_s=0.005)
    await store.connect()
    number = 0
    while True:
        number += 1
        await store.documents.put("recording", "id", {"n": number, "pad": "x" * 20000}, unique={"n": str(number)})
        if number == 100:
            print("running", flush=True)

asyncio.run(main())
"""


def test_killed_process_leaves_a_whole_snapshot_and_a_free_folder(tmp_path: Path) -> None:
    async def read() -> tuple[dict[str, object] | None, list[str]]:
        async with opened(tmp_path) as store:
            document = await store.documents.get("recording", "id")
            assert document is not None
            return document, await store.documents.find("recording", "n", str(document["n"]))

    for _ in range(3):
        victim = subprocess.Popen([sys.executable, "-c", _VICTIM, str(tmp_path)], stdout=subprocess.PIPE)
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"running\n"
        victim.send_signal(signal.SIGKILL)
        victim.wait(20)
        victim.stdout.close()
        with structlog.testing.capture_logs() as logs:
            document, found = asyncio.run(read())
        assert logs == []
        assert document is not None
        assert int(str(document["n"])) > 0
        assert found == ["id"]
