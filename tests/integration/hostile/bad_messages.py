"""What nobody should send: bodies, and headers as they are on the wire."""

from __future__ import annotations

import gzip
import struct

from pipeline.broker.fieldtable import encode_table
from pipeline.messages.message import MESSAGE_NAME
from tests.integration.hostile.conftest import SECRET, Properties

GOOD, BROKEN = b'{"number": 5}', b'{"number": '
MIB = 1024 * 1024
BOMB = gzip.compress(b" " * 64 * MIB + GOOD)  # 64 KB
NOT_JSON = "Invalid JSON"

REFUSED: dict[str, tuple[bytes, Properties, str]] = {
    "no bytes": (b"", Properties(), NOT_JSON),
    "text": (f"number = 5 # {SECRET}".encode(), Properties(), NOT_JSON),
    "bytes that are no UTF-8": (b'{"number": 5, "path": "\xff\xfe\x80"}', Properties(), NOT_JSON),
    "UTF-16": (GOOD.decode().encode("utf-16"), Properties(), NOT_JSON),
    "UTF-8 with a byte order mark": (GOOD.decode().encode("utf-8-sig"), Properties(), NOT_JSON),
    "half a surrogate pair": (b'{"number": 5, "path": "\\ud800"}', Properties(), NOT_JSON),
    "JSON cut off": (b'{"number": 5', Properties(), NOT_JSON),
    "two JSON values": (GOOD + GOOD, Properties(), NOT_JSON),
    "lists in each other": (b"[" * 100_000, Properties(), NOT_JSON),
    "lists in each other in a field that nobody reads": (
        b'{"number": 5, "note": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        Properties(),
        NOT_JSON,
    ),
    "no number": (b'{"number": NaN}', Properties(), "number: "),
    "an infinite number": (b'{"number": 1e400}', Properties(), "number: "),
    "a number of five thousand digits": (b'{"number": ' + b"9" * 5_000 + b"}", Properties(), NOT_JSON),
    "another type of content": (GOOD, Properties(content_type=b"application/xml"), "not JSON by its content type"),
    "gzip": (gzip.compress(GOOD), Properties(content_encoding=b"gzip"), "encoded as 'gzip'"),
    "gzip that nobody told of": (gzip.compress(GOOD), Properties(), NOT_JSON),
    "a gzip bomb": (BOMB, Properties(content_type=b"application/json", content_encoding=b"GZIP"), "encoded as 'GZIP'"),
    "JSON that is said to be encoded": (GOOD, Properties(content_encoding=b"br"), "encoded as 'br'"),
}
TAKEN: dict[str, tuple[bytes, Properties, int]] = {
    "a name twice: the last counts": (b'{"number": 4, "number": 5}', Properties(), 5),
    "a number of thirty digits": (b'{"number": ' + b"9" * 30 + b"}", Properties(), 10**30 - 1),
    "no type of content": (GOOD, Properties(), 5),
    "a type of content that is no UTF-8": (GOOD, Properties(content_type=b"\xff"), 5),
    "a character set, as some clients say it": (GOOD, Properties(content_encoding=b"UTF-8"), 5),
    "a +json type with a parameter": (GOOD, Properties(content_type=b"application/vnd.x+json; charset=utf-8"), 5),
}

FRAME_MAX = 131_072  # RabbitMQ's default; properties can't be split, so no message has more of them
ROOM = FRAME_MAX - 8 - 12 - 2  # without the frame, the content header, the property flags


def table(entries: bytes) -> bytes:
    """A field table of entries that are encoded already, with the name of the message."""
    named = encode_table({MESSAGE_NAME: "order"})[4:]
    return struct.pack(">I", len(named) + len(entries)) + named + entries


def nested(kind: bytes, depth: int) -> bytes:
    """The header `deep`: as many tables (`F`), each with the next one under no name, or lists (`A`)."""
    value = b"V"
    for _ in range(depth):
        inside = (b"\x00" if kind == b"F" else b"") + value
        value = kind + struct.pack(">I", len(inside)) + inside
    return b"\x04deep" + value


def many() -> bytes:
    """As many headers as fit into a frame, each with a name of its own."""
    entry = len(encode_table({"00000": None})) - 4
    names = (ROOM - len(table(b""))) // entry
    return b"".join(encode_table({f"{number:05}": None})[4:] for number in range(names))


HEADERS: dict[str, bytes] = {
    "as many as fit into a frame": many(),
    "the same name 60,000 times": b"\x00V" * 60_000,
    "a list of 100,000 values": encode_table({"list": [None] * 100_000})[4:],
    "tables in each other": nested(b"F", 15_000),
    "lists in each other": nested(b"A", 20_000),
    "tables in each other, just readable to a stack": nested(b"F", 300),
    "a list in each other, as deep as is read": nested(b"A", 32),
    "one of 130,000 bytes": encode_table({"long": "x" * 130_000})[4:],
    "names that are no UTF-8": b"".join(bytes((255,)) + b"\xff" * 255 + b"V" for _ in range(200)),
}
