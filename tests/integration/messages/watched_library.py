"""The library on real servers with all its stages, and everything that programs outside see of it."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from pipeline.broker.port import Delivery
from pipeline.messages.message import ERROR_CODE, ERROR_STAGE, MESSAGE_NAME
from pipeline.telemetry import PUBLISHED
from tests.live_library import LiveLibrary

DEADLINE_S = 100.0  # ten hours of audio take their time on a busy machine


class WatchedLibrary(LiveLibrary):
    """Consumes every external queue and every dead-letter queue.

    Attributes:
        answers: what came out for programs outside, by message name: correlation ids with bodies.
        letters: dead letters by message id: queue that they died in, to their error code.
    """

    def __init__(self, amqp_url: str, management_url: str, redis_url: str, folder: Path) -> None:
        super().__init__(amqp_url, management_url, redis_url, folder)
        self.answers: defaultdict[str, list[tuple[str | None, dict[str, Any]]]] = defaultdict(list)
        self.letters: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._buried_by: defaultdict[str, set[str]] = defaultdict(set)
        self._redis = Redis.from_url(redis_url)

    async def open(self) -> None:
        await super().open()
        for key, queue in self.topology.queues.items():
            if queue.external:
                await self.broker.consume(self.topology.queue_name(key), self._answered, prefetch=100)
            if letters := self.topology.dead_letter_queue(key):
                await self.broker.consume(letters, self._buried, prefetch=100)
        await self.start(processes=2)

    async def close(self) -> None:
        await super().close()
        await self._redis.aclose()

    async def until(self, condition: Callable[[], Any | Awaitable[Any]], what: str) -> Any:
        """The first true value of `condition`. Fails with `what`, and what has come so far."""
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        while True:
            value = condition()
            if isinstance(value, Awaitable):
                value = await value
            if value:
                return value
            late = asyncio.get_running_loop().time() > deadline
            latest = list(self.letters.values())[-3:]
            assert not late, f"not within {DEADLINE_S:g} s: {what}; the latest dead letters: {latest}"
            await asyncio.sleep(0.01)

    async def finished(self, message_id: str) -> set[str]:
        """The stages that have finished the message."""
        stages = list(self.topology.stages)
        held = await self._redis.mget([f"{self._prefix}:ledger:{stage}:{message_id}" for stage in stages])
        return {stage for stage, value in zip(stages, held, strict=True) if value and value.startswith(b"done:")}

    async def settled(self, name: str, message_id: str) -> set[str]:
        """Wait until every stage that takes the message has finished or buried it; those that have finished it."""
        stages = self.topology.stages.items()
        taking = {key for key, stage in stages if any(name in taken for taken in stage.from_.values())}

        async def through() -> bool:
            return await self.finished(message_id) | self._buried_by[message_id] >= taking

        await self.until(through, f"{name} settled by {taking}")
        return await self.finished(message_id)

    async def answered(self, name: str, correlation_id: str) -> dict[str, Any]:
        """The body of the answer of this name to the message that is correlated so, awaited."""

        def there() -> dict[str, Any] | None:
            return next((body for other, body in self.answers[name] if other == correlation_id), None)

        found: dict[str, Any] = await self.until(there, f"{name} with correlation id {correlation_id}")
        return found

    def followed(self, name: str, body: Mapping[str, Any], message_id: str) -> str | None:
        """The id of the job or recording under which the work on a message is shown; None where it is not."""
        for stage in self.topology.stages.values():
            if any(name in taken for taken in stage.from_.values()):
                if stage.job is not None:
                    return str(body.get(stage.job) or message_id)
                if stage.track is not None:
                    return str(body[stage.track])
        return None

    async def event(self, key: str, kind: str) -> dict[str, Any]:
        """The last event of a recording or a job as the WebSocket shows it, once it is of this type."""

        async def there() -> dict[str, Any] | None:
            event = await self.state.progress.snapshot(key)
            frame: dict[str, Any] = json.loads(event.frame) if event is not None else {}
            return frame if frame and frame["data"]["type"] == kind else None

        found: dict[str, Any] = await self.until(there, f"{kind} of {key}")
        return found

    async def recording_at(self, path: Path) -> dict[str, Any] | None:
        """The catalog's document of a file."""
        ids = await self.state.documents.find("recording", "path", str(path))
        return await self.state.documents.get("recording", ids[0]) if ids else None

    def published(self, name: str) -> float:
        """How many messages of this name the stages have published so far."""
        return float(PUBLISHED.labels(name)._value.get())

    def _answered(self, delivery: Delivery) -> None:
        message = delivery.message
        self.answers[message.headers[MESSAGE_NAME]].append((message.correlation_id, json.loads(message.body)))
        delivery.ack()

    def _buried(self, delivery: Delivery) -> None:
        message = delivery.message
        message_id = message.message_id or ""
        self.letters[message_id][delivery.queue.removesuffix(".dlq")] = message.headers.get(ERROR_CODE, "")
        self._buried_by[message_id].add(message.headers.get(ERROR_STAGE, ""))
        delivery.ack()
