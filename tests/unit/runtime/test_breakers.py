"""While a dependency is away its queues are not consumed, and no attempts are used up; then it is tried carefully."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.runtime.worker import Worker
from pipeline.topology.model import Topology
from pipeline.topology.values import Reference
from tests.unit.runtime.conftest import TOPOLOGY, Answer, Order, Rig, eventually


class Server:
    """What the stage depends on."""

    def __init__(self) -> None:
        self.up = True
        self.asked = 0
        self.most_at_once = 0
        self.served: list[int] = []
        self._at_once = 0

    async def step(self, order: Order) -> Answer:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0.002)
            if not self.up:
                raise Transient("the server is away")
            self.served.append(order.number)
            return Answer(number=order.number)
        finally:
            self._at_once -= 1

    async def probe(self) -> None:
        self.asked += 1
        if not self.up:
            raise ConnectionError("refused")


async def started(rig: Rig, server: Server, *, probe: bool = True, step: Callable[..., Any] | None = None) -> Worker:
    dependency: dict[str, Any] = {"failures": 3, "every": "20ms"}
    if probe:
        dependency["probe"] = "probes:probe"
    stage = {**TOPOLOGY["stages"]["work"], "depends_on": ["server"], "concurrency": 4}
    rig.topology = Topology.model_validate(
        {**TOPOLOGY, "dependencies": {"server": dependency}, "stages": {"work": stage}}
    )
    resolve = rig.resolve

    def with_probe(reference: Reference) -> Any:
        return server.probe if reference.module == "probes" else resolve(reference)

    rig.resolve = with_probe  # type: ignore[method-assign]
    return await rig.start(step or server.step)


async def publish(rig: Rig, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        await rig.publish({"number": number}, id=str(number))


def gauge() -> float | None:
    return REGISTRY.get_sample_value("pipeline_breaker_state", {"dependency": "server"})


@pytest.mark.parametrize("probe", [True, False], ids=["probed", "tried by a message"])
async def test_messages_wait_in_their_queue_while_a_dependency_is_away(rig: Rig, probe: bool) -> None:
    server = Server()
    worker = await started(rig, server, probe=probe)
    await publish(rig, 5)
    await eventually(lambda: len(server.served) == 5)
    assert gauge() == 0
    server.up = False
    await publish(rig, 20, start=5)
    await eventually(lambda: worker.away == {"server": "open"})
    assert gauge() == 2
    if probe:
        await eventually(lambda: not worker.held)
        retried = await rig.depth("test.retry.5s")
        assert retried <= 3 + 3, "those that told, and those that were under way"
        assert await rig.depth("the.orders") == 20 - retried
        await eventually(lambda: server.asked > 3)
        assert await rig.depth("the.orders") == 20 - retried, "probing uses up nobody's attempts"
    server.up = True
    await eventually(lambda: worker.away == {})
    assert gauge() == 0

    async def all_served() -> bool:
        rig.clock.advance(5)
        return len(server.served) == 25

    await eventually(all_served)
    assert sorted(server.served) == list(range(25))
    assert await rig.depth("the.orders.dlq") == 0


async def test_after_an_outage_one_message_is_tried_at_a_time(rig: Rig) -> None:
    server = Server()
    worker = await started(rig, server, probe=False)
    server.up = False
    await publish(rig, 12)
    await eventually(lambda: worker.away == {"server": "open"})
    await eventually(lambda: worker.held == 0)
    server.most_at_once = 0
    await eventually(lambda: worker.away == {"server": "half open"})
    await eventually(lambda: worker.away == {"server": "open"})
    assert server.most_at_once <= 1
    server.up = True
    await eventually(lambda: worker.away == {})


async def test_failures_that_are_not_the_dependencys_do_not_count(rig: Rig) -> None:
    def step(order: Order) -> None:
        if order.number % 2:
            raise Permanent("broken", ErrorCode.DECODE_ERROR)
        raise Transient("another server", dependency="another")

    worker = await started(rig, Server(), step=step)
    await publish(rig, 10)

    async def all_failed() -> bool:
        return await rig.depth("the.orders.dlq") == 5 and await rig.depth("test.retry.5s") == 5

    await eventually(all_failed)
    assert worker.away == {}


async def test_a_step_may_say_which_dependency_is_away(rig: Rig) -> None:
    def step(order: Order) -> None:
        raise Transient("quota used up", ErrorCode.INTERNAL_ERROR, dependency="server")

    server = Server()
    server.up = False
    worker = await started(rig, server, step=step)
    await publish(rig, 10)
    await eventually(lambda: worker.away == {"server": "open"})


async def test_a_success_between_failures_says_that_it_is_there(rig: Rig) -> None:
    failed: list[int] = []

    def step(order: Order) -> Answer:
        if order.number % 3:
            failed.append(order.number)
            raise Transient("busy")
        return Answer(number=order.number)

    worker = await started(rig, Server(), step=step)
    await publish(rig, 30)
    await eventually(lambda: len(failed) == 20)
    assert worker.away == {}


async def test_a_worker_stops_while_a_dependency_is_away(rig: Rig) -> None:
    server = Server()
    server.up = False
    worker = await started(rig, server)
    await publish(rig, 10)
    await eventually(lambda: worker.away == {"server": "open"})
    left = await rig.stop()
    assert left + await rig.depth("test.retry.5s") == 10
