"""A message's properties in their own bytes, to be passed on with everything that we do not know of.

`Message` holds what the pipeline works with; a message of somebody else has more: its type, where to reply to,
header values of kinds that have no counterpart in Python.

Source: AMQP 0-9-1 section 4.2.6.1; the properties of class `basic` in section 1.8.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping
from typing import Any

from pipeline.broker.fieldtable import decode_table, encode_table, table_entries

_CONTENT_HEADER_BYTES = 12
_word = struct.Struct(">H")
_long = struct.Struct(">I")
# In their order, from bit 15 down: short strings, one table, octets, one timestamp.
_KINDS = "sstbbssssqssss"
_HEADERS, _DELIVERY_MODE, _MESSAGE_ID, _USER_ID = 2, 3, 8, 11
_PERSISTENT = b"\x02"
_NO_HEADERS = b"\x00\x00\x00\x00"


class Properties:
    """The fourteen properties of a message, each in its bytes or None."""

    __slots__ = ("_parts",)

    def __init__(self, header: bytes) -> None:
        """Raises ValueError, IndexError or struct.error if the content header is malformed."""
        flags = _word.unpack_from(header, _CONTENT_HEADER_BYTES)[0]
        if flags & 1:
            raise ValueError("There are more property flags than AMQP has properties")
        at = _CONTENT_HEADER_BYTES + 2
        parts: list[bytes | None] = []
        for index, kind in enumerate(_KINDS):
            if not flags & 1 << 15 - index:
                parts.append(None)
                continue
            if kind == "s":
                end = at + 1 + header[at]
            elif kind == "t":
                end = at + 4 + _long.unpack_from(header, at)[0]
            else:
                end = at + (1 if kind == "b" else 8)
            parts.append(header[at:end])
            at = end
        if at > len(header):
            raise ValueError("The properties end before they are complete")
        self._parts = parts

    @property
    def message_id(self) -> bytes | None:
        part = self._parts[_MESSAGE_ID]
        return part[1:] if part and len(part) > 1 else None

    @property
    def user_id(self) -> bytes | None:
        part = self._parts[_USER_ID]
        return None if part is None else part[1:]

    def header(self, name: str) -> Any:
        """The value of a header; None if there is none, or if it can't be read."""
        table = self._parts[_HEADERS]
        if table is None or name.encode() not in table:
            return None
        try:
            return decode_table(table, 0)[0].get(name)
        except (ValueError, LookupError, struct.error):
            return None

    def add_headers(self, headers: Mapping[str, Any]) -> None:
        """In front of those that are there."""
        items = encode_table(headers)[4:] + (self._parts[_HEADERS] or _NO_HEADERS)[4:]
        self._parts[_HEADERS] = _long.pack(len(items)) + items

    def remove_headers(self, names: Container[str]) -> None:
        """Where they are there; headers that can't be read stay as they are."""
        table = self._parts[_HEADERS]
        if table is None:
            return
        try:
            entries = table_entries(table)
        except (ValueError, LookupError, struct.error):
            return
        kept = b"".join([entry for name, entry in entries if name not in names])
        self._parts[_HEADERS] = _long.pack(len(kept)) + kept

    def remove_user_id(self) -> None:
        self._parts[_USER_ID] = None

    def persist(self) -> None:
        """Let the message survive a restart of the broker."""
        self._parts[_DELIVERY_MODE] = _PERSISTENT

    def encode(self) -> bytes:
        """Flags and values, as in a content header."""
        flags = 0
        for index, part in enumerate(self._parts):
            if part is not None:
                flags |= 1 << 15 - index
        return _word.pack(flags) + b"".join([part for part in self._parts if part is not None])
