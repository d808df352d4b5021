"""rekordbox's exchange file: a TRACK for each audio file, a POSITION_MARK for each track, its Start in seconds.

Source: "rekordbox XML format list", rekordbox developer page.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement

from stages.cue.native import as_bytes, losses, marks, path_of, remark
from stages.cue.profiles import Loss
from stages.cue.sheet import File, Sheet
from stages.cue.write import one_line

_CUE, _ROOT = "0", "0"
_YEAR = re.compile(r"(?<![0-9])[0-9]{4}(?![0-9])")


def render(sheet: Sheet, audio: Path, seconds: float | None) -> tuple[bytes, tuple[Loss, ...]]:
    """The document, and what it has no place for.

    Args:
        seconds: how long the audio is, where that is known.
    """
    root = Element("DJ_PLAYLISTS", Version="1.0.0")
    SubElement(root, "PRODUCT", Name="tracktion-pipeline", Version="1", Company="")
    collection = SubElement(root, "COLLECTION", Entries=str(len(sheet.files)))
    for number, file in enumerate(sheet.files, 1):
        path = path_of(file, audio, sheet)
        _track(collection, number, file, sheet, path, seconds if len(sheet.files) == 1 else None)
    playlists = SubElement(root, "PLAYLISTS")
    SubElement(playlists, "NODE", Type=_ROOT, Name="ROOT", Count="0")
    return as_bytes(root), losses(sheet, "rekordbox", ("GENRE", "DATE", "COMMENT"))


def _track(collection: Element, number: int, file: File, sheet: Sheet, path: Path, seconds: float | None) -> None:
    about = {
        "TrackID": str(number),
        "Name": one_line(sheet.title),
        "Artist": one_line(sheet.performer),
        "Genre": remark(sheet, "GENRE"),
        "Year": year[0] if (year := _YEAR.search(remark(sheet, "DATE"))) else "",
        "Comments": remark(sheet, "COMMENT"),
        "Kind": f"{path.suffix[1:].upper()} File",
        "TotalTime": "" if seconds is None else str(round(seconds)),
        "Location": f"file://localhost{quote(os.fsencode(path))}",
    }
    track = SubElement(collection, "TRACK", {name: text for name, text in about.items() if text})
    for mark in marks(file):
        SubElement(
            track,
            "POSITION_MARK",
            Name=mark.name,
            Type=_CUE,
            Start=f"{mark.seconds:.3f}",
            Num=str(mark.hot_cue),
        )
