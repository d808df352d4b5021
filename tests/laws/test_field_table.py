"""AMQP field tables, against pamqp's reading of the same bytes."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import decode, encode

from pipeline.broker.fieldtable import check_table, decode_readable, decode_table, encode_short, encode_table

names = st.text(max_size=60).filter(lambda name: len(name.encode()) <= 255)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=300),
    st.binary(max_size=300),
    st.datetimes(datetime(1970, 1, 1), datetime(2106, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda time: time.replace(microsecond=0)
    ),
    st.builds(
        lambda unscaled, scale: Decimal(unscaled).scaleb(-scale), st.integers(-(2**31), 2**31 - 1), st.integers(0, 9)
    ),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
tables = st.dictionaries(names, values, max_size=6)


@settings(max_examples=100, deadline=None)
@given(tables, st.binary(max_size=5), st.binary(max_size=5))
def test_a_table_comes_back_as_it_was_wherever_it_stands(table: dict[str, Any], before: bytes, after: bytes) -> None:
    encoded = encode_table(table)
    assert decode_table(before + encoded + after, len(before)) == (table, len(before) + len(encoded))


@settings(max_examples=100, deadline=None)
@given(tables)
def test_another_client_reads_the_same_table(table: dict[str, Any]) -> None:
    assert decode.field_table(encode_table(table))[1] == table


@settings(max_examples=100, deadline=None)
@given(tables)
def test_what_another_client_wrote_is_read(table: dict[str, Any]) -> None:
    theirs = encode.field_table(_with_what_pamqp_can_write(table))
    assert decode_table(theirs, 0)[0] == decode.field_table(theirs)[1]


def _with_what_pamqp_can_write(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_what_pamqp_can_write(each) for key, each in value.items() if len(key.encode()) <= 128}
    if isinstance(value, list):
        return [_with_what_pamqp_can_write(each) for each in value]
    if isinstance(value, float):
        return 0.5
    return bytearray(value) if isinstance(value, bytes) else value


@settings(max_examples=100, deadline=None)
@given(tables)
def test_what_can_be_encoded_passes_the_check(table: dict[str, Any]) -> None:
    check_table(table)


@pytest.mark.parametrize(
    "value",
    [{1}, object(), (1, 2), 2**63, -(2**63) - 1, Decimal("NaN"), Decimal(2**31), datetime(1969, 1, 1, tzinfo=UTC)],
)
@pytest.mark.parametrize("nest", [lambda value: value, lambda value: [value], lambda value: {"inner": value}])
def test_what_can_not_travel_is_refused_by_check_and_encoding_alike(value: object, nest: Any) -> None:
    for refuse in (check_table, encode_table):
        with pytest.raises((TypeError, ValueError), match="Header 'x-odd'"):
            refuse({"x-odd": nest(value)})


def test_a_name_that_is_too_long_is_refused() -> None:
    for refuse in (check_table, encode_table):
        with pytest.raises(ValueError, match="longer than 255 bytes"):
            refuse({"ü" * 128: 1})


def test_subclasses_travel_as_what_they_are() -> None:
    class Code(StrEnum):
        TIMEOUT = "TIMEOUT"

    assert decode_table(encode_table({"code": Code.TIMEOUT}), 0)[0] == {"code": "TIMEOUT"}


def test_text_that_is_not_utf_8_comes_as_bytes() -> None:
    raw = b"\x01k" + b"S" + struct.pack(">I", 2) + b"\xff\xfe"
    assert decode_table(struct.pack(">I", len(raw)) + raw, 0)[0] == {"k": b"\xff\xfe"}


def test_a_time_beyond_every_calendar_comes_as_nothing() -> None:
    raw = b"\x01t" + b"T" + struct.pack(">Q", 2**63)
    assert decode_table(struct.pack(">I", len(raw)) + raw, 0)[0] == {"t": None}


def test_a_short_string_says_what_is_too_long() -> None:
    assert encode_short("é", "routing key") == b"\x02\xc3\xa9"
    with pytest.raises(ValueError, match="routing key"):
        encode_short("é" * 128, "routing key")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_over_which_rabbitmq_closes_the_connection_is_refused(value: float) -> None:
    for refuse in (check_table, encode_table):
        with pytest.raises(ValueError, match=r"Header 'x'.*RabbitMQ closes the connection"):
            refuse({"x": [value]})


@pytest.mark.parametrize("kind", [dict, list])
def test_tables_and_lists_are_read_to_a_depth_that_can_be_written_again(kind: type) -> None:
    value: Any = None
    for _ in range(32):
        value = {"": value} if kind is dict else [value]
    deepest = encode_table({"deep": value})
    assert decode_table(deepest, 0)[0] == {"deep": value}
    deeper = encode_table({"before": 1, "deep": [value], "after": 2})
    with pytest.raises(ValueError, match="More than 32"):
        decode_table(deeper, 0)
    assert decode_readable(deeper, 0) == {"before": 1, "after": 2}


@given(tables, st.data())
def test_reading_what_can_be_read_never_raises(table: dict[str, Any], data: st.DataObject) -> None:
    encoded = bytearray(encode_table(table))
    assert decode_readable(bytes(encoded), 0) == table
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    decode_readable(bytes(encoded[: data.draw(st.integers(0, len(encoded)))]), 0)
