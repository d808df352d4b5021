"""Whether a sheet says what a player can follow, and whether it fits its audio and its profile.

A sheet without errors is read from its text as it was written: `parse(write(sheet)).sheet == sheet`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from stages.cue import recorder
from stages.cue.draft import Lines
from stages.cue.findings import Finding, Report, Severity, report_of
from stages.cue.parse import LARGEST, LONGEST_LINE, MOST_LINES, Parsed
from stages.cue.profiles import Profile, fit
from stages.cue.sheet import CATALOG, FILE_TYPES, FLAGS, ISRC, REMARK, TRACK_TYPES, File, Rem, Sheet, Track, file_type
from stages.cue.timecode import LATEST, format_time, to_seconds
from stages.cue.write import writable, write
from stages.formats import is_audio

_FLAG = re.compile(r"[A-Z0-9]{1,20}")
_AUDIO_TYPES = ("WAVE", "MP3", "AIFF")
_MOST_TRACKS = 99
_FRAMES_OF_99_MINUTES = 100 * 60 * 75
_TEXTS = {"title": "title", "performer": "performer", "songwriter": "songwriter", "cdtextfile": "CD-Text file's name"}


def validate(sheet: Sheet | Parsed, *, audio_seconds: float | None = None, profile: Profile | None = None) -> Report:
    """All findings about a sheet; those of its reading too, where it was read.

    Args:
        audio_seconds: how long the audio is; checked where the sheet has one file.
        profile: what the sheet is for. Without one, the limits are those of a compact disc.
    """
    if isinstance(sheet, Parsed):
        return report_of(sheet.findings, _Check(sheet.sheet, sheet.lines).findings(audio_seconds, profile))
    return report_of(_Check(sheet, Lines()).findings(audio_seconds, profile))


class _Check:
    def __init__(self, sheet: Sheet, lines: Lines) -> None:
        self._sheet = sheet
        self._tracks = list(sheet.tracks())
        self._sheet_lines = lines.sheet
        self._file_lines = {id(file): line for file, line in zip(sheet.files, lines.files, strict=False)}
        self._track_lines = {id(track): places for track, places in zip(self._tracks, lines.tracks, strict=False)}

    def findings(self, audio_seconds: float | None, profile: Profile | None) -> list[Finding]:
        return [
            *self._of_sheet(profile.most_tracks if profile else _MOST_TRACKS),
            *(finding for file in self._sheet.files for finding in self._of_file(file)),
            *(finding for track in self._tracks for finding in self._of_track(track)),
            *self._against_audio(audio_seconds),
            *self._against_profile(profile),
            *self._against_readers(),
        ]

    def _finding(
        self, code: str, message: str, track: Track | None = None, severity: Severity = "error", at: str = "track"
    ) -> Finding:
        """Args: at: the command it is about, as `Lines` calls it."""
        if track is None:
            return Finding(code, message, severity, None, self._sheet_lines.get(at))
        places = self._track_lines.get(id(track), {})
        return Finding(code, message, severity, track.number, places.get(at) or places.get("track"))

    def _of_sheet(self, most_tracks: int) -> Iterator[Finding]:
        if not self._tracks:
            yield self._finding("NO_TRACKS", "The sheet has no tracks")
        if len(self._tracks) > most_tracks:
            yield self._finding("TOO_MANY_TRACKS", f"The sheet has {len(self._tracks)} tracks; {most_tracks} are held")
        for before, after in pairwise(self._tracks):
            if after.number != before.number + 1:
                message = f"Track {before.number} is followed by {after.number}; numbers are consecutive"
                yield self._finding("NUMBERS_NOT_CONSECUTIVE", message, after)
        if self._tracks and not 1 <= self._tracks[0].number <= most_tracks:
            yield self._finding("BAD_NUMBER", f"Tracks are numbered from 1 to {most_tracks}", self._tracks[0])
        if self._sheet.catalog is not None and not CATALOG.fullmatch(self._sheet.catalog):
            yield self._finding("BAD_CATALOG", "A catalogue number has 13 digits", at="catalog")
        yield from self._texts(self._sheet, None)

    def _of_file(self, file: File) -> Iterator[Finding]:
        line = self._file_lines.get(id(file)) or None
        first = file.tracks[0] if file.tracks else None
        number = None if first is None else first.number
        if not file.name:
            yield self._finding("FILE_MISSING", "No FILE is named before the track", first)
        elif file.name != writable(file.name):
            yield Finding("BAD_TEXT", "The file's name holds quotes or control characters", track=number, line=line)
        if file.name and file.type not in FILE_TYPES:
            message = f"{file.type[:20]!r} is not a type of file; there are {', '.join(FILE_TYPES)}"
            yield Finding("UNKNOWN_FILE_TYPE", message, track=number, line=line)
        elif file.type in _AUDIO_TYPES and is_audio(file.name) and file.type != file_type(file.name):
            message = f"The file is of the type {file.type}; for its extension that is {file_type(file.name)}"
            yield Finding("FILE_TYPE_DIFFERS", message, "warning", number, line)
        if first is None:
            yield Finding("FILE_WITHOUT_TRACKS", "A file has no tracks", "warning", line=line)
        elif first.indices and first.indices[0].frames > 0:
            message = "The first track of the file does not begin at 00:00:00; INDEX 00 would cover what is before"
            yield self._finding("FIRST_TRACK_NOT_AT_START", message, first, "warning", "index 0")
        for before, after in pairwise(file.tracks):
            yield from self._order(before, after)

    def _order(self, before: Track, after: Track) -> Iterator[Finding]:
        if before.start is not None and after.start is not None and after.start <= before.start:
            message = (
                f"Starts at {format_time(after.start)}, not after track {before.number} ({format_time(before.start)})"
            )
            yield self._finding("STARTS_NOT_INCREASING", message, after, at="index 0")
        elif before.indices and after.indices and after.indices[0].frames < before.indices[-1].frames:
            message = f"Begins at {format_time(after.indices[0].frames)}, within track {before.number}"
            yield self._finding("TRACKS_OVERLAP", message, after, at="index 0")

    def _of_track(self, track: Track) -> Iterator[Finding]:
        if track.start is None:
            yield self._finding("INDEX_01_MISSING", "INDEX 01, where the track starts, is missing", track)
        yield from self._indices(track)
        if track.type not in TRACK_TYPES:
            yield self._finding("UNKNOWN_TRACK_TYPE", f"{track.type[:20]!r} is not a type of track", track)
        if track.isrc is not None and not ISRC.fullmatch(track.isrc):
            message = "An ISRC has 12 characters: country, owner, year, number"
            yield self._finding("BAD_ISRC", message, track, at="isrc")
        for flag in track.flags:
            if flag not in FLAGS:
                severity: Severity = "warning" if _FLAG.fullmatch(flag) else "error"
                yield self._finding("UNKNOWN_FLAG", f"{flag[:20]!r} is not a flag", track, severity, "flags")
        if track.pregap is not None and track.indices and track.indices[0].number == 0:
            yield self._finding("TWO_PREGAPS", "Has a PREGAP and an INDEX 00 too", track, "warning", "pregap")
        for name in ("pregap", "postgap"):
            if not 0 <= (getattr(track, name) or 0) <= LATEST:
                yield self._finding("BAD_TIME", f"The {name} is not a time that can be written", track, at=name)
        yield from self._texts(track, track)

    def _indices(self, track: Track) -> Iterator[Finding]:
        for place, index in enumerate(track.indices):
            at = f"index {place}"
            if not 0 <= index.number <= 99:
                yield self._finding("BAD_NUMBER", f"{index.number} is no index; they go from 00 to 99", track, at=at)
            if not 0 <= index.frames <= LATEST:
                yield self._finding("BAD_TIME", "An index is not a time that can be written", track, at=at)
        for place, (before, after) in enumerate(pairwise(track.indices), 1):
            at = f"index {place}"
            if after.number <= before.number:
                message = f"INDEX {after.number:02d} comes after {before.number:02d}"
                yield self._finding("INDICES_NOT_IN_ORDER", message, track, at=at)
            elif after.frames < before.frames or (after.frames == before.frames and before.number > 0):
                message = f"INDEX {after.number:02d} is not later than INDEX {before.number:02d}"
                yield self._finding("INDICES_NOT_INCREASING", message, track, at=at)
        if track.indices and track.indices[-1].frames >= _FRAMES_OF_99_MINUTES:
            message = "Lies beyond 99 minutes; some players read two digits of minutes only"
            yield self._finding("MINUTES_OVER_99", message, track, "warning", f"index {len(track.indices) - 1}")

    def _texts(self, part: Sheet | Track, track: Track | None) -> Iterator[Finding]:
        for name, called in _TEXTS.items():
            text = getattr(part, name, None)
            if text is not None and (not text or text != writable(text)):
                message = (
                    f"The {called} holds double quotes or control characters" if text else f"The {called} is empty"
                )
                yield self._finding("BAD_TEXT", message, track, at=name)
        for rem in part.rems:
            if (wrong := _wrong_with(rem)) is not None:
                yield self._finding("BAD_REM", f"REM {rem.key[:20]!r} {wrong}", track, at=f"rem {rem.key.lower()}")

    def _against_audio(self, audio_seconds: float | None) -> Iterator[Finding]:
        if audio_seconds is None or len(self._sheet.files) != 1:
            return
        for track in self._tracks:
            late = next((n for n, index in enumerate(track.indices) if to_seconds(index.frames) >= audio_seconds), None)
            if late is not None:
                index = track.indices[late]
                message = (
                    f"INDEX {index.number:02d} {format_time(index.frames)} is not before the end of the audio, "
                    f"which lasts {audio_seconds:.3f} s"
                )
                yield self._finding("AFTER_END", message, track, at=f"index {late}")

    def _against_profile(self, profile: Profile | None) -> Iterator[Finding]:
        if profile is None:
            return
        by_number = {track.number: track for track in self._tracks}
        for loss in fit(self._sheet, profile)[1]:
            code = "TEXT_TOO_LONG" if loss.reason.startswith("cut") else "NOT_IN_PROFILE"
            if loss.field == "track":
                continue  # told once, for the sheet
            track = None if loss.track is None else by_number.get(loss.track)
            yield self._finding(code, f"{loss.field}: {loss.reason}", track, "warning", loss.field.lower())

    def _against_readers(self) -> Iterator[Finding]:
        """Whether the sheet's text can be read again: `parse` takes neither more lines nor longer ones."""
        text = write(self._sheet)
        lines = text.decode().split("\r\n")
        if len(text) > LARGEST or len(lines) > MOST_LINES:
            message = f"The sheet has {len(text)} bytes in {len(lines)} lines; {LARGEST} and {MOST_LINES} are read"
            yield self._finding("SHEET_TOO_LARGE", message)
        for longest in sorted(lines, key=len)[-1:]:
            if len(longest) > LONGEST_LINE:
                message = f"{longest.split()[0]} has {len(longest)} characters; {LONGEST_LINE} are read of a line"
                yield self._finding("LINE_TOO_LONG", message)


def _wrong_with(rem: Rem) -> str | None:
    if not REMARK.fullmatch(rem.key):
        return "is not the name of a remark: capitals, digits, underscores, dots and hyphens"
    if rem.value != writable(rem.value):
        return "holds double quotes or control characters"
    if recorder.is_signature(rem):
        return "says that the times are hours, minutes and seconds; they are frames"
    return None
