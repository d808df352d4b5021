"""What the programs' own collection files hold of a sheet: a mark where each track starts, named after it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from stages.cue.profiles import Loss
from stages.cue.sheet import File, Sheet
from stages.cue.timecode import to_seconds
from stages.cue.write import one_line

HOT_CUES = 8
"""Marks that have a button; the others are there for the eye."""

_UNHOLDABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TRACK_FIELDS = ("songwriter", "isrc", "flags", "pregap", "postgap")
_SHEET_FIELDS = ("songwriter", "catalog", "cdtextfile")


@dataclass(frozen=True, slots=True)
class Mark:
    """Attributes:
    number: from 0.
    name: performer and title, as far as they are known; empty where neither is.
    """

    number: int
    name: str
    seconds: float

    @property
    def hot_cue(self) -> int:
        """Which button it is on, -1 for none."""
        return self.number if self.number < HOT_CUES else -1


def marks(file: File) -> Iterator[Mark]:
    """One for each track of a file that says where it starts."""
    starting = (track for track in file.tracks if track.start is not None)
    for number, track in enumerate(starting):
        name = " - ".join(filter(None, (one_line(track.performer), one_line(track.title))))
        yield Mark(number, name, to_seconds(track.start or 0))


def losses(sheet: Sheet, program: str, held_rems: Collection[str]) -> tuple[Loss, ...]:
    """What the program's form has no place for.

    Args:
        held_rems: remarks about the whole that it has one for.
    """
    found = [_lost(field, program, None) for field in _SHEET_FIELDS if getattr(sheet, field)]
    found += [_lost(f"REM {rem.key}", program, None) for rem in sheet.rems if rem.key not in held_rems]
    for file in sheet.files:
        for track in file.tracks:
            found += [_lost(field, program, track.number) for field in _TRACK_FIELDS if getattr(track, field)]
            found += [_lost(f"REM {rem.key}", program, track.number) for rem in track.rems]
            if any(index.number != 1 and (index.number > 1 or index.frames > 0) for index in track.indices):
                found.append(Loss("INDEX", f"{program} holds the start of a track alone", track.number))
    return tuple(found)


def remark(sheet: Sheet, name: str) -> str:
    """What a remark says of the whole; empty where there is none."""
    return next((one_line(rem.value) for rem in sheet.rems if rem.key == name), "")


def path_of(file: File, audio: Path, sheet: Sheet) -> Path:
    """Where a file of the sheet is: the audio itself, or beside it where the sheet has several."""
    return audio if len(sheet.files) == 1 else audio.parent / file.name


def as_bytes(root: ElementTree.Element) -> bytes:
    """The document in UTF-8, indented; what XML cannot hold (XML 1.0, section 2.2) is a replacement character."""
    for element in root.iter():
        for name, value in element.items():
            element.set(name, _UNHOLDABLE.sub("\N{REPLACEMENT CHARACTER}", value))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return document + b"\n"


def _lost(field: str, program: str, track: int | None) -> Loss:
    return Loss(field, f"{program} has no place for it", track)
