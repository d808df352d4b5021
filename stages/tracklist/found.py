"""What the steps hand to each other, and how marks in the time of a file become numbered entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.answers import Stopwatch
from stages.contracts import TracklistGenerationRequest
from stages.metadata.text import cleaned, decoded
from stages.tracklist.extent import duration_of
from stages.tracklists import TracklistEntry, TracklistSource

MOST_ENTRIES = 999
LONGEST_TEXT = 255

_SAME_PLACE_SECONDS = 0.02
# What rippers and players write where nobody has given a title: it says no more than the number does.
_NUMBERED = re.compile(
    r"(?:track|titel|titre|pista|piste|chapter|kapitel|audio ?track)[ _#.-]*(\d{1,3})", re.IGNORECASE
)
_UNNAMED = re.compile(r"(?:untitled|unknown|no title|\?+|-+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Located:
    """A request and the file it is about.

    Attributes:
        path: real, readable, inside the library.
        file_path: as the library knows it.
    """

    request: TracklistGenerationRequest
    path: Path
    file_path: str
    stopwatch: Stopwatch


@dataclass(frozen=True, slots=True)
class Found:
    """A list of tracks, as one source gives it.

    Attributes:
        entries: numbered from 1, in the order of their starts, no two at the same time.
        confidence: 0 to 1; 1 for a list that somebody wrote for this file.
        duration_seconds: of the file, where it is known.
        warnings: what of the source could not be used.
    """

    source: TracklistSource
    entries: tuple[TracklistEntry, ...]
    confidence: float = 1.0
    duration_seconds: float | None = None
    warnings: tuple[str, ...] = ()
    title: str | None = None
    performer: str | None = None
    genre: str | None = None
    date: str | None = None
    catalog: str | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """A request, what was found for it, and what could not be used on the way."""

    located: Located
    found: Found
    warnings: tuple[str, ...] = ()


def listed(
    source: TracklistSource,
    entries: Sequence[TracklistEntry],
    path: Path,
    warnings: Sequence[str] = (),
    **about: str | None,
) -> Found | None:
    """The list that somebody wrote, as far as it fits the audio; None where nothing of it does.

    Args:
        about: title, performer, genre, date, catalog of the whole.
    Raises: Permanent, Transient: as `stages.media.opened`.
    """
    if not entries:
        return None
    duration = duration_of(path, at_least=max(entry.start_seconds for entry in entries))
    kept = numbered(entries, duration)
    if not kept:
        return None
    beyond = sum(duration is not None and entry.start_seconds >= duration for entry in entries)
    if beyond:
        warnings = [*warnings, f"{beyond} of {len(entries)} tracks would start after the end of the audio"]
    confidence = round(1 - beyond / len(entries), 3)
    return Found(source, kept, confidence, duration, tuple(warnings), **about)


def words(text: str | None) -> str | None:
    """A text from a file as it may be stored and shown: one line of 255 characters; None where nothing is left."""
    return (cleaned(decoded(text), LONGEST_TEXT) or None) if text else None


def title_of(text: str | None, number: int) -> str | None:
    """The title somebody gave the track of this number; None for `Track 07`, `untitled` and the like."""
    title = words(text)
    if title is None or _UNNAMED.fullmatch(title):
        return None
    numbered = _NUMBERED.fullmatch(title)
    return None if numbered and int(numbered[1]) == number else title


def numbered(entries: Iterable[TracklistEntry], duration: float | None) -> tuple[TracklistEntry, ...]:
    """The entries in the order of their starts, numbered from 1; of those at one place, the one that says most.

    Left out are those that would start at or after the end of the audio, and whatever comes after the 999th. An end
    is kept only where it comes before the next start.
    """
    kept: list[TracklistEntry] = []
    rounded = [entry.model_copy(update={"start_seconds": round(entry.start_seconds, 6)}) for entry in entries]
    for entry in sorted(rounded, key=lambda each: each.start_seconds):
        if duration is not None and entry.start_seconds >= duration - _SAME_PLACE_SECONDS:
            continue
        if kept and entry.start_seconds - kept[-1].start_seconds < _SAME_PLACE_SECONDS:
            kept[-1] = max(kept[-1], entry, key=_says)
        else:
            kept.append(entry)
    kept = kept[:MOST_ENTRIES]
    limits = [*(entry.start_seconds for entry in kept[1:]), duration]
    return tuple(
        entry.model_copy(
            update={
                "number": number,
                "end_seconds": _end(entry, limit),
                "title": title_of(entry.title, number),
            }
        )
        for number, (entry, limit) in enumerate(zip(kept, limits, strict=False), start=1)
    )


def _says(entry: TracklistEntry) -> int:
    return len(entry.model_dump(exclude_none=True))


def _end(entry: TracklistEntry, limit: float | None) -> float | None:
    end = entry.end_seconds
    if end is None or end <= entry.start_seconds + _SAME_PLACE_SECONDS:
        return None
    if limit is not None and end >= limit - _SAME_PLACE_SECONDS:
        return None
    return round(end, 6)
