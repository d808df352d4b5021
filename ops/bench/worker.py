"""A worker beside those that one would write otherwise: messages per second, and CPU per message.

`python -m ops.bench.worker [--quick] [--out FILE.json] [--plot FILE.svg]`: on a private RabbitMQ and Redis. Each run is
a process of its own on a queue that was filled before; contenders take turns in an order that changes from round to
round. What is not installed is left out, and named.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ops.bench.contenders.task import Work
from ops.bench.workload import Bench, Contender, Result, contenders

_SEED = 20


async def measure(bench: Bench, taking_part: list[Contender], messages: int, rounds: int) -> dict[str, Any]:
    """Medians by work and contender."""
    runs: dict[tuple[Work, str], list[Result]] = defaultdict(list)
    chance = random.Random(_SEED)
    for number in range(rounds + 1):
        for work in Work:
            for contender in chance.sample(taking_part, len(taking_part)):
                if work in contender.works:
                    result = await bench.run(contender, work, messages)
                    if number:  # the first round warms the caches
                        runs[work, contender.name].append(result)
    return {
        work.value: {
            contender.name: {
                "messages_per_s": statistics.median(run.messages_per_s for run in runs[work, contender.name]),
                "cpu_us": statistics.median(run.cpu_us for run in runs[work, contender.name]),
            }
            for contender in taking_part
            if work in contender.works
        }
        for work in Work
    }


def table_of(found: dict[str, Any]) -> Table:
    """With how many times as fast the pipeline is."""
    table = Table(title="one worker process, 500-byte messages, prefetch 200; medians", title_justify="left")
    for heading in ("work", "by", "messages/s", "CPU µs/message", "pipeline is"):
        table.add_column(heading, justify="left" if heading in ("work", "by") else "right")
    for work, results in found.items():
        ours = results["pipeline"]["messages_per_s"]
        for name, result in results.items():
            speed = result["messages_per_s"]
            ratio = "" if name == "pipeline" else f"{ours / speed:.2f}×"
            table.add_row(work, name, f"{speed:,.0f}", f"{result['cpu_us']:.0f}", ratio)
    return table


def plot(found: dict[str, Any], file: Path) -> None:
    """Bars of messages per second."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(found), figsize=(11, 3.2))
    for axis, (work, results) in zip(axes, found.items(), strict=True):
        names = list(results)[::-1]
        bars = axis.barh(names, [results[name]["messages_per_s"] for name in names], color="#4f46e5")
        axis.bar_label(bars, fmt="{:,.0f}", padding=3)
        axis.set_title(f"{work}: messages/s", fontsize=10, loc="left")
        axis.margins(x=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.worker")
    parser.add_argument("--quick", action="store_true", help="few messages, one round")
    parser.add_argument("--out", type=Path, help="result as JSON")
    parser.add_argument("--plot", type=Path, help="picture as SVG")
    chosen = parser.parse_args()
    messages, rounds = (300, 1) if chosen.quick else (10_000, 5)
    console = Console()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        taking_part, absent = contenders(Path(folder))
        for name in absent:
            console.print(f"not installed: {name}", style="dim")
        async with Bench.running() as bench:
            found = await measure(bench, taking_part, messages, rounds)
    console.print(table_of(found))
    console.print(f"load average before: {load:.1f}", style="dim")
    if chosen.out:
        document = {"messages": messages, "rounds": rounds, "load_before": load, "results": found}
        chosen.out.write_text(json.dumps(document, indent=2) + "\n")
    if chosen.plot:
        plot(found, chosen.plot)


if __name__ == "__main__":
    asyncio.run(main())
