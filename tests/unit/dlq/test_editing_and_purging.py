"""Correcting one letter, and taking letters away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dlq.body_fields import changed_fields, compact, pretty, with_field
from pipeline.dlq.edit import LetterChanged, NoSuchLetter, digest, edit, find_one
from pipeline.dlq.letter import DeadLetter
from pipeline.dlq.letters_json import exported
from pipeline.dlq.purge import purge
from pipeline.dlq.selection import Selection
from pipeline.messages.message import EDITED_AT, MESSAGE_NAME, REPLAYED_AT, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.dlq.conftest import Shop

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


async def test_an_edited_letter_arrives_under_its_id_and_says_that_it_was_edited(shop: Shop) -> None:
    await shop.bury("x", "a", "y", body={"items": []})
    body = b'{"order_id": "a", "items": []}'
    done = await edit(shop.broker, shop.queue, "a", body, validate=shop.accepts, trail=shop.trail, clock=shop.clock)
    assert (done.done, done.fields, done.refusal) == (True, ("order_id",), None)
    (message,) = await shop.taken("orders")
    assert (message.message_id, message.body) == ("a", body)
    assert message.headers[EDITED_AT] == message.headers[REPLAYED_AT] == "2023-11-14T22:13:20.000+00:00"
    assert message.headers[MESSAGE_NAME] == "order.placed"
    assert "x-error-code" not in message.headers
    assert await shop.ids("orders.dlq") == ["x", "y"]


async def test_a_body_that_would_be_refused_changes_nothing(shop: Shop) -> None:
    await shop.bury("a")
    done = await edit(
        shop.broker, shop.queue, "a", b'{"order_id": 7}', validate=shop.accepts, trail=shop.trail, clock=shop.clock
    )
    assert not done.done
    assert done.refusal is not None
    assert [field for field, _ in done.refusal.fields] == ["order_id"]
    assert await shop.ids("orders") == await shop.ids("shop.audit") == []
    assert await shop.ids("orders.dlq") == ["a"]


@pytest.mark.parametrize(("body", "dry_run"), [(b'{"order_id": "new"}', True), (b'{ "order_id" : "a" }', False)])
async def test_a_dry_run_and_the_same_content_change_nothing(shop: Shop, body: bytes, dry_run: bool) -> None:
    await shop.bury("a")
    done = await edit(shop.broker, shop.queue, "a", body, validate=shop.accepts, dry_run=dry_run)
    assert (done.done, done.refusal, bool(done.fields)) == (False, None, dry_run)
    assert await shop.ids("orders.dlq") == ["a"]


async def test_only_the_letter_that_was_looked_at_is_edited(shop: Shop) -> None:
    await shop.bury("a", body={"order_id": "other"})
    await shop.bury("b")
    _, looked_at = await find_one(shop.broker, shop.queue, "b")
    new = b'{"order_id":"c"}'
    with pytest.raises(LetterChanged, match="not the one"):
        await edit(shop.broker, shop.queue, "a", new, expected=digest(looked_at.body), validate=shop.accepts)
    with pytest.raises(NoSuchLetter, match="no dead letter"):
        await edit(shop.broker, shop.queue, "gone", new, validate=shop.accepts)
    with pytest.raises(NoSuchLetter):
        await find_one(shop.broker, shop.queue, "gone")
    assert (await edit(shop.broker, shop.queue, "b", new, expected=digest(looked_at.body), validate=shop.accepts)).done
    assert await shop.ids("orders.dlq") == ["a"]


async def test_of_two_letters_with_one_id_the_older_is_edited(shop: Shop) -> None:
    await shop.bury("a", body={"order_id": "older"})
    await shop.bury("a", body={"order_id": "newer"})
    await edit(shop.broker, shop.queue, "a", b'{"order_id":"right"}', validate=shop.accepts)
    (left,) = await shop.taken("orders.dlq")
    assert json.loads(left.body) == {"order_id": "newer"}


async def test_what_is_purged_is_gone_and_the_rest_stays_in_its_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.dlq.purge._BATCH", 2)
    await shop.bury(*"abcdef")
    done = await purge(shop.broker, shop.queue, Selection(message_ids=["b", "d", "e", "x"]), trail=shop.trail)
    assert (done.purged, done.kept, done.not_found) == (3, 3, ("x",))
    assert await shop.ids("orders.dlq") == ["a", "c", "f"]
    assert await shop.ids("orders") == []


async def test_a_dry_run_counts_what_would_be_purged(shop: Shop) -> None:
    await shop.bury(*"abc")
    done = await purge(shop.broker, shop.queue, Selection(limit=2), trail=shop.trail, dry_run=True)
    assert (done.dry_run, done.purged) == (True, 2)
    assert await shop.ids("orders.dlq") == ["a", "b", "c"]


async def test_what_can_not_be_saved_is_not_purged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.dlq.purge._BATCH", 2)
    await shop.bury(*"abcd")
    saved: list[str | None] = []

    def save(batch: Sequence[tuple[DeadLetter, Message]]) -> None:
        if saved:
            raise OSError("no space left")
        saved.extend(letter.message_id for letter, _ in batch)

    with pytest.raises(OSError, match="no space"):
        await purge(shop.broker, shop.queue, Selection(), save=save)
    assert saved == ["a", "b"]
    assert await shop.ids("orders.dlq") == ["c", "d"]


async def test_an_exported_letter_is_a_line_of_json_with_all_that_is_in_it(shop: Shop) -> None:
    strange: Any = {"raw": b"\xff", "many": [1, b"x"], "table": {"a": 1.5}}
    await shop.bury("a", body=b"\x00\xff", **strange)
    letter, message = await find_one(shop.broker, shop.queue, "a")
    row = json.loads(json.dumps(exported(letter, message)))
    assert row["body_base64"] == "AP8="
    assert (row["message_id"], row["exchange"], row["routing_key"]) == ("a", "events", "order.placed")
    assert row["headers"]["raw"] == {"base64": "/w=="}
    assert row["headers"]["many"] == [1, {"base64": "eA=="}]
    assert row["headers"]["table"] == {"a": 1.5}


@given(_JSON)
def test_a_body_is_the_same_after_it_was_shown_and_made_small_again(value: Any) -> None:
    body = json.dumps(value).encode()
    assert changed_fields(body, compact(pretty(body))) == ()


@given(_JSON, _JSON)
def test_bodies_have_changed_fields_exactly_where_they_differ(old: Any, new: Any) -> None:
    texts = [json.dumps(value, sort_keys=True) for value in (old, new)]
    same = texts[0] == texts[1] or (old == new and _kinds(old) == _kinds(new))
    assert (changed_fields(*(text.encode() for text in texts)) == ()) == same


def _kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _kinds(each) for name, each in value.items()}
    return [_kinds(each) for each in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("a", "7", {"a": 7, "b": [{"c": "d"}]}),
        ("a", "x y", {"a": "x y", "b": [{"c": "d"}]}),
        ("b.0.c", '"7"', {"a": 1, "b": [{"c": "7"}]}),
        ("b.0.new", "null", {"a": 1, "b": [{"c": "d", "new": None}]}),
        ("b.0", "[]", {"a": 1, "b": [[]]}),
    ],
)
def test_a_field_is_set_by_its_path(path: str, value: str, expected: Any) -> None:
    assert json.loads(with_field(b'{"a": 1, "b": [{"c": "d"}]}', path, value)) == expected


@pytest.mark.parametrize("path", ["a.b", "b.1", "b.-1", "b.x", "x.y", "", "b.0.c.d"])
def test_a_path_that_leads_nowhere_is_told_without_the_values(path: str) -> None:
    with pytest.raises(ValueError, match="no place") as told:
        with_field(b'{"a": "secret", "b": [{"c": "secret"}]}', path, "1")
    assert "secret" not in str(told.value)


def test_a_body_that_is_no_json_has_no_fields() -> None:
    assert changed_fields(b"\xff", b"{}") == ("(body)",)
    with pytest.raises(ValueError, match="give all of it"):
        with_field(b"\xff", "a", "1")
