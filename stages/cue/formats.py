"""The formats that a sheet can be had in, by the names that requests use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent
from stages.cue import rekordbox_xml, traktor_nml
from stages.cue.build import sheet_of
from stages.cue.profiles import PROFILES, Loss, Profile, fit
from stages.cue.sheet import Sheet
from stages.cue.write import one_line, writable, write
from stages.tracklists import Tracklist


@dataclass(frozen=True, slots=True)
class Audio:
    """The audio file that a sheet is about.

    Attributes:
        path: where it is.
        seconds: how long it is, None where that is not known.
    """

    path: Path
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """Attributes:
    extension: of the file it goes to, without the dot.
    sheet: what was written, as it was written.
    losses: what the format does not hold.
    """

    content: bytes
    extension: str
    sheet: Sheet
    losses: tuple[Loss, ...]


Render = Callable[[Sheet, Audio], Rendered]
RenderNative = Callable[[Sheet, Path, float | None], tuple[bytes, tuple[Loss, ...]]]

_LONGEST_MARK = 255


@dataclass(frozen=True, slots=True)
class Format:
    """Attributes:
    profile: what it holds.
    render: writes a sheet in it.
    readable: whether a sheet in it can be read back, by stages.cue.parse.
    """

    name: str
    profile: Profile
    render: Render
    readable: bool = True


def _cue(profile: Profile, sheet: Sheet, audio: Audio) -> Rendered:
    fitted, losses = fit(sheet, profile)
    renamed = tuple(
        Loss("file", f"{one_line(file.name)!r} cannot be named in a sheet as it is called", None)
        for file in fitted.files
        if file.name != writable(file.name)
    )
    return Rendered(write(fitted), "cue", fitted, (*renamed, *losses))


def _native(render: RenderNative, extension: str, profile: Profile, sheet: Sheet, audio: Audio) -> Rendered:
    fitted, cut = fit(sheet, profile)
    content, losses = render(fitted, audio.path, audio.seconds)
    return Rendered(content, extension, fitted, (*cut, *losses))


def _of_program(name: str, render: RenderNative, extension: str) -> Format:
    """A program's own form, which holds any number of marks and says itself what it loses."""
    standard = PROFILES["standard"]
    profile = replace(standard, name=name, longest_text=_LONGEST_MARK, most_tracks=PROFILES["cdj"].most_tracks)
    return Format(name, profile, partial(_native, render, extension, profile), readable=False)


FORMATS: Mapping[str, Format] = {
    **{name: Format(name, profile, partial(_cue, profile)) for name, profile in PROFILES.items()},
    "traktor_nml": _of_program("traktor_nml", traktor_nml.render, "nml"),
    "rekordbox_xml": _of_program("rekordbox_xml", rekordbox_xml.render, "xml"),
}


def format_named(name: str) -> Format:
    """The format. Raises Permanent, UNKNOWN_FORMAT, which names what there is."""
    found = FORMATS.get(name.lower())
    if found is None:
        near = get_close_matches(name.lower()[:50], FORMATS, n=1)
        advice = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(FORMATS)}"
        raise Permanent(f"No format has this name; {advice}", ErrorCode.UNKNOWN_FORMAT)
    return found


def render_tracklist(
    name: str, tracklist: Tracklist, audio: Audio, audio_name: str | None = None, *, with_gaps: bool = False
) -> Rendered:
    """A tracklist in a format.

    Args:
        audio_name: what the sheet calls the audio file, if not by its name.
        with_gaps: INDEX 00 where the track before is known to have ended.
    Raises: Permanent, UNKNOWN_FORMAT.
    """
    wanted = format_named(name)
    sheet = sheet_of(tracklist, audio_name or audio.path.name, wanted.profile, with_gaps=with_gaps)
    return wanted.render(sheet, audio)
