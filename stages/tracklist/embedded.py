"""What the file itself says of its tracks: a cue sheet in its tags, FLAC's own sheet, chapters."""

from __future__ import annotations

from pathlib import Path

from av.container import InputContainer

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import StageContext
from stages.media import opened
from stages.metadata.tag_reader import read_tags
from stages.paths import unreadable
from stages.tracklist.ape_tag import ape_text
from stages.tracklist.chapters import chapters_of
from stages.tracklist.flac_cuesheet import flac_cuesheet
from stages.tracklist.found import Found, Located, listed
from stages.tracklist.sheets import found_in, read_sheet

_TAG = "cuesheet"


def embedded(located: Located, context: StageContext) -> Found | None:
    """The first that there is of a whole sheet in a tag (with titles), FLAC's sheet (without), chapters.

    Raises:
        Permanent: INVALID_CUE where there is nothing but a sheet that says nothing; those of `stages.media.opened`.
        Transient: FILE_UNREADABLE when the file system fails.
    """
    path = located.path
    try:
        with opened(path, metadata_errors="surrogateescape") as container:
            text = _sheet_text(path, container)
            parsed = read_sheet(text) if text else None
            found = found_in(parsed, "embedded", located) if parsed else None
            found = found or _flac(path) or listed("chapters", chapters_of(container, path), path)
    except OSError as error:
        raise unreadable(error, path) from error
    if text and found is None:
        raise Permanent("The cue sheet in the file's tags says nothing that can be used", ErrorCode.INVALID_CUE)
    return found


def _sheet_text(path: Path, container: InputContainer) -> str | None:
    values = read_tags(path, container).values.get(_TAG)
    return values[0] if values else ape_text(path, _TAG)


def _flac(path: Path) -> Found | None:
    sheet = flac_cuesheet(path)
    return listed("embedded", sheet.entries, path, catalog=sheet.catalog) if sheet else None
