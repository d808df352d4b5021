"""Whether a sheet says what a player can follow, and whether it fits its audio and its profile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from stages.cue.findings import Finding, Report, Severity, report_of
from stages.cue.parse import Parsed
from stages.cue.profiles import Profile, fit
from stages.cue.sheet import File, Sheet, Track
from stages.cue.timecode import format_time, to_frames
from stages.cue.write import writable

FILE_TYPES = ("WAVE", "MP3", "AIFF", "BINARY", "MOTOROLA")
TRACK_TYPES = (
    *("AUDIO", "CDG", "MODE1/2048", "MODE1/2352", "MODE2/2048", "MODE2/2324", "MODE2/2336", "MODE2/2352"),
    *("CDI/2336", "CDI/2352"),
)
FLAGS = ("DCP", "4CH", "PRE", "SCMS")

_ISRC = re.compile(r"[A-Z]{2}-?[A-Z0-9]{3}-?\d{2}-?\d{5}")
_CATALOG = re.compile(r"\d{13}")
_MOST_TRACKS = 99
_FRAMES_OF_99_MINUTES = 100 * 60 * 75


def validate(sheet: Sheet | Parsed, *, audio_seconds: float | None = None, profile: Profile | None = None) -> Report:
    """All findings about a sheet; those of its reading too, where it was read.

    Args:
        audio_seconds: how long the audio is; checked where the sheet has one file.
        profile: what the sheet is for. Without one, the limits are those of a compact disc.
    """
    if isinstance(sheet, Parsed):
        check = _Check(sheet.sheet, sheet.track_lines)
        return report_of(sheet.findings, check.findings(audio_seconds, profile))
    return report_of(_Check(sheet, ()).findings(audio_seconds, profile))


class _Check:
    def __init__(self, sheet: Sheet, lines: Sequence[int]) -> None:
        self._sheet = sheet
        self._tracks = list(sheet.tracks())
        self._lines = {id(track): line for track, line in zip(self._tracks, lines, strict=False)}

    def findings(self, audio_seconds: float | None, profile: Profile | None) -> list[Finding]:
        return [
            *self._of_sheet(profile.most_tracks if profile else _MOST_TRACKS),
            *(finding for file in self._sheet.files for finding in self._of_file(file)),
            *(finding for track in self._tracks for finding in self._of_track(track)),
            *self._against_audio(audio_seconds),
            *self._against_profile(profile),
        ]

    def _finding(self, code: str, message: str, track: Track | None = None, severity: Severity = "error") -> Finding:
        number, line = (None, None) if track is None else (track.number, self._lines.get(id(track)))
        return Finding(code, message, severity, number, line)

    def _of_sheet(self, most_tracks: int) -> Iterator[Finding]:
        if not self._tracks:
            yield self._finding("NO_TRACKS", "The sheet has no tracks")
        if len(self._tracks) > most_tracks:
            yield self._finding("TOO_MANY_TRACKS", f"The sheet has {len(self._tracks)} tracks; {most_tracks} are held")
        for before, after in pairwise(self._tracks):
            if after.number != before.number + 1:
                message = f"Track {before.number} is followed by {after.number}; numbers are consecutive"
                yield self._finding("NUMBERS_NOT_CONSECUTIVE", message, after)
        if self._tracks and self._tracks[0].number < 1:
            yield self._finding("BAD_NUMBER", "Tracks are numbered from 1", self._tracks[0])
        if self._sheet.catalog is not None and not _CATALOG.fullmatch(self._sheet.catalog):
            yield self._finding("BAD_CATALOG", "A catalogue number has 13 digits")
        for name in ("title", "performer", "songwriter"):
            yield from self._text(name, getattr(self._sheet, name), None)

    def _of_file(self, file: File) -> Iterator[Finding]:
        first = file.tracks[0] if file.tracks else None
        if not file.name:
            yield self._finding("FILE_MISSING", "No FILE is named before the track", first)
        elif file.name != writable(file.name):
            yield self._finding("BAD_TEXT", "The file's name holds quotes or control characters", first)
        if file.name and file.type not in FILE_TYPES:
            message = f"{file.type[:20]!r} is not a type of file; there are {', '.join(FILE_TYPES)}"
            yield self._finding("UNKNOWN_FILE_TYPE", message, first)
        if not file.tracks:
            yield self._finding("FILE_WITHOUT_TRACKS", "A file has no tracks", severity="warning")
        elif file.tracks[0].indices and file.tracks[0].indices[0].frames != 0:
            message = (
                "The first track of the file does not begin at 00:00:00; INDEX 00 00:00:00 would cover what is before"
            )
            yield self._finding("FIRST_TRACK_NOT_AT_START", message, file.tracks[0], "warning")
        for before, after in pairwise(file.tracks):
            yield from self._order(before, after)

    def _order(self, before: Track, after: Track) -> Iterator[Finding]:
        if before.start is not None and after.start is not None and after.start <= before.start:
            message = (
                f"Starts at {format_time(after.start)}, not after track {before.number} ({format_time(before.start)})"
            )
            yield self._finding("STARTS_NOT_INCREASING", message, after)
        elif before.indices and after.indices and after.indices[0].frames < before.indices[-1].frames:
            message = f"Begins at {format_time(after.indices[0].frames)}, within track {before.number}"
            yield self._finding("TRACKS_OVERLAP", message, after)

    def _of_track(self, track: Track) -> Iterator[Finding]:
        if track.start is None:
            yield self._finding("INDEX_01_MISSING", "INDEX 01, where the track starts, is missing", track)
        for before, after in pairwise(track.indices):
            if after.number <= before.number:
                yield self._finding(
                    "INDICES_NOT_IN_ORDER", f"INDEX {after.number:02d} comes after {before.number:02d}", track
                )
            elif after.frames < before.frames or (after.frames == before.frames and before.number > 0):
                message = f"INDEX {after.number:02d} is not later than INDEX {before.number:02d}"
                yield self._finding("INDICES_NOT_INCREASING", message, track)
        if track.indices and track.indices[-1].frames >= _FRAMES_OF_99_MINUTES:
            message = "Lies beyond 99 minutes; some players read two digits of minutes only"
            yield self._finding("MINUTES_OVER_99", message, track, "warning")
        if track.type not in TRACK_TYPES:
            yield self._finding("UNKNOWN_TRACK_TYPE", f"{track.type[:20]!r} is not a type of track", track)
        if track.isrc is not None and not _ISRC.fullmatch(track.isrc):
            yield self._finding("BAD_ISRC", "An ISRC has 12 characters: country, owner, year, number", track)
        for flag in track.flags:
            if flag not in FLAGS:
                yield self._finding("UNKNOWN_FLAG", f"{flag[:20]!r} is not a flag", track, "warning")
        if track.pregap is not None and track.indices and track.indices[0].number == 0:
            yield self._finding("TWO_PREGAPS", "Has a PREGAP and an INDEX 00 too", track, "warning")
        for name in ("title", "performer", "songwriter"):
            yield from self._text(name, getattr(track, name), track)

    def _text(self, name: str, text: str | None, track: Track | None) -> Iterator[Finding]:
        if text is not None and text != writable(text):
            yield self._finding("BAD_TEXT", f"The {name} holds double quotes or control characters", track)

    def _against_audio(self, audio_seconds: float | None) -> Iterator[Finding]:
        if audio_seconds is None or len(self._sheet.files) != 1:
            return
        end = to_frames(audio_seconds)
        for track in self._tracks:
            late = [index for index in track.indices if index.frames >= end]
            if late:
                at = f"INDEX {late[0].number:02d} {format_time(late[0].frames)}"
                yield self._finding("AFTER_END", f"{at} is not before the audio's end, {format_time(end)}", track)

    def _against_profile(self, profile: Profile | None) -> Iterator[Finding]:
        if profile is None:
            return
        by_number = {track.number: track for track in self._tracks}
        for loss in fit(self._sheet, profile)[1]:
            code = "TEXT_TOO_LONG" if loss.reason.startswith("cut") else "NOT_IN_PROFILE"
            if loss.field == "track":
                continue  # told once, for the sheet
            message = f"{loss.field}: {loss.reason}"
            yield self._finding(code, message, by_number.get(loss.track or 0), "warning")
