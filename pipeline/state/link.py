"""One Redis: its client, the scripts it runs, and its failures as StateUnavailable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from pipeline.errors import StateUnavailable

Command = tuple[str | int, ...]

# RuntimeError is how uvloop refuses to write to a connection that was reset the moment before.
FAILURES = (RedisError, OSError, asyncio.TimeoutError, RuntimeError)


def script_texts() -> dict[str, str]:
    """The Lua scripts by name."""
    folder = resources.files("pipeline.state").joinpath("lua")
    return {
        entry.name.removesuffix(".lua"): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".lua")
    }


class Link:
    """Commands and scripts. Every method raises StateUnavailable when the server does not answer.

    Args:
        client: for commands; answers are decoded.
        listener: for subscriptions; must not reconnect by itself, or a loss would go unnoticed.
        where: what to call the server in messages: host, port and database, without credentials.
        silence_s: how long a subscription may be silent before the server is asked whether it is there.
        watch: entered with the keys that a script may change, for as long as it may change them.
    """

    def __init__(
        self,
        client: Redis,
        listener: Redis,
        *,
        where: str,
        silence_s: float,
        watch: Callable[[Sequence[str]], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self.client = client
        self.where = where
        self.silence_s = silence_s
        self.closed = False
        self._listener = listener
        self._watch = watch
        self._scripts = {name: client.register_script(text) for name, text in script_texts().items()}

    async def write(self, script: str, keys: Sequence[str], args: Iterable[str | int]) -> Any:
        """Run a script that changes no other keys than those given."""
        if self._watch is None:
            return await self.read(script, keys, args)
        async with self._watch(keys):
            return await self.read(script, keys, args)

    async def read(self, script: str, keys: Sequence[str], args: Iterable[str | int]) -> Any:
        """Run a script that changes nothing."""
        try:
            with _cancellable():
                return await self._scripts[script](keys, args)
        except FAILURES as error:
            raise self.unavailable(error) from error

    async def ask(self, *command: str | int) -> Any:
        """One command that changes nothing."""
        try:
            with _cancellable():
                return await self.client.execute_command(*command)  # type: ignore[no-untyped-call]
        except FAILURES as error:
            raise self.unavailable(error) from error

    async def ask_many(self, commands: Iterable[Command]) -> list[Any]:
        """Several such commands in one round trip."""
        try:
            with _cancellable():
                async with self.client.pipeline(transaction=False) as pipe:
                    for command in commands:
                        pipe.execute_command(*command)
                    return list(await pipe.execute())
        except FAILURES as error:
            raise self.unavailable(error) from error

    def subscription(self) -> PubSub:
        return self._listener.pubsub(ignore_subscribe_messages=False)

    def unavailable(self, error: BaseException) -> StateUnavailable:
        reason = str(error) or type(error).__name__
        return StateUnavailable(f"Redis at {self.where}: {reason}")

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        self.closed = True
        for client in (self.client, self._listener):
            await client.aclose()
            await client.connection_pool.disconnect()


@contextmanager
def _cancellable() -> Iterator[None]:
    """A cancellation that comes meanwhile ends the task.

    redis-py sends with asyncio.wait_for, and before Python 3.12 that swallows a cancellation as it ends: a loop that
    was told to stop would go on, and whoever waits for its end would wait forever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
