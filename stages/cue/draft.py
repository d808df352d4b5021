"""A sheet while it is read: what stands where, and what was not as it should be.

It can be added to in any number of steps at the same cost each, which the values of `stages.cue.sheet` cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stages.cue.findings import Finding, Severity
from stages.cue.sheet import File, Index, Rem, Sheet, Track

MOST_FINDINGS = 500
"""Of errors and of warnings each."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the parts of a sheet stand, lines from 1.

    Attributes:
        sheet: of the sheet's own commands, by their names in small letters.
        files: of each FILE, 0 where none was named.
        tracks: of each track's commands; `track` is that of TRACK, `index 0` that of its first INDEX, whatever number
            that has.
    """

    sheet: Mapping[str, int] = field(default_factory=dict)
    files: tuple[int, ...] = ()
    tracks: tuple[Mapping[str, int], ...] = ()


@dataclass(slots=True, kw_only=True)
class Part:
    """What both a sheet and a track have: texts, by the names of their commands in small letters, and remarks."""

    texts: dict[str, str] = field(default_factory=dict)
    rems: list[Rem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class DraftTrack(Part):
    number: int
    type: str
    flags: tuple[str, ...] = ()
    gaps: dict[str, int] = field(default_factory=dict)
    indices: list[Index] = field(default_factory=list)

    def has_started(self) -> bool:
        return any(index.number == 1 for index in self.indices)

    def frozen(self) -> Track:
        return Track(
            number=self.number,
            indices=tuple(self.indices),
            type=self.type,
            title=self.texts.get("title"),
            performer=self.texts.get("performer"),
            songwriter=self.texts.get("songwriter"),
            isrc=self.texts.get("isrc"),
            flags=self.flags,
            pregap=self.gaps.get("pregap"),
            postgap=self.gaps.get("postgap"),
            rems=tuple(self.rems),
        )


@dataclass(slots=True)
class DraftFile:
    """Attributes:
    line: of FILE; 0 where a track began before any was named.
    names_what_was_played: whether a FILE within one of its tracks was left out.
    """

    name: str
    type: str
    line: int
    tracks: list[DraftTrack] = field(default_factory=list)
    names_what_was_played: bool = False


@dataclass(slots=True, kw_only=True)
class Draft(Part):
    """The sheet so far.

    Attributes:
        track: the one that commands are about; None before the first, and between FILE and TRACK.
        last_number: of the track that began last, 0 before the first.
        line: the one that is being read.
    """

    files: list[DraftFile] = field(default_factory=list)
    track: DraftTrack | None = None
    last_number: int = 0
    line: int | None = None
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def find(self, code: str, message: str, severity: Severity = "error") -> None:
        """Note what is wrong in the line that is being read."""
        found = self.errors if severity == "error" else self.warnings
        if len(found) < MOST_FINDINGS:
            found.append(Finding(code, message, severity, self.track.number if self.track else None, self.line))

    def findings(self) -> tuple[Finding, ...]:
        """In the order of their lines."""
        return tuple(sorted((*self.errors, *self.warnings), key=lambda each: each.line or 0))

    def tracks(self) -> list[DraftTrack]:
        return [track for file in self.files for track in file.tracks]

    def frozen(self) -> Sheet:
        return Sheet(
            files=tuple(
                File(each.name, each.type, tuple(track.frozen() for track in each.tracks)) for each in self.files
            ),
            title=self.texts.get("title"),
            performer=self.texts.get("performer"),
            songwriter=self.texts.get("songwriter"),
            catalog=self.texts.get("catalog"),
            cdtextfile=self.texts.get("cdtextfile"),
            rems=tuple(self.rems),
        )

    def where(self) -> Lines:
        return Lines(self.lines, tuple(each.line for each in self.files), tuple(each.lines for each in self.tracks()))
