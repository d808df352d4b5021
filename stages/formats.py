"""Which files are music, and the codec family inside: from the name, or the header where the name is unclear."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import PurePath

_BY_EXTENSION = {
    "mp3": "mp3",
    "flac": "flac",
    "wav": "pcm",
    "wave": "pcm",
    "aif": "pcm",
    "aiff": "pcm",
    "aac": "aac",
    "opus": "opus",
    "wma": "wma",
    "wv": "wavpack",
}
_OGG = frozenset({"ogg", "oga"})
_MP4 = frozenset({"m4a", "mp4", "m4b", "m4p", "m4v", "m4r"})

FILE_TYPES = frozenset(_BY_EXTENSION) | _OGG | _MP4
"""Extensions, lower case and without the dot, of the files the library takes in."""

_OGG_CODECS = {b"\x01vorbis": "ogg_vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac", b"Speex   ": "speex"}
_MP4_CODECS = {b"alac": "alac", b"mp4a": "aac", b"drms": "aac", b"Opus": "opus", b"fLaC": "flac", b".mp3": "mp3"}

_MAX_BOX = 64 * 1024 * 1024
"""Bytes of an MP4 index that are read at most; that of a ten-hour file is smaller."""

ReadAt = Callable[[int, int], bytes]
"""(offset, length) to the bytes there, fewer at the end of the file."""


def file_type(path: str | PurePath) -> str:
    """The extension in lower case without its dot; empty where there is none."""
    return PurePath(path).suffix[1:].lower()


def is_audio(path: str | PurePath) -> bool:
    """Whether the library takes in files of this name."""
    return file_type(path) in FILE_TYPES


def format_family(path: str | PurePath, read_at: ReadAt | None = None) -> str | None:
    """The codec family: mp3, flac, ogg_vorbis, opus, aac, alac, pcm, wma, wavpack, speex.

    Args:
        path: decides where its extension names one codec.
        read_at: reads the file where it does not (.ogg, .m4a, ...).
    Returns: the family, or None where neither says.
    """
    kind = file_type(path)
    if kind in _BY_EXTENSION:
        return _BY_EXTENSION[kind]
    if read_at is None:
        return None
    if kind in _OGG:
        return _ogg_family(read_at)
    return _mp4_family(read_at) if kind in _MP4 else None


def reader(descriptor: int) -> ReadAt:
    """Reads from an open file without moving its position."""
    return lambda offset, length: os.pread(descriptor, length, offset)


def _ogg_family(read_at: ReadAt) -> str | None:
    """The codec named by the first packet of the first page. Source: RFC 3533, section 6."""
    page = read_at(0, 27 + 255 + 16)
    if len(page) < 28 or not page.startswith(b"OggS"):
        return None
    packet = page[27 + page[26] :]
    return next((family for magic, family in _OGG_CODECS.items() if packet.startswith(magic)), None)


def _mp4_family(read_at: ReadAt) -> str | None:
    """The codec of the first audio track. Source: ISO/IEC 14496-12, sections 8.4.3 (hdlr) and 8.5.2 (stsd)."""
    offset = 0
    while len(header := read_at(offset, 16)) >= 8:
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        start = 8
        if size == 1:
            size, start = int.from_bytes(header[8:16], "big"), 16
        if kind == b"moov":
            return _first_audio_codec(read_at(offset + start, min(size - start, _MAX_BOX) if size else _MAX_BOX))
        if size < start:
            return None
        offset += size
    return None


def _first_audio_codec(moov: bytes) -> str | None:
    for kind, track in _boxes(moov):
        if kind != b"trak":
            continue
        media = dict(_boxes(dict(_boxes(track)).get(b"mdia", b"")))
        if media.get(b"hdlr", b"")[8:12] != b"soun":
            continue
        samples = dict(_boxes(dict(_boxes(media.get(b"minf", b""))).get(b"stbl", b"")))
        codec = samples.get(b"stsd", b"")[12:16]
        if codec in _MP4_CODECS:
            return _MP4_CODECS[codec]
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (type, content) of the boxes in a container box; stops at the first that is broken."""
    offset = 0
    while offset + 8 <= len(data):
        size = int.from_bytes(data[offset : offset + 4], "big") or len(data) - offset
        if size < 8:
            return
        yield data[offset + 4 : offset + 8], data[offset + 8 : offset + size]
        offset += size
