"""Traktor's collection file: an ENTRY for each audio file, a CUE_V2 for each track, its START in milliseconds."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from stages.cue.native import as_bytes, losses, marks, path_of, remark
from stages.cue.profiles import Loss
from stages.cue.sheet import File, Sheet
from stages.cue.write import one_line

_VERSION = "19"
_CUE, _FOR_GOOD = "0", "-1"
_REMARKS = ("GENRE", "COMMENT")


def render(sheet: Sheet, audio: Path, seconds: float | None) -> tuple[bytes, tuple[Loss, ...]]:
    """The document, and what it has no place for.

    Args:
        seconds: how long the audio is, where that is known.
    """
    root = Element("NML", VERSION=_VERSION)
    SubElement(root, "HEAD", COMPANY="www.native-instruments.com", PROGRAM="Traktor")
    SubElement(root, "MUSICFOLDERS")
    collection = SubElement(root, "COLLECTION", ENTRIES=str(len(sheet.files)))
    for file in sheet.files:
        _entry(collection, file, sheet, path_of(file, audio, sheet), seconds if len(sheet.files) == 1 else None)
    SubElement(root, "SETS", ENTRIES="0")
    return as_bytes(root), losses(sheet, "Traktor", _REMARKS)


def _entry(collection: Element, file: File, sheet: Sheet, path: Path, seconds: float | None) -> None:
    texts = {"TITLE": one_line(sheet.title), "ARTIST": one_line(sheet.performer)}
    entry = SubElement(collection, "ENTRY", {name: text for name, text in texts.items() if text})
    SubElement(entry, "LOCATION", DIR=_folder(path), FILE=path.name, VOLUME="", VOLUMEID="")
    about = {name: remark(sheet, name) for name in _REMARKS}
    if seconds is not None:
        about |= {"PLAYTIME": str(round(seconds)), "PLAYTIME_FLOAT": f"{seconds:.6f}"}
    SubElement(entry, "INFO", {name: text for name, text in about.items() if text})
    for mark in marks(file):
        SubElement(
            entry,
            "CUE_V2",
            NAME=mark.name,
            DISPL_ORDER=str(mark.number),
            TYPE=_CUE,
            START=f"{mark.seconds * 1000:.6f}",
            LEN="0.000000",
            REPEATS=_FOR_GOOD,
            HOTCUE=str(mark.hot_cue),
        )


def _folder(path: Path) -> str:
    """A folder as Traktor writes it: each part after `/:`, a colon within it doubled to `//`."""
    parts = [part.replace(":", "//") for part in path.parent.parts if part != "/"]
    return "".join(f"/:{part}" for part in parts) + "/:"
