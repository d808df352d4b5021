"""Who did what with dead letters, and that nothing is done that is not recorded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.dlq.edit import edit
from pipeline.dlq.purge import purge
from pipeline.dlq.replay import replay
from pipeline.dlq.selection import Selection
from pipeline.dlq.trail import read_trail
from pipeline.errors import NotConfirmed, PipelineError
from pipeline.messages.message import Message

if TYPE_CHECKING:
    from tests.unit.dlq.conftest import Shop


async def test_each_batch_is_recorded_with_who_what_and_which(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.dlq.replay._BATCH", 2)
    await shop.bury("a", "b", None)
    selection = Selection(error_code="TIMEOUT", message_ids=None, limit=3)
    await replay(shop.broker, shop.queue, selection, trail=shop.trail, clock=shop.clock)
    newest, oldest = await read_trail(shop.broker, shop.topology)
    assert oldest.model_dump() == {
        "at": datetime.fromtimestamp(shop.clock.time(), UTC),
        "who": {"name": "ann", "address": "desk", "via": "cli"},
        "action": "replay",
        "queue": "orders.dlq",
        "selection": {"error_code": "TIMEOUT", "limit": 3},
        "message_ids": ["a", "b"],
        "count": 2,
        "fields": [],
    }
    assert (newest.message_ids, newest.count) == ([], 1)


async def test_the_trail_holds_nothing_of_the_bodies(shop: Shop) -> None:
    await shop.bury("a", body={"order_id": "top secret"})
    changed = b'{"order_id":"also secret"}'
    assert (
        await edit(shop.broker, shop.queue, "a", changed, validate=shop.accepts, trail=shop.trail, clock=shop.clock)
    ).done
    await shop.bury("b", body={"order_id": "third secret"})
    await purge(shop.broker, shop.queue, Selection(message_ids=["b"]), trail=shop.trail)
    (purged, edited) = await read_trail(shop.broker, shop.topology)
    assert (edited.action, edited.message_ids, edited.fields) == ("edit", ["a"], ["order_id"])
    assert (purged.action, purged.message_ids, purged.selection) == ("purge", ["b"], {})
    for message in await shop.taken("shop.audit"):
        assert b"secret" not in message.body


@pytest.mark.parametrize("action", ["replay", "purge", "edit"])
async def test_what_is_not_recorded_leaves_no_dead_letter_queue(shop: Shop, action: str) -> None:
    await shop.bury("a")
    publish: Any = shop.broker.publish

    def refuse_records(exchange: str, routing_key: str, message: Message) -> Any:
        if routing_key != "shop.audit":
            return publish(exchange, routing_key, message)
        refused = asyncio.get_running_loop().create_future()
        refused.set_exception(NotConfirmed("the connection was lost"))
        return refused

    shop.broker.publish = refuse_records  # type: ignore[method-assign]
    deeds = {
        "replay": lambda: replay(shop.broker, shop.queue, trail=shop.trail),
        "purge": lambda: purge(shop.broker, shop.queue, Selection(), trail=shop.trail),
        "edit": lambda: edit(
            shop.broker, shop.queue, "a", b'{"order_id":"b"}', validate=shop.accepts, trail=shop.trail
        ),
    }
    with pytest.raises(PipelineError, match="does not take records"):
        await deeds[action]()
    assert await shop.ids("orders.dlq") == ["a"]


async def test_the_latest_records_come_first_and_reading_leaves_them(shop: Shop) -> None:
    for number in range(5):
        await shop.bury(str(number))
        await replay(shop.broker, shop.queue, trail=shop.trail, clock=shop.clock)
        shop.clock.advance(1)
    assert [record.message_ids for record in await read_trail(shop.broker, shop.topology, 2)] == [["4"], ["3"]]
    assert (await shop.broker.depth("shop.audit")).messages == 5


async def test_what_is_no_record_is_left_out_and_what_is_strange_is_made_harmless(shop: Shop) -> None:
    await shop.bury("a\x1b[2J")
    await replay(shop.broker, shop.queue, trail=shop.trail)
    for body in (b"", b"{}", b"\xff", b"[1]"):
        await shop.broker.publish("shop.dlx", "shop.audit", Message(body))
    (record,) = await read_trail(shop.broker, shop.topology)
    assert record.message_ids == ["a [2J"]


async def test_a_trail_that_is_not_declared_says_to_apply(shop: Shop) -> None:
    shop.broker.model.delete_queue("shop.audit")
    await shop.bury("a")
    for deed in (
        read_trail(shop.broker, shop.topology),
        purge(shop.broker, shop.queue, Selection(), trail=shop.trail),
        edit(shop.broker, shop.queue, "a", b"{}", validate=shop.accepts, trail=shop.trail),
    ):
        with pytest.raises(PipelineError, match="pipeline apply"):
            await deed
    assert await shop.ids("orders.dlq") == ["a"]


async def test_the_trail_forgets_what_is_older_than_ninety_days(shop: Shop) -> None:
    await shop.bury("a")
    await replay(shop.broker, shop.queue, trail=shop.trail, clock=shop.clock)
    shop.clock.advance(89 * 86_400)
    assert len(await read_trail(shop.broker, shop.topology)) == 1
    shop.clock.advance(2 * 86_400)
    assert await read_trail(shop.broker, shop.topology) == []
