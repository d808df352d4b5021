"""What a picture is and how large, by its own bytes: what a tag says of it is not believed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

LARGEST_BYTES = 16 * 1024 * 1024
_MOST_PIXELS = 1 << 15
"""In either direction."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a known format.

    Attributes:
        extension: without a dot.
        width, height: in pixels, above 0.
    """

    data: bytes
    mime: str
    extension: str
    width: int
    height: int


class NotAPicture(Exception):
    """The reason is the exception's text."""


def picture(data: bytes) -> Picture:
    """A JPEG, PNG, WebP or GIF. Raises NotAPicture: something else, cut off in its header, or of absurd size."""
    if len(data) > LARGEST_BYTES:
        raise NotAPicture(f"it has more than {LARGEST_BYTES // 1024**2} MiB")
    for matches, mime, extension, size_of in _FORMATS:
        if matches(data):
            try:
                width, height = size_of(data)
            except (struct.error, IndexError):
                raise NotAPicture("it is cut off") from None
            if not (0 < width <= _MOST_PIXELS and 0 < height <= _MOST_PIXELS):
                raise NotAPicture(f"it says to be {width} x {height} pixels large")
            return Picture(data, mime, extension, width, height)
    raise NotAPicture("it is no JPEG, PNG, WebP or GIF")


def _png_size(data: bytes) -> tuple[int, int]:
    """Source: ISO/IEC 15948 (PNG), section 11.2.1: IHDR comes first."""
    if data[12:16] != b"IHDR":
        raise NotAPicture("it is a broken PNG")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif_size(data: bytes) -> tuple[int, int]:
    """Source: GIF89a specification, section 18."""
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """From the first start-of-frame segment. Source: ITU-T T.81, annex B.2."""
    offset = 2
    while True:
        if data[offset] != 0xFF:
            raise NotAPicture("it is a broken JPEG")
        while data[offset] == 0xFF:
            offset += 1
        marker = data[offset]
        offset += 1
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, offset + 3)
            return width, height
        (length,) = struct.unpack_from(">H", data, offset)
        if length < 2 or marker in (0xD9, 0xDA):
            raise NotAPicture("it is a broken JPEG")
        offset += length


def _webp_size(data: bytes) -> tuple[int, int]:
    """Source: RFC 9649 (WebP), section 2.5 to 2.7; RFC 6386 (VP8), section 9.1."""
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(_part(data, 24, 3), "little") + 1, int.from_bytes(_part(data, 27, 3), "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise NotAPicture("it is a broken WebP")


def _part(data: bytes, offset: int, length: int) -> bytes:
    part = data[offset : offset + length]
    if len(part) < length:
        raise IndexError
    return part


_FORMATS: tuple[tuple[Callable[[bytes], bool], str, str, Callable[[bytes], tuple[int, int]]], ...] = (
    (lambda data: data.startswith(b"\xff\xd8\xff"), "image/jpeg", "jpg", _jpeg_size),
    (lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), "image/png", "png", _png_size),
    (lambda data: data.startswith((b"GIF87a", b"GIF89a")), "image/gif", "gif", _gif_size),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", "image/webp", "webp", _webp_size),
)
