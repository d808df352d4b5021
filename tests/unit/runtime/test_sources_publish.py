"""Sources on the embedded engines: order, outages, what they may not yield, and how they stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.messages.message import derive_message_id
from pipeline.runtime.sources import SourceRunner
from pipeline.stage import Emit, SourceContext
from pipeline.topology.expand import definitions_of
from tests.unit.runtime.conftest import Answer, Order, Other, Rig, eventually


def runner(rig: Rig, function: Callable[..., Any], **options: Any) -> SourceRunner:
    rig.functions = [function]
    return SourceRunner("watcher", rig.topology, rig.broker, rig.state, rig.resolve, **{"data_dir": Path(), **options})


async def numbers_in(rig: Rig, count: int) -> list[int]:
    return [json.loads((await rig.take("the.orders")).body)["number"] for _ in range(count)]


async def test_what_a_source_yields_is_published_in_order(rig: Rig) -> None:
    async def source(context: SourceContext) -> AsyncIterator[Order]:
        for number in range(600):
            yield Order(number=number)

    rig.change(track="recording_id")
    await runner(rig, source).run()
    assert await numbers_in(rig, 600) == list(range(600))
    assert [frame["status"] for frame in await rig.frames()][-1] == "queued"


async def test_a_source_sees_its_folders_and_options(rig: Rig, tmp_path: Path) -> None:
    seen: list[Any] = []

    async def source(context: SourceContext) -> AsyncIterator[Order]:
        seen.extend([list(context.roots), dict(context.options), context.stopping])
        yield Order()

    await runner(rig, source, roots=(tmp_path,), options={"colour": "red"}).run()
    assert seen == [[tmp_path], {"every": 5, "colour": "red"}, False]


async def test_an_identity_makes_the_message_id(rig: Rig) -> None:
    async def source(context: SourceContext) -> AsyncIterator[Emit]:
        yield Emit("order", Order(), identity="/music/a.flac", priority=9)

    await runner(rig, source).run()
    message = await rig.take("the.orders")
    assert message.message_id == derive_message_id("order", "/music/a.flac")
    assert message.priority == 9


async def test_nothing_is_lost_and_the_order_stays_when_the_broker_goes_away(rig: Rig) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def source(context: SourceContext) -> AsyncIterator[Order]:
        for number in range(20):
            if number == 5:
                reached.set()
                await go_on.wait()
            yield Order(number=number)

    running = asyncio.ensure_future(runner(rig, source).run())
    await reached.wait()
    await rig.broker.close()
    go_on.set()
    await asyncio.wait_for(running, 20)
    assert await numbers_in(rig, 20) == list(range(20))


async def test_a_lone_message_is_published_as_soon_as_the_broker_takes_it(rig: Rig) -> None:
    async def source(context: SourceContext) -> AsyncIterator[Order]:
        yield Order(number=1)
        await asyncio.Event().wait()

    rig.broker.model.delete_exchange("the.in")
    source_runner = runner(rig, source)
    running = asyncio.ensure_future(source_runner.run())
    await asyncio.sleep(0)
    rig.broker.declare(definitions_of(rig.topology))
    assert await numbers_in(rig, 1) == [1]
    await source_runner.stop(0.1)
    await running


async def test_a_source_is_up_to_date_when_what_it_found_is_confirmed(rig: Rig) -> None:
    async def source(context: SourceContext) -> AsyncIterator[Order]:
        yield Order(number=1)
        context.caught_up()
        await asyncio.Event().wait()

    source_runner = runner(rig, source)
    running = asyncio.ensure_future(source_runner.run())
    await asyncio.wait_for(source_runner.caught_up(), 10)
    assert await rig.depth("the.orders") == 1
    await source_runner.stop(0.1)
    await running


async def test_a_source_that_waits_is_ended_when_it_is_stopped_and_what_it_yielded_is_published(rig: Rig) -> None:
    ended = asyncio.Event()

    async def source(context: SourceContext) -> AsyncIterator[Order]:
        try:
            yield Order(number=1)
            await asyncio.Event().wait()
        finally:
            ended.set()

    source_runner = runner(rig, source)
    running = asyncio.ensure_future(source_runner.run())
    await eventually(lambda: rig.depth("the.orders"))
    await source_runner.stop(0.2)
    await running
    assert ended.is_set()


@pytest.mark.parametrize(
    ("item", "named"),
    [
        (Answer(number=1), None),
        (Emit("answer", Answer(number=1)), "emits 'answer', which the topology does not list"),
        (Other(), "gives Other, which is no message under its `emits`"),
        ("text", "gives str, which is not a message"),
    ],
)
async def test_a_source_may_only_yield_what_it_declares(rig: Rig, item: Any, named: str | None) -> None:
    async def source(context: SourceContext) -> AsyncIterator[Any]:
        yield Order(number=1)
        yield item

    if named is None:  # `lost` has no queue: it waits for one
        source_runner = runner(rig, source)
        running = asyncio.ensure_future(source_runner.run())
        await eventually(lambda: rig.depth("the.orders"))
        rig.set_answers_key("lost")
        assert json.loads((await rig.take("answers")).body) == {"number": 1}
        await asyncio.wait_for(running, 20)
        return
    with pytest.raises(PipelineError, match=named):
        await runner(rig, source).run()
    assert await numbers_in(rig, 1) == [1]


async def test_what_a_source_raises_ends_it_after_its_messages_are_published(rig: Rig) -> None:
    async def source(context: SourceContext) -> AsyncIterator[Order]:
        yield Order(number=1)
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError):
        await runner(rig, source).run()
    assert await numbers_in(rig, 1) == [1]


async def test_a_function_that_is_no_async_generator_is_no_source(rig: Rig) -> None:
    with pytest.raises(PipelineError, match=r"not an async generator .*sources\.watcher\.run"):
        await runner(rig, lambda context: [Order()]).run()


def test_a_source_that_does_not_exist_is_an_error_that_names_those_that_do(rig: Rig) -> None:
    with pytest.raises(PipelineError, match="There are: watcher"):
        SourceRunner("watch", rig.topology, rig.broker, rig.state, rig.resolve, data_dir=Path())
