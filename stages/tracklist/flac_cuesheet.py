"""The CUESHEET block of a FLAC file: the times and ISRCs of a disc's tracks; it has no room for titles.

Source: RFC 9639, sections 8.1 (blocks), 8.2 (STREAMINFO), 8.7 (CUESHEET).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stages.tracklists import TracklistEntry

_STREAMINFO, _CUESHEET = 0, 5
_LAST_BLOCK = 0x80
_MOST_BLOCKS = 1024
_LEAD_OUTS = frozenset({170, 255})
_NOT_AUDIO = 0x80
_HEADER = struct.Struct(">128sQ259xB")
_TRACK = struct.Struct(">QB12sB13xB")
_INDEX = struct.Struct(">QB3x")
_CATALOG = re.compile(rb"(\d{13})\0*")
_ISRC = re.compile(rb"[A-Z]{2}[A-Z0-9]{3}\d{7}")


@dataclass(frozen=True, slots=True)
class DiscSheet:
    """Attributes:
    entries: in the order written.
    catalog: the disc's 13 digits, or None.
    """

    entries: tuple[TracklistEntry, ...]
    catalog: str | None


def flac_cuesheet(path: Path) -> DiscSheet | None:
    """The sheet in a FLAC file; None if it is another kind of file, or has none that is whole.

    Raises: OSError.
    """
    rate = 0
    with path.open("rb") as file:
        for kind, size in _blocks(file):
            if kind == _STREAMINFO:
                rate = int.from_bytes(file.read(18)[10:13], "big") >> 4
            elif kind == _CUESHEET and rate:
                return _sheet(file.read(size), rate)
    return None


def _blocks(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """The (type, size) of each metadata block, with the file at its content."""
    place = _behind_id3(file)
    file.seek(place)
    if file.read(4) != b"fLaC":
        return
    place += 4
    for _ in range(_MOST_BLOCKS):
        file.seek(place)
        header = file.read(4)
        if len(header) < 4:
            return
        size = int.from_bytes(header[1:], "big")
        yield header[0] & ~_LAST_BLOCK, size
        if header[0] & _LAST_BLOCK:
            return
        place += 4 + size


def _behind_id3(file: BinaryIO) -> int:
    """Where a tag ends that other programs put before the FLAC stream; 0 without one."""
    header = file.read(10)
    if len(header) < 10 or not header.startswith(b"ID3"):
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(header[6:], (21, 14, 7, 0), strict=True))


def _sheet(block: bytes, rate: int) -> DiscSheet | None:
    try:
        catalog, _, count = _HEADER.unpack_from(block)
        place = _HEADER.size
        entries: list[TracklistEntry] = []
        for _ in range(count):
            offset, number, isrc, flags, indices = _TRACK.unpack_from(block, place)
            place += _TRACK.size
            points = [_INDEX.unpack_from(block, place + index * _INDEX.size) for index in range(indices)]
            place += indices * _INDEX.size
            if number in _LEAD_OUTS or flags & _NOT_AUDIO:
                continue
            start = next((point for point, index in points if index == 1), 0)
            entries.append(
                TracklistEntry(
                    number=max(1, number),
                    start_seconds=(offset + start) / rate,
                    isrc=isrc.decode() if _ISRC.fullmatch(isrc) else None,
                )
            )
    except struct.error:
        return None
    found = _CATALOG.fullmatch(catalog)
    return DiscSheet(tuple(entries), found[1].decode() if found else None) if entries else None
