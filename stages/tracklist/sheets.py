"""What a CUE sheet says about one audio file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path

from pipeline.errors import Permanent
from stages.cue.parse import Parsed, parse
from stages.cue.sheet import CATALOG, ISRC, File, Rem, Track
from stages.cue.timecode import to_seconds
from stages.formats import is_audio
from stages.tracklist.found import Found, Located, listed, words
from stages.tracklists import TracklistEntry, TracklistSource

_MOST_WARNINGS = 10
_NUMBER = re.compile(r"\d{1,4}(?:[.,]\d{1,6})?")
_YEAR = re.compile(r"\d{4}")
_SEPARATORS = re.compile(r"[/\\]")


def names(sheet: Parsed, audio: Path) -> bool:
    """Whether one of its FILEs is this audio file, or was before it was encoded."""
    return _named(sheet, audio) is not None


def read_sheet(content: bytes | str) -> Parsed | None:
    """The sheet in a file or a tag; None for what is too large to be one."""
    try:
        return parse(content)
    except Permanent:
        return None


def found_in(parsed: Parsed, source: TracklistSource, located: Located) -> Found | None:
    """The tracks that a sheet has for an audio file; None where it has none, or is about several other files.

    Raises: as `stages.tracklist.found.listed`.
    """
    file = _named(parsed, Path(located.file_path)) or _only(parsed)
    if file is None:
        return None
    sheet = parsed.sheet
    about = {
        "title": words(sheet.title),
        "performer": words(sheet.performer),
        "genre": words(_remark(sheet.rems, "GENRE")),
        "date": words(_remark(sheet.rems, "DATE", "YEAR")),
        "catalog": sheet.catalog if sheet.catalog and CATALOG.fullmatch(sheet.catalog) else None,
    }
    return listed(source, _entries(file), located.path, _warnings(parsed), **about)


def _named(parsed: Parsed, audio: Path) -> File | None:
    """Its tracks of this file, joined where the sheet names the file again and again."""
    exact, by_stem = audio.name.casefold(), audio.stem.casefold()
    files = [(Path(_SEPARATORS.split(file.name)[-1]), file) for file in parsed.sheet.files]
    found = [file for name, file in files if name.name.casefold() == exact]
    found = found or [file for name, file in files if is_audio(name) and name.stem.casefold() == by_stem]
    return _joined(found)


def _only(parsed: Parsed) -> File | None:
    """The one file that the sheet is about, whatever it is called there."""
    files = parsed.sheet.files
    return _joined(files) if len({file.name for file in files}) == 1 else None


def _joined(files: Iterable[File]) -> File | None:
    files = list(files)
    return (
        File(files[0].name, files[0].type, tuple(track for file in files for track in file.tracks)) if files else None
    )


def _entries(file: File) -> list[TracklistEntry]:
    tracks = [(track, start) for track in file.tracks if track.type == "AUDIO" and (start := _start(track)) is not None]
    followers = [track for track, _ in tracks[1:]]
    return [_entry(track, start, follower) for (track, start), follower in zip_longest(tracks, followers)]


def _start(track: Track) -> int | None:
    """INDEX 01, or else the first there is."""
    return track.start if track.start is not None else min((index.frames for index in track.indices), default=None)


def _entry(track: Track, start: int, follower: Track | None) -> TracklistEntry:
    """The gap before the next track belongs to neither."""
    gap = next((index.frames for index in follower.indices if index.number == 0), None) if follower else None
    isrc = (track.isrc or "").replace("-", "").upper()
    remarks = {name: _remark(track.rems, *keys) for name, keys in _REMARKS.items()}
    return TracklistEntry(
        number=1,
        start_seconds=to_seconds(start),
        end_seconds=None if gap is None else to_seconds(gap),
        title=track.title,
        performer=words(track.performer),
        isrc=isrc if ISRC.fullmatch(isrc) else None,
        bpm=_number(remarks["bpm"]),
        year=int(year[0]) if (year := _YEAR.search(remarks["year"] or "")) else None,
        **{name: words(remarks[name]) for name in ("key", "genre", "label", "comment")},
    )


_REMARKS: Mapping[str, tuple[str, ...]] = {
    "bpm": ("BPM",),
    "key": ("KEY", "INITIALKEY"),
    "genre": ("GENRE",),
    "label": ("LABEL", "PUBLISHER"),
    "year": ("YEAR", "DATE"),
    "comment": ("COMMENT",),
}


def _remark(rems: Iterable[Rem], *keys: str) -> str | None:
    return next((rem.value for key in keys for rem in rems if rem.key == key and rem.value), None)


def _number(text: str | None) -> float | None:
    number = float(text.replace(",", ".")) if text and _NUMBER.fullmatch(text) else 0.0
    return number or None


def _warnings(parsed: Parsed) -> list[str]:
    """What was wrong with the sheet."""
    told = [finding for finding in parsed.findings if finding.severity == "error"]
    return [f"line {finding.line}: {finding.message}" for finding in told[:_MOST_WARNINGS]]
