"""What each player or program holds of a CUE sheet.

No vendor has a dialect of its own: a profile is the fields that are read there, and the limits of its texts and
tracks. Serato's, Traktor's and rekordbox's own forms are formats of their own (stages.cue.formats).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from stages.cue.sheet import File, Rem, Sheet, Track


@dataclass(frozen=True, slots=True)
class Profile:
    """Attributes:
    sheet_fields, track_fields: attributes of Sheet and Track that are held.
    sheet_rems, track_rems: names of remarks that are held; None: any.
    derived_rems: remarks that a sheet made for it gets, beside what is known anyway.
    longest_text: characters of a title, a performer or a songwriter.
    most_tracks: how many tracks.
    """

    name: str
    sheet_fields: frozenset[str]
    track_fields: frozenset[str]
    sheet_rems: frozenset[str] | None
    track_rems: frozenset[str] | None
    longest_text: int
    derived_rems: frozenset[str] = frozenset()
    most_tracks: int = 99


@dataclass(frozen=True, slots=True)
class Loss:
    """What a sheet lost. `track` is the track's number, None for the sheet itself."""

    field: str
    reason: str
    track: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {"field": self.field, "track": self.track, "reason": self.reason}


_NAMES = frozenset({"title", "performer"})
_CREDITS = _NAMES | {"songwriter"}
_GAPS = frozenset({"pregap", "postgap"})
_DISC = _CREDITS | {"catalog", "cdtextfile"}
_DJ_REMS = frozenset({"BPM", "KEY", "GENRE", "LABEL", "YEAR", "COMMENT"})
_ABOUT = frozenset({"GENRE", "DATE", "COMMENT"})

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("standard", _DISC, _CREDITS | _GAPS | {"isrc", "flags"}, None, None, 80),
        Profile("cdj", _NAMES, _NAMES, frozenset({"GENRE", "DATE"}), frozenset(), 80, most_tracks=999),
        Profile("traktor", _DISC, _CREDITS | _GAPS | {"flags"}, _ABOUT, frozenset({"BPM", "KEY"}), 255),
        Profile("serato", _DISC, _CREDITS | _GAPS | {"flags"}, _ABOUT, frozenset({"BPM", "KEY"}), 255),
        Profile("rekordbox", _NAMES, _NAMES, _ABOUT, _DJ_REMS, 255),
        Profile(
            "kodi",
            _DISC,
            _CREDITS | _GAPS | {"isrc", "flags"},
            _ABOUT | {"DISCNUMBER", "TOTALDISCS", "ALBUMARTIST", "COMPILATION"},
            frozenset({"GENRE", "COMMENT"}),
            255,
            derived_rems=frozenset({"ALBUMARTIST", "COMPILATION"}),
        ),
    )
}
"""By the names that requests give as `format`."""

Part = TypeVar("Part", Sheet, Track)

_LIMITED = ("title", "performer", "songwriter")
_SHEET_FIELDS = ("title", "performer", "songwriter", "catalog", "cdtextfile")
_TRACK_FIELDS = ("title", "performer", "songwriter", "isrc", "flags", "pregap", "postgap")


def fit(sheet: Sheet, profile: Profile) -> tuple[Sheet, tuple[Loss, ...]]:
    """The sheet as the profile holds it, and what it loses by that."""
    losses: list[Loss] = []
    fitted = _with_fields(sheet, _SHEET_FIELDS, profile.sheet_fields, profile, losses, None)
    files: list[File] = []
    room = profile.most_tracks
    for file in sheet.files:
        kept = file.tracks[:room]
        room -= len(kept)
        losses += [
            Loss("track", f"{profile.name} holds {profile.most_tracks} tracks", track.number)
            for track in file.tracks[len(kept) :]
        ]
        files.append(replace(file, tracks=tuple(_fitted(track, profile, losses) for track in kept)))
    rems = tuple(_kept(sheet.rems, profile.sheet_rems, profile, losses, None))
    return replace(fitted, files=tuple(files), rems=rems), tuple(losses)


def _fitted(track: Track, profile: Profile, losses: list[Loss]) -> Track:
    fitted = _with_fields(track, _TRACK_FIELDS, profile.track_fields, profile, losses, track.number)
    return replace(fitted, rems=tuple(_kept(track.rems, profile.track_rems, profile, losses, track.number)))


def _with_fields(
    part: Part, fields: Sequence[str], held: frozenset[str], profile: Profile, losses: list[Loss], track: int | None
) -> Part:
    """A sheet or a track without the fields that are not held, and with its texts cut."""
    changes: dict[str, Any] = {}
    for field in fields:
        value = getattr(part, field)
        if value is None or value == ():
            continue
        if field not in held:
            changes[field] = () if field == "flags" else None
            losses.append(Loss(field, f"{profile.name} does not hold it", track))
        elif field in _LIMITED and len(value) > profile.longest_text:
            changes[field] = value[: profile.longest_text].rstrip()
            losses.append(Loss(field, f"cut to {profile.longest_text} characters", track))
    return replace(part, **changes)


def _kept(
    rems: Sequence[Rem], held: frozenset[str] | None, profile: Profile, losses: list[Loss], track: int | None
) -> Iterator[Rem]:
    for rem in rems:
        if held is None or rem.key in held:
            yield rem
        else:
            losses.append(Loss(f"REM {rem.key}", f"{profile.name} does not hold it", track))
