"""Priorities 1 to 10 on a real broker: what a user asks for does not wait behind a scan of the whole library."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stages.examples import EXAMPLES
from tests.live_library import LiveLibrary, eventually, live_library

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

BACKLOG = 300
GONE = "/nowhere/gone.flac"


@pytest.fixture
async def library(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[LiveLibrary]:
    async with live_library(rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path) as opened:
        yield opened


async def order_of_work(library: LiveLibrary) -> list[str]:
    """The recordings in the order in which they ended; all of them fail, since their files are gone."""
    buried = [await library.take("analysis_queue.dlq") for _ in range(await library.depth("analysis_queue.dlq"))]
    return [json.loads(message.body)["recording_id"] for message in buried]


def body(recording_id: str, **extra: Any) -> dict[str, Any]:
    return EXAMPLES["analysis.request"][0] | {"recording_id": recording_id, "file_path": GONE, **extra}


async def backlog(library: LiveLibrary) -> None:
    for number in range(BACKLOG):
        await library.request("file.analyze", body(f"scan{number}"))
    await eventually(lambda: _waiting(library, BACKLOG))


async def _waiting(library: LiveLibrary, count: int) -> bool:
    return await library.depth("analysis_queue") == count


async def _buried(library: LiveLibrary, count: int) -> bool:
    return await library.depth("analysis_queue.dlq") == count


async def test_a_users_request_overtakes_a_full_queue(library: LiveLibrary) -> None:
    await backlog(library)
    await library.request("analysis.request", body("user"))
    await library.start(["analysis"])
    await eventually(lambda: _buried(library, BACKLOG + 1))
    assert (await order_of_work(library))[0] == "user"


async def test_a_users_request_overtakes_what_waits_while_the_queue_is_worked_off(library: LiveLibrary) -> None:
    await backlog(library)
    await library.start(["analysis"])
    await eventually(lambda: library.depth("analysis_queue.dlq"))
    await library.request("analysis.request", body("user"))
    waiting = await library.depth("analysis_queue")
    await eventually(lambda: _buried(library, BACKLOG + 1))
    assert waiting > 20
    order = await order_of_work(library)
    assert order.index("user") < len(order) - waiting + 10


async def test_requests_go_by_the_priority_in_their_bodies(library: LiveLibrary) -> None:
    for priority in (3, 10, 1, 7, 99, -5, 5):
        await library.request("file.analyze", body(f"p{priority}", priority=priority))
    await eventually(lambda: _waiting(library, 7))
    await library.start(["analysis"])
    await eventually(lambda: _buried(library, 7))
    assert await order_of_work(library) == ["p10", "p99", "p7", "p5", "p3", "p1", "p-5"]


async def test_a_cancellation_does_not_wait_behind_analyses(library: LiveLibrary) -> None:
    await backlog(library)
    await library.request("analysis.cancel", {"recording_id": f"scan{BACKLOG - 1}"})
    message = await library.broker.get("analysis.cancel")
    assert message is not None
    assert message.message.priority == 8
    message.reject(requeue=True)
    await library.start(["cancellation"])
    assert (await library.ended(f"scan{BACKLOG - 1}"))["data"]["status"] == "cancelled"
    assert await library.depth("analysis_queue") == BACKLOG
