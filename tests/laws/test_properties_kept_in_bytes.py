"""Properties are passed on in their bytes: as pamqp writes them, and as it reads them again."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import decode, header
from pamqp.commands import Basic

from pipeline.broker.rabbitmq.properties import Properties
from pipeline.broker.rabbitmq.transfer import Parcel
from pipeline.broker.rabbitmq.wire import Route
from pipeline.provision.migration.carried import MIGRATION_ID, carried

_SHORT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**31), 2**31 - 1), _SHORT),
    lambda each: st.one_of(st.lists(each, max_size=3), st.dictionaries(_SHORT.filter(bool), each, max_size=3)),
    max_leaves=6,
)
_HEADERS = st.dictionaries(_SHORT.filter(bool), _VALUES, max_size=4)
_PROPERTIES = st.builds(
    Basic.Properties,
    content_type=st.none() | _SHORT,
    content_encoding=st.none() | _SHORT,
    headers=st.none() | _HEADERS,
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=st.none() | st.integers(0, 255),
    correlation_id=st.none() | _SHORT,
    reply_to=st.none() | _SHORT,
    expiration=st.none() | st.integers(0, 10**9).map(str),
    message_id=st.none() | _SHORT,
    timestamp=st.none() | st.integers(0, 2**31).map(lambda at: datetime.fromtimestamp(at, UTC)),
    message_type=st.none() | _SHORT,
    user_id=st.none() | _SHORT,
    app_id=st.none() | _SHORT,
)


def content_header(properties: Basic.Properties) -> bytes:
    return bytes(header.ContentHeader(properties=properties).marshal())


def read(encoded: bytes) -> dict[str, Any]:
    """Names and values, as pamqp reads them."""
    flags = struct.unpack_from(">H", encoded)[0]
    properties = Basic.Properties()
    properties.unmarshal(flags, encoded[2:])
    return {name: value for name, value in properties if value is not None}


@settings(max_examples=300, deadline=None)
@given(_PROPERTIES)
def test_what_is_not_changed_keeps_its_bytes(properties: Basic.Properties) -> None:
    encoded = content_header(properties)
    assert Properties(encoded).encode() == encoded[12:]


@settings(max_examples=300, deadline=None)
@given(_PROPERTIES, st.sampled_from(["guest", "someone"]))
def test_a_carried_message_differs_in_what_has_to_differ_and_in_nothing_else(
    properties: Basic.Properties, user: str
) -> None:
    encoded = content_header(properties)
    parcel = Parcel(encoded, b"", Route(1, False, "events", "file.created"))
    before = read(encoded[12:])
    after = read(carried(Properties(encoded), parcel, user.encode(), stamp="run-7"))
    assert after.pop("delivery_mode") == 2
    before.pop("delivery_mode", None)
    assert after.pop("user_id", None) == (user if before.pop("user_id", None) == user else None)
    headers, had = after.pop("headers"), before.pop("headers", None) or {}
    assert headers[MIGRATION_ID] == "run-7"
    assert had.items() <= headers.items()
    assert len(headers) <= len(had) + 3
    assert after == before


@settings(max_examples=200, deadline=None)
@given(_PROPERTIES, _HEADERS)
def test_headers_are_added_and_removed_again(properties: Basic.Properties, added: dict[str, Any]) -> None:
    encoded = content_header(properties)
    had = read(encoded[12:]).get("headers") or {}
    new = {f"new-{name}": value for name, value in added.items() if f"new-{name}" not in had}
    changed = Properties(encoded)
    changed.add_headers(new)
    assert (read(changed.encode()).get("headers") or {}).keys() == had.keys() | new.keys()
    changed.remove_headers(frozenset(new))
    assert (read(changed.encode()).get("headers") or {}) == had


@given(_PROPERTIES, st.data())
def test_a_header_cut_short_is_an_error_and_nothing_else(properties: Basic.Properties, data: st.DataObject) -> None:
    encoded = content_header(properties)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises((ValueError, IndexError, struct.error)):
        Properties(encoded[:cut])


def test_pamqp_is_read_as_it_is_written() -> None:
    properties = Basic.Properties(message_id="a", headers={"x": 1})
    encoded = content_header(properties)
    assert decode.short_int(encoded[:2])[1] == 60
    assert Properties(encoded).message_id == b"a"
    assert Properties(encoded).header("x") == 1
    assert Properties(encoded).header("y") is None
