"""AMQP strings and field tables, the values that headers can have, to bytes and back without loss.

Source: AMQP 0-9-1 section 4.2.5 with RabbitMQ's errata ("AMQP 0-9-1 errata", table 3). Floats travel as
doubles and bytes as byte arrays; timestamps are whole seconds in UTC, which is all that AMQP has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

_LONGEST_SHORT = 255
_SURELY_SHORT = _LONGEST_SHORT // 4  # characters, of four bytes at most
_LONGEST_INTEGER = 2**63
_DEEPEST = 32
_PLAIN = frozenset({str, bool, bytes, type(None)})

_byte = struct.Struct(">B")
_long = struct.Struct(">I")
_sized = struct.Struct(">cI")
_small_integer = struct.Struct(">ci")
_large_integer = struct.Struct(">cq")
_double = struct.Struct(">cd")
_decimal = struct.Struct(">cBi")
_timestamp = struct.Struct(">cQ")


def check_table(table: Mapping[str, Any]) -> None:
    """Raises TypeError or ValueError, naming the header, where a value can't travel in AMQP."""
    for name, value in table.items():
        if type(value) not in _PLAIN or len(name) > _SURELY_SHORT:
            _encode_item(name, value)


def check_short(text: str, what: str) -> None:
    """Raises ValueError if a name or a key is too long for AMQP."""
    if len(text) > _SURELY_SHORT:
        encode_short(text, what)


def encode_short(text: str, what: str) -> bytes:
    """A string of at most 255 bytes, with its length. Raises ValueError that says `what` is too long."""
    raw = text.encode()
    if len(raw) > _LONGEST_SHORT:
        raise ValueError(f"The {what} {text[:40]!r}… is longer than {_LONGEST_SHORT} bytes")
    return _byte.pack(len(raw)) + raw


def encode_table(table: Mapping[str, Any]) -> bytes:
    """A field table with its length. Raises TypeError or ValueError, naming the header."""
    items = b"".join([_encode_item(name, value) for name, value in table.items()])
    return _long.pack(len(items)) + items


def decode_table(data: bytes, at: int, depth: int = 0) -> tuple[dict[str, Any], int]:
    """The table at an offset, and the offset after it.

    Raises ValueError, LookupError or struct.error if malformed, or if tables and lists are in each other too deeply: a
    frame has room for twenty thousand of them, no stack has.
    """
    _require_shallow(depth)
    end = at + 4 + _long.unpack_from(data, at)[0]
    at += 4
    table: dict[str, Any] = {}
    while at < end:
        start = at + 1
        at = start + data[at]
        name = data[start:at].decode("utf-8", "replace")
        table[name], at = _DECODERS[data[at]](data, at + 1, depth + 1)
    return table, at


def decode_readable(data: bytes, at: int) -> dict[str, Any]:
    """What can be read of the table at an offset; never raises."""
    try:
        return decode_table(data, at)[0]
    except _MALFORMED:
        pass
    table: dict[str, Any] = {}
    try:
        end = at + 4 + _long.unpack_from(data, at)[0]
        at += 4
        while at < end:
            start = at + 1
            at = start + data[at]
            name = data[start:at].decode("utf-8", "replace")
            try:
                table[name], at = _DECODERS[data[at]](data, at + 1, 1)
            except _MALFORMED:
                if data[at] not in _SIZED:
                    break
                at += 5 + _long.unpack_from(data, at + 1)[0]
    except _MALFORMED:
        pass
    return table


def table_entries(data: bytes) -> list[tuple[str, bytes]]:
    """Names and whole entries, in their bytes, of a table given with its length. Raises as `decode_table`."""
    entries, at = [], 4
    while at < len(data):
        start, begin = at, at + 1
        at = begin + data[at]
        name = data[begin:at].decode("utf-8", "replace")
        _, at = _DECODERS[data[at]](data, at + 1, 1)
        entries.append((name, data[start:at]))
    return entries


def _encode_item(name: str, value: Any) -> bytes:
    key = encode_short(name, "header name")
    try:
        return key + _encode(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Header {name!r}: {error}") from None


def _encode(value: Any) -> bytes:
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        encoder = next((each for kind, each in _ENCODERS.items() if isinstance(value, kind)), None)
    if encoder is None:
        raise TypeError(f"a value of type {type(value).__name__} can't travel in an AMQP header")
    return encoder(value)


def _encode_text(value: str) -> bytes:
    text = value.encode()
    return _sized.pack(b"S", len(text)) + text


def _encode_integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return _small_integer.pack(b"I", value)
    if not -_LONGEST_INTEGER <= value < _LONGEST_INTEGER:
        raise ValueError("integers in AMQP headers have 64 bits")
    return _large_integer.pack(b"l", value)


def _encode_float(value: float) -> bytes:
    if not isfinite(value):
        raise ValueError(f"RabbitMQ closes the connection over {value}")
    return _double.pack(b"d", value)


def _encode_decimal(value: Decimal) -> bytes:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{value} can't travel as a decimal")  # noqa: TRY004 (NaN is a value, not a type)
    scale = max(0, -exponent)
    unscaled = int(value.scaleb(scale))
    if scale > 255 or not -(2**31) <= unscaled < 2**31:
        raise ValueError("decimals in AMQP headers have 32 bits")
    return _decimal.pack(b"D", scale, unscaled)


def _encode_timestamp(value: datetime) -> bytes:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    seconds = int(aware.timestamp())
    if seconds < 0:
        raise ValueError("timestamps in AMQP headers start in 1970")
    return _timestamp.pack(b"T", seconds)


def _encode_list(value: list[Any]) -> bytes:
    items = b"".join([_encode(item) for item in value])
    return _sized.pack(b"A", len(items)) + items


# bool before int: it is one.
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    bool: lambda value: b"t\x01" if value else b"t\x00",
    str: _encode_text,
    int: _encode_integer,
    float: _encode_float,
    bytes: lambda value: _sized.pack(b"x", len(value)) + value,
    dict: lambda value: b"F" + encode_table(value),
    list: _encode_list,
    datetime: _encode_timestamp,
    Decimal: _encode_decimal,
    type(None): lambda _: b"V",
}


def _require_shallow(depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"More than {_DEEPEST} tables and lists are in each other")


def _fixed(format: str) -> Callable[[bytes, int, int], tuple[Any, int]]:
    reader = struct.Struct(">" + format)
    return lambda data, at, _: (reader.unpack_from(data, at)[0], at + reader.size)


def _decode_bytes(data: bytes, at: int, _: int = 0) -> tuple[bytes, int]:
    end = at + 4 + _long.unpack_from(data, at)[0]
    return data[at + 4 : end], end


def _decode_text(data: bytes, at: int, _: int) -> tuple[str | bytes, int]:
    raw, end = _decode_bytes(data, at)
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        return raw, end  # AMQP's "long string" is any bytes


def _decode_list(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    _require_shallow(depth)
    end = at + 4 + _long.unpack_from(data, at)[0]
    at += 4
    items: list[Any] = []
    while at < end:
        item, at = _DECODERS[data[at]](data, at + 1, depth + 1)
        items.append(item)
    return items, at


def _decode_decimal(data: bytes, at: int, _: int) -> tuple[Decimal, int]:
    scale, unscaled = struct.unpack_from(">Bi", data, at)
    return Decimal(unscaled).scaleb(-scale), at + 5


def decode_timestamp(data: bytes, at: int, _: int = 0) -> tuple[datetime | None, int]:
    """A time in UTC; None where no calendar has it. Values past the year 2106 are taken for milliseconds."""
    value: float = struct.unpack_from(">Q", data, at)[0]
    try:
        return datetime.fromtimestamp(value / 1000 if value > 0xFFFFFFFF else value, UTC), at + 8
    except (ValueError, OverflowError, OSError):
        return None, at + 8


_MALFORMED = (ValueError, LookupError, struct.error)
_SIZED = frozenset(b"SAFx")
_DECODERS: dict[int, Callable[[bytes, int, int], tuple[Any, int]]] = {
    ord("t"): lambda data, at, _: (data[at] != 0, at + 1),
    ord("b"): _fixed("b"),
    ord("B"): _fixed("B"),
    ord("s"): _fixed("h"),
    ord("u"): _fixed("H"),
    ord("I"): _fixed("i"),
    ord("i"): _fixed("I"),
    ord("l"): _fixed("q"),
    ord("L"): _fixed("q"),
    ord("f"): _fixed("f"),
    ord("d"): _fixed("d"),
    ord("D"): _decode_decimal,
    ord("S"): _decode_text,
    ord("A"): _decode_list,
    ord("T"): decode_timestamp,
    ord("F"): decode_table,
    ord("V"): lambda _, at, __: (None, at),
    ord("x"): _decode_bytes,
}
