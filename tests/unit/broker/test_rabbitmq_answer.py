"""What is said to those who ask aiormq for something that it can't give any more."""

from __future__ import annotations

import asyncio

import aiormq
import pytest
from aiormq.base import FutureStore

from pipeline.broker.rabbitmq.link import ChannelGone, answer


@pytest.mark.parametrize("reason", [None, asyncio.CancelledError, ConnectionResetError("reset by peer")])
async def test_a_question_put_after_the_connection_ended_is_answered_with_its_loss(
    reason: BaseException | type[BaseException] | None,
) -> None:
    store = FutureStore(asyncio.get_running_loop())
    await store.reject_all(reason)
    with pytest.raises(ChannelGone, match=r"the connection was lost|reset by peer"):
        await answer(store.create_task(asyncio.sleep(30)))


async def test_a_mistake_in_the_question_is_not_taken_for_a_lost_connection() -> None:
    async def ask() -> None:
        raise KeyError("typo")

    with pytest.raises(KeyError):
        await answer(ask())


async def test_a_cancelled_question_stays_cancelled() -> None:
    asking = asyncio.ensure_future(answer(asyncio.sleep(30)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("error", [aiormq.exceptions.InvalidFrameError, aiormq.ChannelNotFoundEntity, OSError])
async def test_a_cancellation_of_which_aiormq_makes_another_error_is_still_one(error: type[Exception]) -> None:
    async def log_in() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise error("Expected one of ['Connection.OpenOk']") from None

    asking = asyncio.ensure_future(answer(log_in()))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_connection_closed_during_the_login_is_a_lost_one() -> None:
    async def log_in() -> None:
        raise StopAsyncIteration  # how aiormq's reader of frames ends where the stream has ended

    with pytest.raises(ChannelGone, match="the connection was lost"):
        await answer(log_in())
