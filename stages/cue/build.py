"""From a tracklist to a sheet: what is known of it and nothing else. A track without a title stays without one."""

from __future__ import annotations

from collections.abc import Iterator

from stages.cue.profiles import Profile
from stages.cue.sheet import File, Index, Rem, Sheet, Track
from stages.cue.timecode import to_frames
from stages.tracklists import Tracklist, TracklistEntry

_TYPES = {"mp3": "MP3", "aif": "AIFF", "aiff": "AIFF"}
_TRACK_REMS = (
    ("BPM", "bpm"),
    ("KEY", "key"),
    ("GENRE", "genre"),
    ("LABEL", "label"),
    ("YEAR", "year"),
    ("COMMENT", "comment"),
)


def file_type(extension: str) -> str:
    """What CUE calls a file with this extension: MP3, AIFF, and WAVE for all that is decoded to it (flac, ogg, m4a)."""
    return _TYPES.get(extension.lower().lstrip("."), "WAVE")


def sheet_of(tracklist: Tracklist, audio_name: str, profile: Profile) -> Sheet:
    """A sheet of one file with all that is known of the tracklist; `fit` cuts it to what the profile holds.

    Args:
        audio_name: the audio file's name, as the sheet is to name it.
    """
    entries = sorted(tracklist.entries, key=lambda entry: (entry.start_seconds, entry.number))
    tracks = tuple(_track(number, entry) for number, entry in enumerate(entries, 1))
    return Sheet(
        files=(File(audio_name, file_type(audio_name.rpartition(".")[2]), tracks),),
        title=tracklist.title,
        performer=tracklist.performer,
        catalog=tracklist.catalog,
        rems=tuple(_rems(tracklist, profile)),
    )


def _track(number: int, entry: TracklistEntry) -> Track:
    start = to_frames(entry.start_seconds)
    begins_late = number == 1 and start > 0
    values = ((key, getattr(entry, field)) for key, field in _TRACK_REMS)
    return Track(
        number=number,
        indices=(Index(0, 0), Index(1, start)) if begins_late else (Index(1, start),),
        title=entry.title,
        performer=entry.performer,
        isrc=entry.isrc,
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
