"""Events to many WebSockets: CPU per delivery, latency, memory per connection; stalled readers, storms and churn.

`python -m ops.bench.websocket [--quick] [--out FILE.json]`: `pipeline api` on a private RabbitMQ and Redis, beside what
one writes first (`send_text` to each) and the least it can cost (in C). CPU is the server's; the clients are on the
other core. Servers take turns; medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from ops.bench.sockets.crowd import Crowd
from ops.bench.sockets.servers import Served, bare, floor, pipeline_api

_RECORDINGS = 100
_SETTLE_S = 0.5
_LATE_S = 5.0
_LOOK_S = 0.02
_STALLED_BYTES = 8_000


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: so many events a second to so many clients."""

    clients: int
    events_per_s: int
    seconds: float
    ends: bool  # the ends of work, which leave at once; else progress


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU of the server in microseconds for each delivery, latency in milliseconds, and which part arrived."""

    cpu_us: float
    core: float
    p50_ms: float
    p99_ms: float
    arrived: float


class Numbers:
    """Of recordings: the same hundred for progress, ever new ones for ends."""

    def __init__(self) -> None:
        self._ended = _RECORDINGS

    def next(self, event: int, *, ends: bool) -> int:
        if not ends:
            return event % _RECORDINGS
        self._ended += 1
        return self._ended


async def deliver(server: Served, crowd: Crowd, load: Load, numbers: Numbers, padding: str = "") -> Measured:
    """Publish at an even pace, and wait for what is late."""
    crowd.begin()
    cpu, began = _cpu(server), time.monotonic()
    events = round(load.events_per_s * load.seconds)
    for event in range(events):
        await asyncio.sleep(max(0.0, began + event / load.events_per_s - time.monotonic()))
        await server.publish(numbers.next(event, ends=load.ends), last=load.ends, padding=padding)
    lasted = time.monotonic() - began
    late = time.monotonic() + _LATE_S
    while min(crowd.counts()) < events and time.monotonic() < late:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    spent = _cpu(server) - cpu
    counts = crowd.counts()
    deliveries = sum(frames * clients for frames, clients in counts.items())
    latencies = crowd.latencies() or [0.0]
    return Measured(
        cpu_us=spent / max(1, deliveries) * 1e6,
        core=spent / lasted,
        p50_ms=statistics.median(latencies) * 1000,
        p99_ms=latencies[int(len(latencies) * 0.99)] * 1000,
        arrived=deliveries / (events * len(crowd.clients)),
    )


async def sizes(server: Served, clients: int) -> dict[str, float]:
    """Opening many at once, twice: how long it takes, and what each costs in memory."""
    crowd = Crowd(server.port)
    before = _memory(server)
    first = await crowd.open(clients)
    await asyncio.sleep(_SETTLE_S)
    each = (_memory(server) - before) / clients
    crowd.close()
    await asyncio.sleep(_SETTLE_S)
    again = await crowd.open(clients, at_once=clients)
    crowd.close()
    await asyncio.sleep(_SETTLE_S)
    return {"kb_per_connection": each / 1000, "handshakes_per_s": clients / first, "storm_s": again}


async def stalled(server: Served, clients: int, seconds: float, numbers: Numbers) -> float:
    """Which part of the events the others get while one client does not read."""
    crowd = Crowd(server.port)
    await crowd.open(clients)
    silent = crowd.clients.pop()
    crowd.pause([silent])
    load = Load(clients, 100, seconds, ends=True)
    measured = await deliver(server, crowd, load, numbers, padding=" " + "x" * _STALLED_BYTES)
    crowd.clients.append(silent)
    crowd.close()
    await asyncio.sleep(_SETTLE_S)
    return measured.arrived


async def churn(server: Served, count: int) -> list[float]:
    """MB of the server after each tenth of so many connections that come and go."""
    crowd, found = Crowd(server.port), []
    for _ in range(10):
        await crowd.come_and_go(count // 10)
        await asyncio.sleep(_SETTLE_S)
        found.append(round(_memory(server) / 1e6, 1))
    return found


def _cpu(server: Served) -> float:
    """Seconds that its threads have run, from the process' own clock: `/proc` counts in ticks of 10 ms."""
    return time.clock_gettime(~server.process.pid << 3 | 2)  # clock_getcpuclockid(3), which Python lacks


def _memory(server: Served) -> float:
    return float(server.process.memory_full_info().uss)


async def measure(console: Console, *, quick: bool) -> dict[str, Any]:
    """All of it."""
    rounds, seconds = (1, 1.0) if quick else (3, 8.0)
    many, churned = (60, 200) if quick else (5000, 100_000)
    few = 40 if quick else 1000
    loads = {
        "ends": Load(few, 40, seconds, ends=True),
        "progress": Load(few, 40, seconds, ends=False),
        "much progress": Load(few, 100, seconds, ends=False),
        "many clients": Load(many, 8, seconds, ends=True),
    }
    found: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: list[Served] = [
            await stack.enter_async_context(pipeline_api(folder)),
            await stack.enter_async_context(bare(folder)),
        ]
        least = await stack.enter_async_context(floor(folder))
        if least is None:
            console.print("not measured: the one in C (no compiler)", style="dim")
        else:
            servers.append(least)
        numbers = Numbers()
        found["sizes"] = {server.name: await sizes(server, many) for server in servers}
        for name, load in loads.items():
            runs: dict[str, list[Measured]] = {}
            for _ in range(rounds):
                for server in servers:
                    crowd = Crowd(server.port)
                    await crowd.open(load.clients)
                    await asyncio.sleep(_SETTLE_S)
                    runs.setdefault(server.name, []).append(await deliver(server, crowd, load, numbers))
                    crowd.close()
                    await asyncio.sleep(_SETTLE_S)
            found[name] = {"load": asdict(load)} | {
                server: {key: statistics.median(asdict(run)[key] for run in each) for key in asdict(each[0])}
                for server, each in runs.items()
            }
        found["stalled"] = {server.name: await stalled(server, few // 5, seconds, numbers) for server in servers}
        found["churn"] = {"connections": churned, "mb": await churn(servers[0], churned)}
    return found


def show(console: Console, found: dict[str, Any]) -> None:
    """As tables."""
    table = Table(title="deliveries", title_justify="left")
    for heading in ("what", "clients", "a second", "by", "CPU µs", "a core", "p50 ms", "p99 ms", "arrived"):
        table.add_column(heading, justify="left" if heading in ("what", "by") else "right")
    for name, results in found.items():
        if "load" not in results:
            continue
        for server, run in results.items():
            if server != "load":
                load = results["load"]
                table.add_row(
                    name,
                    f"{load['clients']:,}",
                    str(load["events_per_s"]),
                    server,
                    f"{run['cpu_us']:.1f}",
                    f"{run['core']:.0%}",
                    f"{run['p50_ms']:.1f}",
                    f"{run['p99_ms']:.1f}",
                    f"{run['arrived']:.1%}",
                )
    console.print(table)
    table = Table(title="connections", title_justify="left")
    for heading in ("by", "kB each", "handshakes/s", "all back after s", "arrived with one stalled"):
        table.add_column(heading, justify="left" if heading == "by" else "right")
    for server, size in found["sizes"].items():
        table.add_row(
            server,
            f"{size['kb_per_connection']:.1f}",
            f"{size['handshakes_per_s']:,.0f}",
            f"{size['storm_s']:.1f}",
            f"{found['stalled'][server]:.1%}",
        )
    console.print(table)
    console.print(f"MB while {found['churn']['connections']:,} connections come and go: {found['churn']['mb']}")


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.websocket")
    parser.add_argument("--quick", action="store_true", help="few clients, one round")
    parser.add_argument("--out", type=Path, help="result as JSON")
    chosen = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    console, load = Console(), os.getloadavg()[0]
    found = await measure(console, quick=chosen.quick)
    show(console, found)
    console.print(f"load average before: {load:.1f}", style="dim")
    if chosen.out:
        chosen.out.write_text(json.dumps({"load_before": load, **found}, indent=2) + "\n")


if __name__ == "__main__":
    uvloop.run(main())
