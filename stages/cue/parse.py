"""From text to a sheet. Reads what programs really write, and says with its line what was not as it should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import ErrorCode, Permanent
from stages.cue import recorder
from stages.cue.draft import Draft, DraftFile, DraftTrack, Lines, Part
from stages.cue.encoding import decoded
from stages.cue.findings import Finding
from stages.cue.sheet import FILE_TYPES, ISRC, REMARK, Index, Rem, Sheet
from stages.cue.timecode import parse_time

LARGEST = 4 * 1024 * 1024
"""Bytes. A sheet of 999 tracks with long titles is a twentieth of it."""

MOST_LINES = 50_000
LONGEST_LINE = 4096

_LINE_END = re.compile(r"\r\n|\n|\r")
_NOT_IN_LINES = " \t\v\f\0\x1a\N{ZERO WIDTH NO-BREAK SPACE}"
_COMMAND = re.compile(r'([A-Za-z]+)(?=[ "]|$)')
_NUMBER = re.compile(r"([0-9]{1,6})(?: +(.*))?")


@dataclass(frozen=True, slots=True)
class Parsed:
    """Attributes:
    findings: what was not as it should be, in the order of the lines.
    """

    sheet: Sheet
    findings: tuple[Finding, ...]
    lines: Lines = field(default_factory=Lines)

    @property
    def track_lines(self) -> tuple[int, ...]:
        """The line of each TRACK command, in the order of the tracks."""
        return tuple(each["track"] for each in self.lines.tracks)


def parse(content: bytes | str) -> Parsed:
    """Read a sheet, in any of the encodings of `stages.cue.encoding`.

    Raises: Permanent, INVALID_CUE, for what is too large to be a sheet.
    """
    if len(content) > LARGEST:
        raise Permanent(f"A CUE sheet of {len(content)} bytes is too large to be one", ErrorCode.INVALID_CUE)
    text, encoding = decoded(content)
    lines = _LINE_END.split(text, MOST_LINES)
    if len(lines) > MOST_LINES:
        raise Permanent(f"A CUE sheet of more than {MOST_LINES} lines is too long to be one", ErrorCode.INVALID_CUE)
    draft = Draft()
    if encoding is not None:
        draft.find("NOT_UTF8", f"The sheet is not UTF-8; it was read as {encoding}", "warning")
    for number, line in enumerate(lines, 1):
        draft.line = number
        _read(draft, line.strip(_NOT_IN_LINES))
    recorder.set_right(draft)
    return Parsed(draft.frozen(), draft.findings(), draft.where())


def _read(draft: Draft, line: str) -> None:
    if not line:
        return
    if len(line) > LONGEST_LINE:
        draft.find("LINE_TOO_LONG", f"The line has {len(line)} characters; it is left out")
        return
    line = line.replace("\t", " ")
    command = _COMMAND.match(line)
    handle = _COMMANDS.get(command[0].upper()) if command else None
    if command is None or handle is None:
        name = line.partition(" ")[0]
        draft.find("UNKNOWN_COMMAND", f"{name[:20]!r} is not a command of CUE sheets; it is left out", "warning")
    else:
        handle(draft, command[0].upper(), line[command.end() :].strip())


def _text(draft: Draft, command: str, rest: str) -> None:
    _put(draft, draft.track or draft, command, _unquoted(draft, rest))


def _of_sheet(draft: Draft, command: str, rest: str) -> None:
    if draft.track is not None:
        draft.find("OUT_OF_PLACE", f"{command} is about the whole sheet; it belongs before the first track", "warning")
    _put(draft, draft, command, _unquoted(draft, rest))


def _isrc(draft: Draft, command: str, rest: str) -> None:
    track = _in_track(draft, command)
    if track is not None:
        code = _unquoted(draft, rest)
        plain = code.replace("-", "").upper()
        _put(draft, track, command, plain if ISRC.fullmatch(plain) else code)


def _put(draft: Draft, part: Part, command: str, text: str) -> None:
    if text and _is_first(draft, part, command):
        part.texts[command.lower()] = text


def _is_first(draft: Draft, part: Part, command: str) -> bool:
    """Whether the part has no such command yet; notes its line, or that there are two."""
    if draft.line is not None and part.lines.setdefault(command.lower(), draft.line) == draft.line:
        return True
    draft.find("REPEATED_COMMAND", f"{command} stands here a second time; it is left out", "warning")
    return False


def _rem(draft: Draft, command: str, rest: str) -> None:
    name, _, value = rest.partition(" ")
    part = draft.track or draft
    if REMARK.fullmatch(name.upper()):
        rem = Rem(name.upper(), _unquoted(draft, value.strip()))
    elif text := _unquoted(draft, rest):
        rem = Rem("COMMENT", text)
    else:
        return
    part.rems.append(rem)
    part.lines.setdefault(f"rem {rem.key.lower()}", draft.line or 0)


def _file(draft: Draft, command: str, rest: str) -> None:
    name, kind = _file_name(draft, rest)
    track = draft.track
    if track is None or track.has_started() or not _may_move(draft.files[-1]):
        draft.files.append(DraftFile(name, kind, draft.line or 0))
        draft.track = None
    elif not track.indices and _is_recording(draft):
        draft.find("FILE_IN_TRACK", "FILE within the track says what was played, not what was recorded", "warning")
        draft.files[-1].names_what_was_played = True
    else:
        _move(draft, track, name, kind)


def _is_recording(draft: Draft) -> bool:
    """Whether the FILE before the track is the recording of a mix, so that a FILE within it is what was played."""
    file = draft.files[-1]
    is_before_all_tracks = len(draft.files) == 1 and len(file.tracks) == 1
    return bool(file.name) and (file.names_what_was_played or is_before_all_tracks or recorder.wrote(draft))


def _may_move(file: DraftFile) -> bool:
    """Whether the last track of the file waits for its own, rather than being one of several that have no INDEX."""
    return not file.name or len(file.tracks) == 1 or file.tracks[-2].has_started()


def _move(draft: Draft, track: DraftTrack, name: str, kind: str) -> None:
    """Into its file goes a track that began before that was named.

    Some programs write that for each track, and rippers where the gap before a track is at the end of the file before.
    """
    before = draft.files[-1]
    if before.name and track.indices:
        draft.find("GAP_IN_OTHER_FILE", "The gap before the track is in another file; it is left out", "warning")
        track.indices.clear()
    else:
        draft.find("FILE_IN_TRACK", "FILE stands within the track; it belongs before it", "warning")
    if not before.name:
        before.name, before.type, before.line = name, kind, draft.line or 0
    elif (before.name, before.type) != (name, kind):
        draft.files.append(DraftFile(name, kind, draft.line or 0))
        draft.files[-1].tracks.append(before.tracks.pop())


def _track(draft: Draft, command: str, rest: str) -> None:
    draft.track = None
    number = _NUMBER.fullmatch(rest)
    if not draft.files:
        # Its file may still be named within it; the validator says so where it is not.
        draft.files.append(DraftFile("", "WAVE", 0))
    if number is None:
        draft.find("BAD_NUMBER", f"{rest.partition(' ')[0][:20]!r} is not a track's number")
        kind = rest.partition(" ")[2]
    else:
        kind = number[2] or ""
        if not kind:
            draft.find("TRACK_TYPE_MISSING", "TRACK does not say of which type it is; taken for AUDIO", "warning")
    draft.track = DraftTrack(
        number=draft.last_number + 1 if number is None else int(number[1]),
        type=kind.strip().upper() or "AUDIO",
        lines={"track": draft.line or 0},
    )
    draft.last_number = draft.track.number
    draft.files[-1].tracks.append(draft.track)


def _flags(draft: Draft, command: str, rest: str) -> None:
    track = _in_track(draft, command)
    if track is not None and rest and _is_first(draft, track, command):
        track.flags = tuple(rest.upper().split())


def _gap(draft: Draft, command: str, rest: str) -> None:
    track = _in_track(draft, command)
    if track is not None and (frames := _time(draft, rest)) is not None and _is_first(draft, track, command):
        track.gaps[command.lower()] = frames


def _index(draft: Draft, command: str, rest: str) -> None:
    track = _in_track(draft, command)
    if track is None:
        return
    number = _NUMBER.fullmatch(rest)
    if number is None or int(number[1]) > 99:
        draft.find("BAD_NUMBER", f"{rest.partition(' ')[0][:20]!r} is not an index; they go from 00 to 99")
    elif (frames := _time(draft, number[2] or "")) is not None:
        track.lines[f"index {len(track.indices)}"] = draft.line or 0
        track.indices.append(Index(int(number[1]), frames))


def _in_track(draft: Draft, command: str) -> DraftTrack | None:
    if draft.track is None:
        draft.find("OUTSIDE_TRACK", f"{command} belongs to a track, and none has begun; it is left out")
    return draft.track


def _time(draft: Draft, text: str) -> int | None:
    try:
        return parse_time(text.strip())
    except ValueError as error:
        draft.find("BAD_TIME", str(error))
        return None


def _file_name(draft: Draft, rest: str) -> tuple[str, str]:
    if rest.startswith('"') and (end := rest.rfind('"')) > 0:
        name, kind = rest[1:end], rest[end + 1 :].strip()
    else:
        draft.find("MISSING_QUOTE", "The file's name is not between quotes", "warning")
        name, _, kind = rest.strip('"').rpartition(" ")
        if not name or kind.upper() not in FILE_TYPES:
            name, kind = rest.strip('"'), ""
    if not kind:
        draft.find("FILE_TYPE_MISSING", "FILE does not say of which type it is; taken for WAVE", "warning")
    return name.strip(), kind.upper() or "WAVE"


def _unquoted(draft: Draft, text: str) -> str:
    if not text.startswith('"'):
        return text.strip()
    end = text.rfind('"')
    if end == 0:
        draft.find("MISSING_QUOTE", "The closing quote is missing", "warning")
        return text[1:].strip()
    if text[end + 1 :].strip():
        draft.find("AFTER_QUOTE", "What stands after the closing quote is left out", "warning")
    return text[1:end].strip()


_COMMANDS: dict[str, Callable[[Draft, str, str], None]] = {
    "TITLE": _text,
    "PERFORMER": _text,
    "SONGWRITER": _text,
    "CATALOG": _of_sheet,
    "CDTEXTFILE": _of_sheet,
    "REM": _rem,
    "FILE": _file,
    "TRACK": _track,
    "ISRC": _isrc,
    "FLAGS": _flags,
    "PREGAP": _gap,
    "POSTGAP": _gap,
    "INDEX": _index,
}
