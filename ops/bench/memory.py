"""The memory of one worker while a million messages pass through it.

`python -m ops.bench.memory [--messages N] [--out FILE.json]`: each is validated, answered by another that is
confirmed, and acked; the queue is kept filled meanwhile. Unique set size: what would be free if it ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from ops.bench.contenders.task import DONE, QUEUE, Work
from ops.bench.workload import Bench, contenders, publish_tasks

_MOST_WAITING = 10_000
_AT_ONCE = 1_000
_LOOK_S = 0.05
_ROWS = 20


async def measure(messages: int) -> list[dict[str, float]]:
    """How many were done, and MiB then, over the run."""
    found = []
    ours = next(each for each in contenders(Path(os.devnull))[0] if each.name == "pipeline")
    async with Bench.running() as bench, bench.broker() as broker:
        command = [*ours.command, Work.PUBLISH.value, str(messages)]
        worker = await asyncio.create_subprocess_exec(*command, env=bench.environment, stdout=subprocess.PIPE)
        try:
            process = psutil.Process(worker.pid)
            for start in range(0, messages, _AT_ONCE):
                while (waiting := (await broker.depth(QUEUE)).messages) > _MOST_WAITING:
                    if worker.returncode is not None:
                        sys.exit(f"the worker ended with exit code {worker.returncode}")
                    await asyncio.sleep(_LOOK_S)
                if start // _AT_ONCE % max(1, messages // _AT_ONCE // _ROWS) == 0:
                    mib = process.memory_full_info().uss / 2**20
                    found.append({"messages": max(0, start - waiting), "mib": round(mib, 1)})
                await publish_tasks(broker, range(start, min(messages, start + _AT_ONCE)), None)
                await broker.purge(DONE)
            await worker.wait()
        finally:
            if worker.returncode is None:
                worker.kill()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.memory")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, help="result as JSON")
    chosen = parser.parse_args()
    found = asyncio.run(measure(chosen.messages))
    table = Table(title="memory of one worker", title_justify="left")
    for heading in ("messages done", "MiB"):
        table.add_column(heading, justify="right")
    for each in found:
        table.add_row(f"{each['messages']:,.0f}", f"{each['mib']:.1f}")
    Console().print(table)
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
