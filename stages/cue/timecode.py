"""Time in a CUE sheet: whole frames, 75 a second, written MM:SS:FF. Minutes may pass 99.

Source: CDRWIN user's guide, appendix A; the frame is the sector of a compact disc (IEC 60908).
"""

from __future__ import annotations

import re

FRAMES_PER_SECOND = 75
LATEST = 1_000_000 * 60 * FRAMES_PER_SECOND - 1
"""Frames: the last time with six digits of minutes, nearly two years."""

_PATTERN = re.compile(r"([0-9]{1,6}):([0-9]{1,2})(?::([0-9]{1,2}))?")


def to_frames(seconds: float) -> int:
    """The nearest frame, an exact half to the even one. Raises: OverflowError for an infinite time."""
    return round(seconds * FRAMES_PER_SECOND)


def to_seconds(frames: int) -> float:
    return frames / FRAMES_PER_SECOND


def fields(frames: int) -> tuple[int, int, int]:
    """Minutes, seconds, and frames beyond them."""
    seconds, rest = divmod(frames, FRAMES_PER_SECOND)
    return *divmod(seconds, 60), rest


def parse_time(text: str) -> int:
    """Frames of `MM:SS:FF`, or of `MM:SS`. Raises ValueError for anything else, 60 seconds and 75 frames included."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:20]!r} is not a time; it is written MM:SS:FF")
    minutes, seconds, frames = (int(part or 0) for part in match.groups())
    if seconds >= 60:
        raise ValueError(f"{text!r} has {seconds} seconds; a minute has 60")
    if frames >= FRAMES_PER_SECOND:
        raise ValueError(f"{text!r} has {frames} frames; a second has {FRAMES_PER_SECOND}")
    return (minutes * 60 + seconds) * FRAMES_PER_SECOND + frames


def format_time(frames: int) -> str:
    """`MM:SS:FF`, with as many digits of minutes as it takes."""
    minutes, seconds, rest = fields(frames)
    return f"{minutes:02d}:{seconds:02d}:{rest:02d}"
