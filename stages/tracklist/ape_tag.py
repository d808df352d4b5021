"""A text out of an APEv2 tag at the end of a file, where the decoding library does not look for one (MP3).

Source: Monkey's Audio, "APEv2 specification"; ID3v1 tags of 128 bytes may follow it.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_FOOTER = struct.Struct("<8sIIII8x")
_ID3V1_BYTES = 128
_MOST_BYTES = 16 * 1024 * 1024
_MOST_ITEMS = 1024
_KIND_OF_VALUE, _TEXT = 0b110, 0


def ape_text(path: Path, name: str) -> str | None:
    """The text item of this name, whatever its case; None where there is none.

    Raises: OSError.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for end in (size, size - _ID3V1_BYTES):
            if end < _FOOTER.size:
                continue
            file.seek(end - _FOOTER.size)
            magic, _, length, count, _ = _FOOTER.unpack(file.read(_FOOTER.size))
            if magic == b"APETAGEX" and _FOOTER.size <= length <= min(end, _MOST_BYTES):
                file.seek(end - length)
                return _item(file.read(length - _FOOTER.size), min(count, _MOST_ITEMS), name.lower().encode())
    return None


def _item(items: bytes, count: int, name: bytes) -> str | None:
    place = 0
    for _ in range(count):
        if place + 8 > len(items):
            return None
        length, flags = struct.unpack_from("<II", items, place)
        behind_key = items.find(b"\0", place + 8)
        if behind_key < 0:
            return None
        key, value = items[place + 8 : behind_key], items[behind_key + 1 : behind_key + 1 + length]
        if key.lower() == name and flags & _KIND_OF_VALUE == _TEXT and len(value) == length:
            return value.decode(errors="surrogateescape")
        place = behind_key + 1 + length
    return None
