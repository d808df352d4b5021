"""Tags and pictures byte by byte, as other programs write them: what no encoder of ours can be asked for."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path


def png(width: int = 2, height: int = 3) -> bytes:
    """A valid PNG, black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" * (1 + 3 * width)) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(width: int = 640, height: int = 480) -> bytes:
    """The headers of a JPEG, with a segment before the frame's, as cameras write one."""
    camera = b"\xff\xe1" + struct.pack(">H", 2 + 300) + b"Exif\0\0" + b"\0" * 294
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 8 + 9, 8, height, width, 3) + bytes((1, 34, 0, 2, 17, 1, 3, 17, 1))
    return b"\xff\xd8" + camera + b"\xff" + frame + b"\xff\xda\0\x0c" + b"\0" * 40 + b"\xff\xd9"


def frame(name: str, content: bytes, *, size: int | None = None, version: int = 4) -> bytes:
    """An ID3v2 frame. `size`: what it claims to be, if not what it is."""
    stated = len(content) if size is None else size
    if version == 2:
        return name.encode() + stated.to_bytes(3, "big") + content
    return name.encode() + (synchsafe(stated) if version == 4 else struct.pack(">I", stated)) + b"\0\0" + content


def text_frame(name: str, text: str, *, encoding: int = 3, version: int = 4) -> bytes:
    codec = ("latin-1", "utf-16", "utf-16-be", "utf-8")[encoding]
    return frame(name, bytes([encoding]) + text.encode(codec), version=version)


def apic(picture: bytes, mime: str = "image/png", kind: int = 3) -> bytes:
    """The content of an attached picture's frame."""
    return b"\0" + mime.encode() + b"\0" + bytes([kind]) + b"cover\0" + picture


def id3(*frames: bytes, version: int = 4, size: int | None = None) -> bytes:
    """An ID3v2 tag. `size`: what it claims to be, if not what it is."""
    body = b"".join(frames)
    return b"ID3" + bytes((version, 0, 0)) + synchsafe(len(body) if size is None else size) + body


def id3v1(title: str, artist: str = "", genre: int = 35) -> bytes:
    """The tag of 128 bytes at a file's end."""
    fields = [text.encode("latin-1").ljust(30, b"\0") for text in (title, artist, "")]
    return b"TAG" + b"".join(fields) + b"1999" + b"\0" * 30 + bytes([genre])


def synchsafe(value: int) -> bytes:
    return bytes(value >> shift & 0x7F for shift in (21, 14, 7, 0))


def with_chunk(path: Path, name: bytes, content: bytes) -> None:
    """Add a chunk to the end of a WAV or AIFF file."""
    data = path.read_bytes()
    order = "<" if data.startswith(b"RIFF") else ">"
    chunk = name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)
    size = struct.pack(f"{order}I", len(data) - 8 + len(chunk))
    path.write_bytes(data[:4] + size + data[8:] + chunk)


def riff_info(**values: bytes) -> bytes:
    """The content of a LIST chunk with INFO tags."""
    content = b"INFO"
    for name, value in values.items():
        value += b"\0"
        content += name.encode() + struct.pack("<I", len(value)) + value + b"\0" * (len(value) % 2)
    return content


def flac_with(path: Path, blocks: list[tuple[int, bytes]], *, sizes: dict[int, int] | None = None) -> None:
    """Put metadata blocks (type, content) between a FLAC file's stream info and the rest.

    `sizes`: what a type of block claims to be.
    """
    data = path.read_bytes()
    end = 4 + 4 + int.from_bytes(data[5:8], "big")
    added = b"".join(
        bytes([kind]) + (sizes or {}).get(kind, len(content)).to_bytes(3, "big") + content for kind, content in blocks
    )
    path.write_bytes(data[:end] + added + data[end:])


def vorbis_comment(*comments: bytes, count: int | None = None) -> bytes:
    """`count`: how many it claims to have."""
    vendor = b"nobody"
    body = struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(comments) if count is None else count)
    return body + b"".join(struct.pack("<I", len(each)) + each for each in comments)


def flac_picture(picture: bytes, mime: str = "image/png", kind: int = 3) -> bytes:
    return (
        struct.pack(">II", kind, len(mime))
        + mime.encode()
        + struct.pack(">IIIIII", 0, 0, 0, 24, 0, len(picture))
        + picture
    )


def picture_comment(picture: bytes) -> bytes:
    """A picture as Ogg files carry it."""
    return b"METADATA_BLOCK_PICTURE=" + base64.b64encode(flac_picture(picture))
