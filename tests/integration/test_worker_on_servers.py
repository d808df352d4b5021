"""Workers on a real RabbitMQ and Redis: what is lost and what happens twice when things break. Nothing, and nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.errors import Unreachable
from pipeline.messages.message import (
    ATTEMPT,
    ERROR_CODE,
    ERROR_MESSAGE,
    ORIGINAL_ROUTING_KEY,
    derive_message_id,
)
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.redis import PrivateRedis
from pipeline.servers.tcp_proxy import tcp_proxy
from tests.shop import Shop, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]


async def test_a_message_goes_through_a_stage(shop: Shop) -> None:
    await shop.open("answer", track="recording_id")
    await shop.start()
    await shop.publish({"number": 7}, id="one", correlation_id="c")
    message = await shop.take("answers")
    assert json.loads(message.body) == {"number": 7}
    assert message.message_id == derive_message_id("one", "work", 0)
    assert message.correlation_id == "c"
    await shop.stop()
    assert await shop.depth("orders") == 0


async def test_an_unreadable_message_is_dead_lettered_with_its_reason_and_the_next_one_is_worked_on(shop: Shop) -> None:
    await shop.open("answer")
    await shop.start()
    await shop.publish(b'{"number": ', id="broken")
    await shop.publish({"number": 8}, id="whole")
    buried = await shop.take("orders.dlq")
    assert buried.headers[ERROR_CODE] == "INVALID_MESSAGE"
    assert buried.headers[ERROR_MESSAGE].startswith("order: Invalid JSON")
    assert await shop.answers(1) == [8]


async def test_a_transient_failure_passes_through_the_ladder_and_succeeds(shop: Shop) -> None:
    await shop.open("transient_twice", track="recording_id")
    await shop.start()
    await shop.publish({"number": 9}, id="one", priority=4, key="order.big")
    message = await shop.take("answers")
    assert json.loads(message.body) == {"number": 9}
    await shop.stop()
    assert (await shop.statuses()).count("retrying") == 2
    assert await shop.depth("orders") == await shop.depth("orders.dlq") == 0


@pytest.mark.parametrize(("step", "attempts", "code"), [("refuse", 1, "DECODE_ERROR"), ("fail", 3, "INTERNAL_ERROR")])
async def test_a_failed_message_reaches_the_dead_letter_queue_after_its_attempts(
    shop: Shop, step: str, attempts: int, code: str
) -> None:
    await shop.open(step, track="recording_id")
    await shop.start()
    await shop.publish({"number": 1}, id="one", key="order.big")
    buried = await shop.take("orders.dlq")
    assert (buried.headers[ATTEMPT], buried.headers[ERROR_CODE]) == (attempts, code)
    assert buried.headers[ORIGINAL_ROUTING_KEY] == "order.big"
    assert "secret" not in str(buried.headers)
    await shop.stop()
    assert (await shop.statuses())[-1] == "failed"


async def test_a_crashed_process_is_tried_again_once_and_its_neighbour_is_not_disturbed(shop: Shop) -> None:
    await shop.open("crash_once", executor="process", track="recording_id")
    await shop.start()
    await shop.publish({"number": 1}, id="one")
    await shop.publish({"number": 2, "recording_id": "other"}, id="two")
    assert sorted(await shop.answers(2)) == [1, 2]
    assert "retrying" in await shop.statuses()


async def test_a_message_that_crashes_its_process_twice_is_dead_lettered(shop: Shop) -> None:
    await shop.open("crash", executor="process")
    await shop.start()
    await shop.publish({"number": 1}, id="one")
    buried = await shop.take("orders.dlq")
    assert (buried.headers[ATTEMPT], buried.headers[ERROR_CODE]) == (2, "WORKER_CRASHED")


async def test_cancelling_ends_the_process_that_does_the_work(shop: Shop) -> None:
    await shop.open("sleep", executor="process", track="recording_id", timeout="1h")
    worker = await shop.start()
    path = shop.folder / "never"
    await shop.publish({"number": 1, "path": str(path)}, id="one")
    await eventually(Path(f"{path}.reached").exists)
    await shop.state.progress.cancel("rec", "not wanted")
    await eventually(lambda: worker.held == 0)
    await shop.stop()
    assert (await shop.statuses())[-1] == "cancelled"
    assert await shop.depth("orders") == 0


async def test_steps_around_a_process_group_stay_with_the_worker_and_its_state_store(shop: Shop) -> None:
    await shop.open("recall", {"process": ["own_pid"]}, "remember", track="recording_id")
    await shop.start()
    await shop.publish({"number": 7}, id="one")
    assert await shop.answers(1) == [7]
    on_loop = await shop.state.documents.get("pid", "loop")
    in_process = await shop.state.documents.get("pid", "process")
    assert on_loop == {"number": 1, "pid": os.getpid()}
    assert in_process is not None
    assert in_process["pid"] != os.getpid()
    events = [json.loads(event.frame)["data"] for event in await shop.state.progress.since("rec", 0)]
    assert "half way" in [each.get("message") for each in events]


async def test_a_crashed_process_group_is_tried_again_once(shop: Shop) -> None:
    await shop.open("recall", {"process": ["crash_once"]}, track="recording_id")
    await shop.start()
    await shop.publish({"number": 1}, id="one")
    assert await shop.answers(1) == [1]
    assert await shop.state.documents.get("pid", "loop") == {"number": 2, "pid": os.getpid()}


async def test_cancelling_ends_the_process_group_that_does_the_work(shop: Shop) -> None:
    await shop.open("recall", {"process": ["sleep"]}, track="recording_id", timeout="1h")
    worker = await shop.start()
    path = shop.folder / "never"
    await shop.publish({"number": 1, "path": str(path)}, id="one")
    await eventually(Path(f"{path}.reached").exists)
    await shop.state.progress.cancel("rec", "not wanted")
    await eventually(lambda: worker.held == 0)
    assert (await shop.statuses())[-1] == "cancelled"
    await shop.stop()
    assert await shop.depth("orders") == 0


async def test_a_process_group_that_takes_too_long_is_ended(shop: Shop) -> None:
    await shop.open("recall", {"process": ["sleep"]}, timeout="300ms", retry=None)
    await shop.start()
    await shop.publish({"number": 1, "path": str(shop.folder / "never")}, id="one")
    buried = await shop.take("orders.dlq")
    assert buried.headers[ERROR_CODE] == "TIMEOUT"


async def test_duplicates_run_once(shop: Shop) -> None:
    await shop.open("slowly", concurrency=8)
    await shop.start()
    await shop.start()
    for number in range(50):
        await shop.publish({"number": number}, id=f"id{number % 10}")
    await eventually(lambda: _at_rest(shop))
    assert await shop.depth("answers") == 10


async def _at_rest(shop: Shop) -> bool:
    waiting = [await shop.depth(name) for name in ("orders", "shop.retry.100ms", "shop.retry.200ms")]
    return not any(waiting) and not any(worker.held for worker, *_ in shop.workers)


async def test_nothing_is_lost_or_done_twice_when_the_connection_is_cut_again_and_again(shop: Shop) -> None:
    await shop.open("slowly", concurrency=8, prefetch=32)
    parts = urlsplit(shop.amqp_url)
    async with tcp_proxy(parts.hostname or "localhost", parts.port or 5672) as proxy:
        await shop.start(parts._replace(netloc=f"guest:guest@127.0.0.1:{proxy.port}").geturl())
        for number in range(300):
            await shop.publish({"number": number}, id=f"id{number}")
        for count in (50, 150, 250):
            await eventually(partial(shop.has_answered, count))
            proxy.reset()
        await eventually(lambda: shop.has_answered(300))
        await eventually(lambda: _at_rest(shop))
        await shop.stop()
    assert await shop.has_answered(300)
    assert shop.answered == set(range(300))
    assert len(shop.answer_ids) == 300  # a repeated publish has the same id, so the next stage runs it once
    assert await shop.depth("orders.dlq") == 0


async def test_stopping_finishes_what_runs_and_returns_the_rest(shop: Shop) -> None:
    await shop.open("wait_for_file", concurrency=1, prefetch=5)
    worker = await shop.start()
    gate = shop.folder / "gate"
    for number in range(5):
        await shop.publish({"number": number, "path": str(gate)}, id=f"id{number}")
    await eventually(Path(f"{gate}.reached").exists)
    stopping = asyncio.ensure_future(worker.stop(20))
    await eventually(lambda: _is(shop, 4))
    gate.touch()
    await stopping
    assert await shop.answers(1) == [0]
    assert await shop.depth("orders") == 4


async def _is(shop: Shop, count: int) -> bool:
    return await shop.depth("orders") == count


async def test_a_killed_worker_loses_nothing_and_its_message_runs_elsewhere_soon(shop: Shop) -> None:
    await shop.open("wait_for_file", timeout="1h")
    gate = shop.folder / "gate"
    worker = await _another_process(shop)
    try:
        await shop.publish({"number": 3, "path": str(gate)}, id="one")
        await eventually(Path(f"{gate}.reached").exists)
    finally:
        worker.kill()
        await worker.wait()
    gate.touch()
    await shop.start()
    assert await shop.answers(1) == [3]
    await shop.stop()
    assert await shop.depth("orders") == await shop.depth("orders.dlq") == 0


async def test_a_message_that_ends_its_worker_is_dead_lettered_after_two(shop: Shop) -> None:
    await shop.open("crash")  # on the worker's own loop
    await shop.publish({"number": 3}, id="poison")
    for _ in range(2):
        worker = await _another_process(shop)
        assert await asyncio.wait_for(worker.wait(), 60) == -signal.SIGKILL
    await shop.start()
    letter = await shop.take("orders.dlq")
    assert (letter.message_id, letter.headers[ERROR_CODE]) == ("poison", "WORKER_CRASHED")
    assert "Two workers ended" in letter.headers[ERROR_MESSAGE]
    await shop.stop()
    assert await shop.depth("orders") == 0


async def test_messages_beside_those_that_end_workers_are_all_done(shop: Shop) -> None:
    poison = {30, 31, 120}
    await shop.open("crash_some")
    for number in range(200):
        await shop.publish({"number": number, "path": "poison" if number in poison else ""}, id=f"id{number}")
    deaths = 0
    while len(shop.answered) < 200 - len(poison) or await shop.depth("orders.dlq") < len(poison):
        worker = await _another_process(shop)
        died = asyncio.ensure_future(worker.wait())
        try:
            while not died.done() and (
                not await shop.has_answered(200 - len(poison)) or await shop.depth("orders.dlq") < len(poison)
            ):
                await asyncio.wait({died}, timeout=0.1)
        finally:
            if not died.done():
                worker.terminate()
            elif died.result() == -signal.SIGKILL:
                deaths += 1
            await died
        assert deaths <= 2 * len(poison)
    letters = [await shop.take("orders.dlq") for _ in poison]
    assert {letter.message_id for letter in letters} == {f"id{number}" for number in poison}
    assert {letter.headers[ERROR_CODE] for letter in letters} == {"WORKER_CRASHED"}
    assert shop.answered == set(range(200)) - poison
    assert len(shop.answer_ids) == len(shop.answered)
    assert await shop.depth("orders") == 0


async def _another_process(shop: Shop) -> asyncio.subprocess.Process:
    """A worker that can be killed; the leases it leaves end after a second."""
    program = f"""
        import asyncio, json, sys
        sys.path[:0] = [{str(shop.folder)!r}, {os.getcwd()!r}]
        from pathlib import Path
        from pipeline.broker.rabbitmq import RabbitMQBroker
        from pipeline.runtime.compose import import_reference
        from pipeline.runtime.assembly import WorkerOptions
        from pipeline.runtime.worker import Worker
        from pipeline.state.store import RedisStore
        from pipeline.topology.model import Topology

        async def main():
            topology = Topology.model_validate(json.loads(Path({str(shop.folder)!r}, "topology.json").read_text()))
            state = RedisStore({shop.redis_url!r}, {shop.prefix!r})
            broker = RabbitMQBroker({shop.amqp_url!r})
            await Worker(topology, broker, state, import_reference, WorkerOptions(lease_s=1.0)).run()

        asyncio.run(main())
    """
    return await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(program))


async def test_messages_wait_uncounted_while_redis_is_away(
    rabbitmq_url: str, rabbitmq_management_url: str, own_redis: PrivateRedis, folder: Path
) -> None:
    shop = Shop(rabbitmq_url, rabbitmq_management_url, own_redis.url, folder)
    try:
        await shop.open("slowly", concurrency=4, track="recording_id")
        await shop.start()
        for number in range(100):
            await shop.publish({"number": number, "recording_id": f"rec{number}"}, id=f"id{number}")
        await eventually(lambda: shop.has_answered(20))
        own_redis.stop()
        await eventually(lambda: _consumers(shop, 0))
        own_redis.start()
        await eventually(lambda: shop.has_answered(100))
        await eventually(lambda: _at_rest(shop))
        assert shop.answered == set(range(100))
        assert await shop.depth("orders.dlq") == 0
    finally:
        await shop.close()


async def _reconnected(shop: Shop) -> bool:
    try:
        await shop.broker.connect()
    except Unreachable:
        return False
    return True


async def _consumers(shop: Shop, count: int) -> bool:
    return (await shop.broker.depth("orders")).consumers == count


async def test_nothing_is_lost_when_rabbitmq_is_killed_and_started_again(
    own_rabbitmq: PrivateRabbitMQ, redis_url: str, folder: Path
) -> None:
    shop = Shop(own_rabbitmq.url, own_rabbitmq.management_url, redis_url, folder)
    try:
        await shop.open("slowly", concurrency=4)
        await shop.start()
        for number in range(100):
            await shop.publish({"number": number}, id=f"id{number}")
        await eventually(lambda: shop.has_answered(20))
        own_rabbitmq.stop(kill=True)
        own_rabbitmq.start()
        await eventually(lambda: _reconnected(shop))
        await eventually(lambda: shop.has_answered(100))
        await eventually(lambda: _at_rest(shop))
        assert shop.answered == set(range(100))
        assert await shop.depth("orders.dlq") == 0
    finally:
        await shop.close()
