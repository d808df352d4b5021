"""A CUE sheet as values. What is not there is None or empty; times are frames (stages.cue.timecode)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import splitext

FILE_TYPES = ("WAVE", "MP3", "AIFF", "BINARY", "MOTOROLA")
_TYPES = {".mp3": "MP3", ".aif": "AIFF", ".aiff": "AIFF"}
TRACK_TYPES = (
    *("AUDIO", "CDG", "MODE1/2048", "MODE1/2352", "MODE2/2048", "MODE2/2324", "MODE2/2336", "MODE2/2352"),
    *("CDI/2336", "CDI/2352"),
)
FLAGS = ("DCP", "4CH", "PRE", "SCMS")

ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
CATALOG = re.compile(r"[0-9]{13}")
REMARK = re.compile(r"[A-Z][A-Z0-9_.-]{0,63}")
"""Names of remarks."""


@dataclass(frozen=True, slots=True)
class Rem:
    """A remark with a name: `REM GENRE "House"`."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Index:
    """A point within a file. Number 1 is where the track starts, 0 where the gap before it does."""

    number: int
    frames: int


@dataclass(frozen=True, slots=True)
class Track:
    """Attributes:
    pregap, postgap: silence that is not in the file, in frames.
    """

    number: int
    indices: tuple[Index, ...]
    type: str = "AUDIO"
    title: str | None = None
    performer: str | None = None
    songwriter: str | None = None
    isrc: str | None = None
    flags: tuple[str, ...] = ()
    pregap: int | None = None
    postgap: int | None = None
    rems: tuple[Rem, ...] = ()

    @property
    def start(self) -> int | None:
        """Where INDEX 01 is."""
        return next((index.frames for index in self.indices if index.number == 1), None)


@dataclass(frozen=True, slots=True)
class File:
    """An audio file and the tracks in it. `type` is what CUE calls it: WAVE, MP3, AIFF, BINARY, MOTOROLA."""

    name: str
    type: str
    tracks: tuple[Track, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    files: tuple[File, ...] = ()
    title: str | None = None
    performer: str | None = None
    songwriter: str | None = None
    catalog: str | None = None
    cdtextfile: str | None = None
    rems: tuple[Rem, ...] = ()

    def tracks(self) -> Iterator[Track]:
        """All tracks, in the order of their files."""
        for file in self.files:
            yield from file.tracks


def file_type(name: str) -> str:
    """What CUE calls an audio file of this name: MP3, AIFF, and WAVE for all that is decoded to it (flac, ogg, m4a)."""
    return _TYPES.get(splitext(name)[1].lower(), "WAVE")
