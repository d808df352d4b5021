"""Which pictures are taken for covers, and how large they are said to be."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metadata.covers import store_cover
from stages.metadata.pictures import LARGEST_BYTES, NotAPicture, picture
from tests.tag_bytes import jpeg, png

WEBP_LOSSY = b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0" + b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", 320, 200) + b"\0" * 8
WEBP_LOSSLESS = b"RIFF\x24\0\0\0WEBPVP8L\x18\0\0\0\x2f" + struct.pack("<I", 319 | 199 << 14) + b"\0" * 8
WEBP_EXTENDED = b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x3f\x01\0" + b"\xc7\0\0"
GIF = b"GIF89a" + struct.pack("<HH", 320, 200) + b"\0" * 10


@pytest.mark.parametrize(
    ("data", "mime", "size"),
    [
        (png(12, 7), "image/png", (12, 7)),
        (jpeg(640, 480), "image/jpeg", (640, 480)),
        (GIF, "image/gif", (320, 200)),
        (WEBP_LOSSY, "image/webp", (320, 200)),
        (WEBP_LOSSLESS, "image/webp", (320, 200)),
        (WEBP_EXTENDED, "image/webp", (320, 200)),
    ],
)
def test_format_and_size_come_from_the_picture_itself(data, mime, size):
    found = picture(data)
    assert (found.mime, (found.width, found.height)) == (mime, size)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JPEG"),
        (b"<svg onload='alert(1)'/>", "no JPEG"),
        (b"BM" + b"\0" * 100, "no JPEG"),
        (png()[:18], "cut off"),
        (jpeg()[:100], "cut off"),
        (GIF[:7], "cut off"),
        (WEBP_EXTENDED[:26], "cut off"),
        (png(1, 1)[:16] + struct.pack(">II", 0, 5), "0 x 5"),
        (png(1, 1)[:16] + struct.pack(">II", 1 << 31, 5), "pixels large"),
        (b"\xff\xd8\xff\xe0\0\0" + b"\0" * 50, "broken JPEG"),
        (png() + b"\0" * LARGEST_BYTES, "more than"),
    ],
)
def test_what_is_no_picture_of_a_sensible_size_is_refused_with_the_reason(data, reason):
    with pytest.raises(NotAPicture, match=reason):
        picture(data)


@given(st.sampled_from([png(), jpeg(), GIF, WEBP_LOSSY, WEBP_LOSSLESS, WEBP_EXTENDED]), st.data())
def test_damage_ends_in_a_picture_or_a_refusal_and_in_nothing_else(data, draw):
    damaged = bytearray(data[: draw.draw(st.integers(0, len(data)))])
    for place in draw.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=5)):
        damaged[place : place + 1] = draw.draw(st.binary(min_size=1, max_size=1)) if damaged else b""
    try:
        found = picture(bytes(damaged))
    except NotAPicture:
        return
    assert found.width > 0
    assert found.height > 0


def test_the_same_picture_is_stored_once(tmp_path):
    first = store_cover(picture(png(12, 7)), tmp_path)
    written = tmp_path / first["file"]
    before = written.stat()
    assert store_cover(picture(png(12, 7)), tmp_path) == first
    assert written.stat().st_mtime_ns == before.st_mtime_ns
    assert [each.name for each in (tmp_path / "covers").iterdir()] == [f"{first['sha256']}.png"]
    assert written.read_bytes() == png(12, 7)
    assert first | {"mime": "image/png", "width": 12, "height": 7, "bytes": len(png(12, 7))} == first


def test_a_cover_cut_short_on_disk_is_written_anew(tmp_path):
    cover = store_cover(picture(png()), tmp_path)
    (tmp_path / cover["file"]).write_bytes(b"")
    store_cover(picture(png()), tmp_path)
    assert (tmp_path / cover["file"]).read_bytes() == png()


def test_nothing_is_left_of_a_cover_that_cannot_be_written(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store_cover(picture(png()), tmp_path)
    assert list((tmp_path / "covers").iterdir()) == []
