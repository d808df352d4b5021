"""Real processes: tasks, progress, time limits, crashes, and that ending one disturbs no other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline.errors import ErrorCode, PipelineError
from pipeline.messages.message import Envelope
from pipeline.runtime.child import Configuration, Task
from pipeline.runtime.failure import Failure, WorkerCrashed
from pipeline.runtime.pool import ProcessPool
from pipeline.runtime.work import Surroundings
from pipeline.topology.values import Reference

STEPS = """
    import os
    import signal
    import threading
    import time
    import sys

    from pipeline.errors import Permanent


    def run(body, context):
        context.progress(0.5, "half way")
        return ACTIONS[body.action](body, context)


    def seen(body, context):
        return {
            "pid": os.getpid(),
            "threads": os.environ["OMP_NUM_THREADS"],
            "roots": [str(root) for root in context.roots],
            "option": context.options["colour"],
            "name": context.envelope.message,
        }


    def wait_for_file(body, context):
        while not os.path.exists(body.path):
            time.sleep(0.01)
        return os.getpid()


    class Unpicklable(Exception):
        def __init__(self, one, two):
            super().__init__(one)
            self.lock = threading.Lock()


    def fail(body, context):
        raise Unpicklable(1, 2)


    def refuse(body, context):
        raise Permanent("broken file", "DECODE_ERROR", detail=threading.Lock())


    ACTIONS = {
        "seen": seen,
        "wait": wait_for_file,
        "crash": lambda body, context: os.kill(os.getpid(), signal.SIGKILL),
        "sleep": lambda body, context: time.sleep(600),
        "fail": fail,
        "refuse": refuse,
        "exit": lambda body, context: sys.exit(3),
        "lambda": lambda body, context: (lambda: None),
        "state": lambda body, context: context.state,
        "print": lambda body, context: print("on standard output"),
    }


    async def alone(body, context):
        return os.getpid()
"""


class Order(BaseModel):
    action: str
    path: str = ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pool_steps.py").write_text(textwrap.dedent(STEPS))
    return tmp_path


def configuration(folder: Path) -> Configuration:
    runs = {
        ("work", None): (Reference("pool_steps", "run"),),
        ("async", None): (Reference("pool_steps", "alone"),),
    }
    surroundings = {
        "work": Surroundings((folder,), folder, {"colour": "red"}),
        "async": Surroundings((folder,), folder, {}),
    }
    return Configuration(str(folder), runs, surroundings, "info")


@pytest.fixture
async def start(folder: Path) -> AsyncIterator[Callable[[int], Awaitable[ProcessPool]]]:
    pools: list[ProcessPool] = []

    async def start(processes: int) -> ProcessPool:
        pools.append(ProcessPool(processes, configuration(folder)))
        await pools[-1].start()
        return pools[-1]

    yield start
    for pool in pools:
        await pool.close()


async def ask(
    pool: ProcessPool,
    action: str,
    *,
    path: str = "",
    stage: str = "work",
    seconds: float | None = None,
    show: Callable[[float, str], None] = lambda fraction, message: None,
) -> Any:
    envelope = Envelope("order", "id", None, "queue", "", "order")
    task = pickle.dumps(Task(stage, None, envelope, Order(action=action, path=path)))
    async with pool.child() as child, asyncio.timeout(seconds):
        return pickle.loads(await child.run(task, show))


def wait_until_ended(pid: int, seconds: float = 20) -> None:
    """Until a process is gone, or a zombie."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(FileNotFoundError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline, f"process {pid} is still there"
            time.sleep(0.01)


async def test_steps_run_in_a_process_with_what_they_may_ask_for(start: Any, folder: Path) -> None:
    pool = await start(1)
    shown: list[tuple[float, str]] = []
    [seen] = await ask(pool, "seen", show=lambda fraction, message: shown.append((fraction, message)))
    assert seen.pop("pid") != os.getpid()
    assert seen == {"threads": "1", "roots": [str(folder)], "option": "red", "name": "order"}
    assert shown == [(0.5, "half way")]


async def test_async_steps_run_in_a_process(start: Any) -> None:
    [pid] = await ask(await start(1), "", stage="async")
    assert pid != os.getpid()


async def test_tasks_run_at_the_same_time_in_as_many_processes_as_there_are(start: Any, folder: Path) -> None:
    pool = await start(2)
    gate = folder / "gate"
    waiting = [asyncio.ensure_future(ask(pool, "wait", path=str(gate))) for _ in range(3)]
    await asyncio.sleep(0)
    gate.touch()
    pids = [pid for [pid] in await asyncio.wait_for(asyncio.gather(*waiting), 30)]
    assert len(set(pids)) == 2


async def test_a_crash_is_told_and_leaves_the_other_task_and_the_pool_intact(start: Any, folder: Path) -> None:
    pool = await start(2)
    gate = folder / "gate"
    other = asyncio.ensure_future(ask(pool, "wait", path=str(gate)))
    with pytest.raises(WorkerCrashed):
        await ask(pool, "crash")
    gate.touch()
    assert await asyncio.wait_for(other, 30)
    both = await asyncio.wait_for(asyncio.gather(ask(pool, "seen"), ask(pool, "seen")), 30)
    assert len(both) == 2


async def test_running_out_of_time_ends_that_process_alone(start: Any, folder: Path) -> None:
    pool = await start(2)
    gate = folder / "gate"
    other = asyncio.ensure_future(ask(pool, "wait", path=str(gate)))
    with pytest.raises(TimeoutError):
        await ask(pool, "sleep", seconds=0.2)
    gate.touch()
    assert await asyncio.wait_for(other, 30)


async def test_a_process_that_is_killed_while_idle_is_replaced(start: Any) -> None:
    pool = await start(1)
    [seen] = await ask(pool, "seen")
    os.kill(seen["pid"], signal.SIGKILL)
    wait_until_ended(seen["pid"])
    await asyncio.sleep(0)  # one turn of the loop, to see that the socket is closed
    [again] = await asyncio.wait_for(ask(pool, "seen"), 30)
    assert again["pid"] != seen["pid"]


@pytest.mark.parametrize(
    ("action", "code", "named", "permanent"),
    [
        ("fail", ErrorCode.INTERNAL_ERROR, "Unpicklable at pool_steps:", False),
        ("refuse", "DECODE_ERROR", "broken file", True),
        ("exit", ErrorCode.INTERNAL_ERROR, "SystemExit at pool_steps:", False),
        ("lambda", ErrorCode.INTERNAL_ERROR, "", False),
        ("state", ErrorCode.INTERNAL_ERROR, "RuntimeError", False),
    ],
)
async def test_every_failure_comes_back_as_data(
    start: Any, action: str, code: str, named: str, permanent: bool
) -> None:
    pool = await start(1)
    failure = await ask(pool, action)
    assert isinstance(failure, Failure)
    assert (failure.error_code, failure.permanent) == (code, permanent)
    assert named in failure.reason
    [seen] = await ask(pool, "seen")
    assert seen["name"] == "order"


async def test_signals_to_the_whole_group_do_not_end_a_running_task(start: Any, folder: Path) -> None:
    pool = await start(1)
    [seen] = await ask(pool, "seen")
    gate = folder / "gate"
    waiting = asyncio.ensure_future(ask(pool, "wait", path=str(gate)))
    await asyncio.sleep(0)
    os.kill(seen["pid"], signal.SIGTERM)
    os.kill(seen["pid"], signal.SIGINT)
    gate.touch()
    assert await asyncio.wait_for(waiting, 30) == [seen["pid"]]


async def test_what_steps_print_leaves_standard_output_alone(start: Any, capfd: pytest.CaptureFixture[str]) -> None:
    pool = await start(1)
    await ask(pool, "print")
    await pool.close()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "on standard output" in captured.err


async def test_a_module_that_does_not_import_is_an_error_at_start(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "pool_steps.py").write_text("import surely_not_there")
    pool = ProcessPool(2, configuration(folder))
    with pytest.raises(PipelineError, match="does not start"):
        await pool.start()
    assert "surely_not_there" in capfd.readouterr().err


def test_no_process_outlives_a_worker_that_is_killed(folder: Path) -> None:
    program = f"""
        import asyncio, pathlib, pickle, sys
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from pipeline.messages.message import Envelope
        from pipeline.runtime.child import Configuration, Task
        from pipeline.runtime.pool import ProcessPool
        from pipeline.runtime.work import Surroundings
        from pipeline.topology.values import Reference
        from pydantic import BaseModel

        async def main():
            runs = {{("work", None): (Reference("time", "sleep"),)}}
            surroundings = {{"work": Surroundings((), pathlib.Path(), {{}})}}
            pool = ProcessPool(1, Configuration(None, runs, surroundings, "info"))
            await pool.start()
            async with pool.child() as child:
                print(child.pid, flush=True)
                await child.run(pickle.dumps(Task("work", None, Envelope("m", None, None, "q", "", ""), 600)), print)

        asyncio.run(main())
    """
    worker = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    with worker, worker.stdout:
        pid = int(worker.stdout.readline())
        worker.kill()
    wait_until_ended(pid)
