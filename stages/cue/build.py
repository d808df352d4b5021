"""From a tracklist to a sheet: what is known of it and nothing else. A track without a title stays without one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stages.cue.findings import Finding
from stages.cue.profiles import Profile
from stages.cue.sheet import CATALOG, ISRC, File, Index, Rem, Sheet, Track, file_type
from stages.cue.timecode import to_frames
from stages.tracklists import Tracklist, TracklistEntry

_SEPARATORS = re.compile(r"[-\s]")
_TRACK_REMS = (
    ("BPM", "bpm"),
    ("KEY", "key"),
    ("GENRE", "genre"),
    ("LABEL", "label"),
    ("YEAR", "year"),
    ("COMMENT", "comment"),
)


def sheet_of(tracklist: Tracklist, audio_name: str, profile: Profile, *, with_gaps: bool = False) -> Sheet:
    """A sheet of one file with all that is known of the tracklist; `fit` cuts it to what the profile holds.

    Args:
        audio_name: the audio file's name, as the sheet is to name it.
        with_gaps: INDEX 00 where the track before is known to have ended.
    """
    entries = _in_order(tracklist)
    ends = [entry.end_seconds if with_gaps else None for entry in entries]
    tracks = tuple(_track(*each) for each in zip(range(1, len(entries) + 1), entries, [None, *ends], strict=False))
    return Sheet(
        files=(File(audio_name, file_type(audio_name), tracks),),
        title=tracklist.title,
        performer=tracklist.performer,
        catalog=_of_form(CATALOG, tracklist.catalog),
        rems=tuple(_rems(tracklist, profile)),
    )


def left_out(tracklist: Tracklist) -> Iterator[Finding]:
    """Warnings of what is known and cannot stand in a sheet, since it is not of the form that it has to have."""
    if tracklist.catalog and _of_form(CATALOG, tracklist.catalog) is None:
        yield Finding("BAD_CATALOG", "The catalogue number has not 13 digits; it is left out", "warning")
    for number, entry in enumerate(_in_order(tracklist), 1):
        if entry.isrc and _of_form(ISRC, entry.isrc) is None:
            yield Finding("BAD_ISRC", "The ISRC has not the form of one; it is left out", "warning", number)


def _in_order(tracklist: Tracklist) -> list[TracklistEntry]:
    return sorted(tracklist.entries, key=lambda entry: (entry.start_seconds, entry.number))


def _of_form(form: re.Pattern[str], text: str | None) -> str | None:
    """The text without separators and in capitals, if that is of the form."""
    plain = _SEPARATORS.sub("", text or "").upper()
    return plain if form.fullmatch(plain) else None


def _track(number: int, entry: TracklistEntry, gap_seconds: float | None) -> Track:
    """Args: gap_seconds: where the gap before it begins, if there may be one."""
    start = to_frames(entry.start_seconds)
    gap = 0 if number == 1 else start if gap_seconds is None else to_frames(gap_seconds)
    values = ((key, getattr(entry, field)) for key, field in _TRACK_REMS)
    return Track(
        number=number,
        indices=(Index(0, gap), Index(1, start)) if gap < start else (Index(1, start),),
        title=entry.title,
        performer=entry.performer,
        isrc=_of_form(ISRC, entry.isrc),
        rems=tuple(Rem(key, _shown(value)) for key, value in values if value is not None),
    )


def _rems(tracklist: Tracklist, profile: Profile) -> Iterator[Rem]:
    if tracklist.genre:
        yield Rem("GENRE", tracklist.genre)
    if tracklist.date:
        yield Rem("DATE", tracklist.date)
    if "ALBUMARTIST" in profile.derived_rems and tracklist.performer:
        yield Rem("ALBUMARTIST", tracklist.performer)
    performers = {entry.performer for entry in tracklist.entries if entry.performer}
    if "COMPILATION" in profile.derived_rems and len(performers) > 1:
        yield Rem("COMPILATION", "TRUE")


def _shown(value: str | float) -> str:
    """A number without needless decimals: 128, 127.99."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
