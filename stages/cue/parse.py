"""From text to a sheet. Reads what programs really write, and says with its line what was not as it should be."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.errors import ErrorCode, Permanent
from stages.cue.findings import Finding, Severity
from stages.cue.sheet import File, Index, Rem, Sheet, Track
from stages.cue.timecode import parse_time

LARGEST = 4 * 1024 * 1024
"""Bytes. A sheet of 999 tracks with long titles is a twentieth of it."""

_MOST_LINES = 50_000
_MOST_FINDINGS = 500
_LONGEST_LINE = 4096
_LINE_END = re.compile(r"\r\n|\n|\r")
_TEXTS = {"TITLE": "title", "PERFORMER": "performer", "SONGWRITER": "songwriter"}
_GAPS = {"PREGAP": "pregap", "POSTGAP": "postgap"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """Attributes:
    findings: what was not as it should be, in the order of the lines.
    track_lines: line of each TRACK command, in the order of the tracks.
    """

    sheet: Sheet
    findings: tuple[Finding, ...]
    track_lines: tuple[int, ...] = ()


def parse(content: bytes | str) -> Parsed:
    """Read a sheet: UTF-8 with or without a byte order mark, UTF-16 with one, else Windows-1252.

    Raises: Permanent, INVALID_CUE, for what is too large to be a sheet.
    """
    if len(content) > LARGEST:
        raise Permanent(f"A CUE sheet of {len(content)} bytes is too large to be one", ErrorCode.INVALID_CUE)
    reader = _Reader()
    text = content if isinstance(content, str) else _decoded(content, reader)
    lines = _LINE_END.split(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    if len(lines) > _MOST_LINES:
        raise Permanent(f"A CUE sheet of {len(lines)} lines is too long to be one", ErrorCode.INVALID_CUE)
    for number, line in enumerate(lines, 1):
        reader.read(number, line.strip(" \t\0\x1a"))
    return reader.parsed()


def _decoded(content: bytes, reader: _Reader) -> str:
    if content.startswith(codecs.BOM_UTF8):
        return content[len(codecs.BOM_UTF8) :].decode("utf-8", "replace")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        reader.find("NOT_UTF8", "The sheet is UTF-16; few players read that", "warning")
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        reader.find("NOT_UTF8", "The sheet is not UTF-8; it was read as Windows-1252", "warning")
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


@dataclass(slots=True)
class _File:
    name: str
    type: str
    tracks: list[Track] = field(default_factory=list)


class _Reader:
    """The sheet so far. The last track of the last file is the one that commands are about."""

    def __init__(self) -> None:
        self._sheet = Sheet()
        self._files: list[_File] = []
        self._findings: list[Finding] = []
        self._lines: dict[int, int] = {}
        self._track: Track | None = None
        self._line: int | None = None
        self._order = 0

    def parsed(self) -> Parsed:
        files = tuple(File(file.name, file.type, tuple(file.tracks)) for file in self._files)
        sheet = replace(self._sheet, files=files)
        return Parsed(sheet, tuple(self._findings), tuple(self._lines[number] for number in sorted(self._lines)))

    def find(self, code: str, message: str, severity: Severity = "error") -> None:
        if len(self._findings) < _MOST_FINDINGS:
            track = None if self._track is None else self._track.number
            self._findings.append(Finding(code, message, severity, track, self._line))

    def read(self, number: int, line: str) -> None:
        self._line = number
        if not line:
            return
        if len(line) > _LONGEST_LINE:
            self.find("LINE_TOO_LONG", f"The line has {len(line)} characters; it is left out")
            return
        command, _, rest = line.partition(" ") if "\t" not in line else line.replace("\t", " ").partition(" ")
        handle = _COMMANDS.get(command.upper())
        if handle is None:
            self.find("UNKNOWN_COMMAND", f"{command[:20]!r} is not a command of CUE sheets; it is left out", "warning")
        else:
            handle(self, command.upper(), rest.strip())

    def text(self, command: str, rest: str) -> None:
        value = self._unquoted(rest)
        if not value:
            return
        changes: dict[str, Any] = {_TEXTS[command]: value}
        if self._track is not None:
            self._change(changes)
        elif getattr(self._sheet, _TEXTS[command]) is None:
            self._sheet = replace(self._sheet, **changes)

    def catalog(self, command: str, rest: str) -> None:
        self._sheet = replace(self._sheet, catalog=self._unquoted(rest) or None)

    def cdtextfile(self, command: str, rest: str) -> None:
        self._sheet = replace(self._sheet, cdtextfile=self._unquoted(rest) or None)

    def rem(self, command: str, rest: str) -> None:
        key, _, value = rest.partition(" ")
        if not key:
            return
        rem = Rem(key.upper(), self._unquoted(value.strip()))
        if self._track is None:
            self._sheet = replace(self._sheet, rems=(*self._sheet.rems, rem))
        else:
            self._change({"rems": (*self._track.rems, rem)})

    def file(self, command: str, rest: str) -> None:
        name, kind = self._file_name(rest)
        track = self._track
        if track is not None and track.start is None:
            # The track began before its file was named: rekordbox's recorder writes that for each track, and rippers
            # where the gap before a track is at the end of the file before.
            self._files[-1].tracks.pop()
            if not self._files[-1].tracks and not self._files[-1].name:
                self._files.pop()
            if track.indices:
                self.find("GAP_IN_OTHER_FILE", "The gap before the track is in another file; it is left out", "warning")
                track = self._track = replace(track, indices=())
            else:
                self.find("FILE_IN_TRACK", "FILE stands within the track; it belongs before it", "warning")
            if not self._files or (self._files[-1].name, self._files[-1].type) != (name, kind):
                self._files.append(_File(name, kind))
            self._files[-1].tracks.append(track)
            return
        self._files.append(_File(name, kind))
        self._track = None

    def track(self, command: str, rest: str) -> None:
        number, _, kind = rest.partition(" ")
        self._track = None
        if not number.isascii() or not number.isdigit() or len(number) > 6:
            self.find("BAD_NUMBER", f"{number[:20]!r} is not a track's number")
            return
        if not self._files:
            # Its file may still be named within it; the validator says so where it is not.
            self._files.append(_File("", ""))
        self._order += 1
        self._track = Track(int(number), (), kind.strip().upper() or "AUDIO")
        self._lines[self._order] = self._line or 0
        self._files[-1].tracks.append(self._track)

    def isrc(self, command: str, rest: str) -> None:
        if self._in_track(command):
            self._change({"isrc": self._unquoted(rest) or None})

    def flags(self, command: str, rest: str) -> None:
        if self._in_track(command):
            self._change({"flags": tuple(rest.upper().split())})

    def gap(self, command: str, rest: str) -> None:
        if self._in_track(command) and (frames := self._time(rest)) is not None:
            self._change({_GAPS[command]: frames})

    def index(self, command: str, rest: str) -> None:
        number, _, time = rest.partition(" ")
        if not self._in_track(command) or self._track is None:
            return
        if not number.isascii() or not number.isdigit() or int(number) > 99:
            self.find("BAD_NUMBER", f"{number[:20]!r} is not an index; they go from 00 to 99")
        elif (frames := self._time(time.strip())) is not None:
            self._change({"indices": (*self._track.indices, Index(int(number), frames))})

    def _in_track(self, command: str) -> bool:
        if self._track is None:
            self.find("OUTSIDE_TRACK", f"{command} belongs to a track, and none has begun; it is left out")
        return self._track is not None

    def _change(self, changes: Mapping[str, Any]) -> None:
        assert self._track is not None
        self._track = replace(self._track, **changes)
        self._files[-1].tracks[-1] = self._track

    def _time(self, text: str) -> int | None:
        try:
            return parse_time(text)
        except ValueError as error:
            self.find("BAD_TIME", str(error))
            return None

    def _file_name(self, rest: str) -> tuple[str, str]:
        if rest.startswith('"') and (end := rest.rfind('"')) > 0:
            name, kind = rest[1:end], rest[end + 1 :].strip()
        else:
            self.find("MISSING_QUOTE", "The file's name is not between quotes", "warning")
            name, _, kind = rest.strip('"').rpartition(" ")
            name = name or kind
        if not kind:
            self.find("FILE_TYPE_MISSING", "FILE does not say of which type it is; taken for WAVE", "warning")
        return name.strip(), kind.upper() or "WAVE"

    def _unquoted(self, text: str) -> str:
        if not text.startswith('"'):
            return text.strip()
        end = text.rfind('"')
        if end == 0:
            self.find("MISSING_QUOTE", "The closing quote is missing", "warning")
            return text[1:].strip()
        return text[1:end].strip()


_COMMANDS: dict[str, Callable[[_Reader, str, str], None]] = {
    "TITLE": _Reader.text,
    "PERFORMER": _Reader.text,
    "SONGWRITER": _Reader.text,
    "CATALOG": _Reader.catalog,
    "CDTEXTFILE": _Reader.cdtextfile,
    "REM": _Reader.rem,
    "FILE": _Reader.file,
    "TRACK": _Reader.track,
    "ISRC": _Reader.isrc,
    "FLAGS": _Reader.flags,
    "PREGAP": _Reader.gap,
    "POSTGAP": _Reader.gap,
    "INDEX": _Reader.index,
}
