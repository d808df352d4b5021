"""Where dead letters are: on RabbitMQ, or in the pipeline that runs on this machine with the embedded engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from pipeline.app.engines import rabbitmq
from pipeline.app.loading import Loaded
from pipeline.cli.letters_on_broker import LettersOnBroker
from pipeline.cli.letters_over_http import LettersOverHttp
from pipeline.cli.running import RunningPipeline
from pipeline.dlq.queues import DeadLetterQueue
from pipeline.dlq.selection import Selection

Save = Callable[[Sequence[dict[str, Any]]], None]


class Letters(Protocol):
    """What can be done with dead letters. Answers are the documents of `pipeline.dlq.letters_json`.

    Methods raise PipelineError and Unreachable.
    """

    async def depths(self) -> dict[str, Any]: ...

    async def show(self, queue: DeadLetterQueue, selection: Selection, *, bodies: bool) -> dict[str, Any]: ...

    async def groups(self, queue: DeadLetterQueue | None, selection: Selection) -> dict[str, Any]:
        """Of one queue, or of all."""
        ...

    async def replay(
        self,
        queue: DeadLetterQueue,
        selection: Selection,
        *,
        rate_per_s: float | None,
        dry_run: bool,
        validate: bool,
    ) -> dict[str, Any]: ...

    async def purge(
        self, queue: DeadLetterQueue, selection: Selection, *, dry_run: bool, save: Save | None
    ) -> dict[str, Any]:
        """`save` keeps a batch of exported letters before it is taken away."""
        ...

    async def body(self, queue: DeadLetterQueue, message_id: str) -> bytes: ...

    async def edit(
        self, queue: DeadLetterQueue, message_id: str, body: bytes, *, expected: str, dry_run: bool
    ) -> dict[str, Any]:
        """`expected`: digest of the body that was looked at. Raises PipelineError for a body that would be refused."""
        ...

    async def trail(self, limit: int) -> dict[str, Any]: ...


@asynccontextmanager
async def letters_of(loaded: Loaded) -> AsyncIterator[Letters]:
    """By the settings. Raises Unreachable."""
    if loaded.settings.without_broker:
        async with RunningPipeline(loaded.settings) as running:
            yield LettersOverHttp(running)
        return
    broker = rabbitmq(loaded.settings)
    await broker.connect()
    try:
        yield LettersOnBroker(broker, loaded.topology)
    finally:
        await broker.close()


def asked(loaded: Loaded, ask: Callable[[Letters], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """One question, over a connection for it alone."""

    async def run() -> dict[str, Any]:
        async with letters_of(loaded) as letters:
            return await ask(letters)

    return asyncio.run(run())
