"""From a sheet to text: UTF-8 without a byte order mark, lines ended by CRLF, as the oldest readers want them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from stages.cue.sheet import File, Rem, Sheet, Track
from stages.cue.timecode import format_time

_PLAIN = re.compile(r"[\w.+-]+", re.ASCII)


def write(sheet: Sheet) -> bytes:
    """The sheet's text. What a line cannot hold is replaced: `"` by `'`, control characters and line ends by spaces."""
    return "".join(f"{line}\r\n" for line in _sheet(sheet)).encode("utf-8", "replace")


def one_line(text: str | None) -> str:
    """The text without control characters and line ends; empty where nothing is left of it."""
    if text is None:
        return ""
    return "".join(" " if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") else each for each in text).strip()


def writable(text: str | None) -> str:
    """The text as a line of a sheet can hold it between double quotes."""
    return one_line(text).replace('"', "'")


def _sheet(sheet: Sheet) -> Iterator[str]:
    yield from map(_rem, sheet.rems)
    if sheet.catalog:
        yield f"CATALOG {writable(sheet.catalog)}"
    yield from _texts(("CDTEXTFILE", sheet.cdtextfile))
    yield from _texts(("PERFORMER", sheet.performer), ("SONGWRITER", sheet.songwriter), ("TITLE", sheet.title))
    for file in sheet.files:
        yield from _file(file)


def _file(file: File) -> Iterator[str]:
    yield f'FILE "{writable(file.name)}" {writable(file.type)}'
    for track in file.tracks:
        for line in _track(track):
            yield f"  {line}"


def _track(track: Track) -> Iterator[str]:
    yield f"TRACK {track.number:02d} {writable(track.type)}"
    for line in _of_track(track):
        yield f"  {line}"


def _of_track(track: Track) -> Iterator[str]:
    yield from _texts(("TITLE", track.title), ("PERFORMER", track.performer), ("SONGWRITER", track.songwriter))
    if track.isrc:
        yield f"ISRC {writable(track.isrc)}"
    if track.flags:
        yield f"FLAGS {writable(' '.join(track.flags))}"
    yield from map(_rem, track.rems)
    if track.pregap is not None:
        yield f"PREGAP {format_time(track.pregap)}"
    for index in track.indices:
        yield f"INDEX {index.number:02d} {format_time(index.frames)}"
    if track.postgap is not None:
        yield f"POSTGAP {format_time(track.postgap)}"


def _texts(*commands: tuple[str, str | None]) -> Iterator[str]:
    for command, text in commands:
        if shown := writable(text):
            yield f'{command} "{shown}"'


def _rem(rem: Rem) -> str:
    key, value = writable(rem.key), writable(rem.value)
    return f"REM {key} {value}" if _PLAIN.fullmatch(value) else f'REM {key} "{value}"'
