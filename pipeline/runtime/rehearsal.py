"""The file's own tests, played through in virtual time on the embedded broker with the worker's own retries.

No stage runs: what its steps would do is what the test says, the same at every attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pipeline.broker.embedded import EmbeddedBroker
from pipeline.clock import ManualClock
from pipeline.errors import BrokerError, ErrorCode
from pipeline.messages.message import Message
from pipeline.runtime.envelope import envelope_of
from pipeline.runtime.failure import Failure
from pipeline.runtime.retry import DeadLetter, Retries
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import RouteTest, Topology
from pipeline.topology.values import format_duration

_MOST_MOVES = 1_000
_LONGEST = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of a test.

    Attributes:
        reached: keys of the queues it was in right after publishing; names where the file has no key.
        ended: queues it came to rest in, and when; None where the test does not ask.
        problems: what is not as the test says, in words.
    """

    test: RouteTest
    reached: tuple[str, ...]
    ended: Mapping[str, timedelta] | None
    problems: tuple[str, ...]


async def rehearse(topology: Topology, test: RouteTest) -> Rehearsed:
    """Play one test through. Raises KeyError for an exchange that the file does not have."""
    stage = _Stage(topology, test)
    await stage.broker.connect()
    try:
        reached = await stage.publish()
        ended = await stage.play() if test.ends is not None else None
        restless = stage.moves == _MOST_MOVES
    finally:
        await stage.broker.close()
    problems = []
    if set(reached) != set(test.reaches):
        problems.append(f"reaches {', '.join(reached) or 'nothing'}, not {', '.join(test.reaches) or 'nothing'}")
    if restless:
        problems.append(f"does not come to rest: after {_MOST_MOVES} moves it is in {', '.join(ended or ['no queue'])}")
    elif ended is not None and test.ends is not None:
        problems += _differences(ended, {stage.name_of(queue): when for queue, when in test.ends.items()})
    return Rehearsed(test, reached, ended, tuple(problems))


class _Stage:
    """One message, and the queues it is moved through."""

    def __init__(self, topology: Topology, test: RouteTest) -> None:
        definitions = definitions_of(topology)
        self._topology = topology
        self._test = test
        self._clock = ManualClock()
        self._began = self._clock.time()
        self.broker = EmbeddedBroker(definitions, self._clock)
        self._retries = Retries(topology, self.broker)
        self._queues = [queue.name for queue in definitions.queues]
        self._keys = {topology.queue_name(key): key for key in topology.queues}
        self._stages = {queue: name for name, stage in topology.stages.items() for queue in stage.from_}
        self._arrived: dict[str, timedelta] = {}
        self.moves = 0

    def name_of(self, queue: str) -> str:
        """A queue's name on the broker, whichever way the test calls it."""
        return self._topology.queue_name(queue) if queue in self._topology.queues else queue

    async def publish(self) -> tuple[str, ...]:
        wanted = self._test.publish
        try:
            await self.broker.publish(
                self._topology.exchange_name(wanted.exchange),
                wanted.routing_key,
                Message(b"{}", message_id="rehearsal", headers=wanted.headers),
            )
        except BrokerError:
            return ()
        return tuple(self._keys.get(name, name) for name in await self._occupied())

    async def play(self) -> dict[str, timedelta]:
        """Let time pass until nothing moves any more. Queues by name, in the order of arrival."""
        while self.moves < _MOST_MOVES:
            self.moves += 1
            await self._notice()
            if self._test.when != "unconsumed" and await self._work():
                continue
            due = self._clock.next_due()
            if due is None or due - self._began > _LONGEST.total_seconds():
                break
            self._clock.advance(due - self._clock.time())
        return {name: self._arrived[name] for name in self._arrived if name in await self._occupied()}

    async def _occupied(self) -> list[str]:
        return [name for name in self._queues if (await self.broker.depth(name)).messages]

    async def _notice(self) -> None:
        # To the millisecond, which is what a TTL is given in.
        now = timedelta(milliseconds=round((self._clock.time() - self._began) * 1000))
        for name in await self._occupied():
            self._arrived.setdefault(name, now)

    async def _work(self) -> bool:
        """Fail one delivery as the worker would; False where no stage has one."""
        for key, stage in self._stages.items():
            delivery = await self.broker.get(self._topology.queue_name(key))
            if delivery is None:
                continue
            envelope = envelope_of(delivery, key)
            failure = Failure(ErrorCode.ANALYSIS_ERROR, "Rehearsal", "Rehearsed", self._test.when == "refused")
            verdict = self._retries.verdict(stage, envelope, failure)
            if not isinstance(verdict, DeadLetter):
                await self._retries.retry(envelope, delivery, verdict, failure)
                delivery.ack()
            elif verdict.queue is not None:
                await self._retries.dead_letter(stage, envelope, delivery.message, verdict.queue, failure)
                delivery.ack()
            else:
                delivery.reject(requeue=False)
            return True
        return False


def _differences(ended: Mapping[str, timedelta], wanted: Mapping[str, timedelta]) -> list[str]:
    problems = []
    for queue in sorted(ended.keys() | wanted.keys()):
        found, expected = ended.get(queue), wanted.get(queue)
        if found == expected:
            continue
        if found is None:
            problems.append(f"does not end in {queue}")
        elif expected is None:
            problems.append(f"ends in {queue}, at {format_duration(found)}")
        else:
            problems.append(f"ends in {queue} at {format_duration(found)}, not at {format_duration(expected)}")
    return problems
