"""The servers that are measured, each as a process, and how events reach them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil
from redis.asyncio import Redis

from ops.bench.sockets.bare import CHANNEL
from pipeline.servers.process import free_ports
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.redis import PrivateRedis
from pipeline.state.port import Status, Update
from pipeline.state.store import RedisStore

_ROOT = Path(__file__).parents[3]
_PREFIX = "tracktion"
_READY_S = 60.0
_NO_LIMIT = "999999999/second"


class Served(Protocol):
    """A server that runs.

    Attributes:
        tells_ends: whether it treats the end of work differently from progress.
    """

    name: str
    port: int
    process: psutil.Process
    tells_ends: bool

    async def publish(self, number: int, *, last: bool, padding: str = "") -> None:
        """Have it send an event to all; `last` ends the work on a recording."""
        ...


class Pipeline:
    """`pipeline api`."""

    name = "pipeline"
    tells_ends = True

    def __init__(self, port: int, process: psutil.Process, state: RedisStore) -> None:
        self.port, self.process, self._state = port, process, state

    async def publish(self, number: int, *, last: bool, padding: str = "") -> None:
        status = Status.COMPLETED if last else Status.ANALYZING
        kind = "analysis_complete" if last else "progress"
        await self._state.progress.record(
            Update(
                f"recording-{number:08}",
                f"run-{time.monotonic_ns()}",
                "1",
                kind,
                status,
                0.5,
                {"message": f"half of it is done{padding}", "sent": time.monotonic()},
                begins=True,
            )
        )


class Bare:
    """uvicorn, FastAPI, `send_text`."""

    name = "send_text"
    tells_ends = False

    def __init__(self, port: int, process: psutil.Process, redis: Redis) -> None:
        self.port, self.process, self._redis = port, process, redis

    async def publish(self, number: int, *, last: bool, padding: str = "") -> None:
        await self._redis.publish(CHANNEL, _text(number, padding))


class Floor:
    """The one in C."""

    name = "in C"
    tells_ends = False

    def __init__(self, port: int, process: psutil.Process, writer: asyncio.StreamWriter) -> None:
        self.port, self.process, self._writer = port, process, writer

    async def publish(self, number: int, *, last: bool, padding: str = "") -> None:
        self._writer.write(f"PUBLISH {_text(number, padding)}\n".encode())


def _text(number: int, padding: str) -> str:
    """As long as what the pipeline sends."""
    data = {
        "type": "progress",
        "status": "analyzing",
        "progress": 0.5,
        "message": f"half of it is done{padding}",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "sent": time.monotonic(),
    }
    position = {"sequence": 1, "epoch": "0" * 16, "event_id": "1-0"}
    event = {"recording_id": f"recording-{number:08}", "data": data, **position}
    return json.dumps(event, separators=(",", ":"))


@asynccontextmanager
async def pipeline_api(folder: Path) -> AsyncIterator[Pipeline]:
    """On a private RabbitMQ and Redis."""
    rabbitmq, redis = PrivateRabbitMQ(parent=folder), PrivateRedis(parent=folder)
    try:
        rabbitmq.start()
        redis.start()
        (port,) = free_ports(1)
        environment = {
            "RABBITMQ_URL": rabbitmq.url,
            "RABBITMQ_MANAGEMENT_URL": rabbitmq.management_url,
            "REDIS_URL": redis.url,
            "API_PORT": str(port),
            "API_HANDSHAKES": _NO_LIMIT,
            "API_SUBSCRIPTIONS": _NO_LIMIT,
            "API_CONNECTIONS_PER_ADDRESS": "100000",
            "PIPELINE_LOG_LEVEL": "error",
        }
        await _run([*_command(), "apply", "--yes"], environment)
        state = RedisStore(redis.url, prefix=_PREFIX)
        await state.connect()
        async with _process([*_command(), "api"], port, environment) as process:
            yield Pipeline(port, process, state)
        await state.close()
    finally:
        redis.close()
        rabbitmq.close()


@asynccontextmanager
async def bare(folder: Path) -> AsyncIterator[Bare]:
    """On a private Redis."""
    redis = PrivateRedis(parent=folder)
    try:
        redis.start()
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "ops.bench.sockets.bare", str(port)]
        async with (
            _process(command, port, {"REDIS_URL": redis.url}) as process,
            Redis.from_url(redis.url) as client,
        ):
            yield Bare(port, process, client)
    finally:
        redis.close()


@asynccontextmanager
async def floor(folder: Path) -> AsyncIterator[Floor | None]:
    """None where there is no compiler."""
    compiler, program = shutil.which("cc"), folder / "floor"
    if compiler is None:
        yield None
        return
    source = Path(__file__).with_name("floor.c")
    await _run([compiler, "-O2", "-o", str(program), str(source)], {})
    (port,) = free_ports(1)
    async with _process([str(program), str(port)], port, {}) as process:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        yield Floor(port, process, writer)
        writer.close()


async def _run(command: list[str], environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment}, stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise RuntimeError(f"{command} ended with exit code {process.returncode}")


def _command() -> list[str]:
    return [sys.executable, "-m", "pipeline", "--topology", str(_ROOT / "topology.yaml")]


@asynccontextmanager
async def _process(command: list[str], port: int, environment: dict[str, str]) -> AsyncIterator[psutil.Process]:
    """Once it listens, until it is ended."""
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment})
    try:
        async with asyncio.timeout(_READY_S):
            while True:
                if process.returncode is not None:
                    raise RuntimeError(f"{command} ended with exit code {process.returncode}")
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(30):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
