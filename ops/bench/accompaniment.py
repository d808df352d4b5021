"""Chord charts for MMA (Musical MIDI Accompaniment): a key and a tempo played in one of its hundreds of styles."""

from __future__ import annotations

import random
import re
from pathlib import Path

from stages.analysis.names import KEY_NAMES

_SECONDS = 45
_NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
_MAJOR = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_MINOR = {"I": 0, "II": 2, "III": 3, "IV": 5, "V": 7, "VI": 8, "VII": 10}
_MAJOR_CHARTS = (
    "I vi IV V7",
    "I IV V7 I",
    "I V vi IV",
    "IM7 vi7 ii7 V7",
    "I iii IV V",
    "I I IV I V7 IV I V7",
    "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",
    "I VI7 II7 V7",
)
_MINOR_CHARTS = (
    "i VI III VII",
    "i iv V7 i",
    "i VII VI V7",
    "i7 iv7 i7 V7",
    "i i iv i VI V7 i V7",
    "i VII i VII",
    "i v iv i",
)
# What a style's name says about its tempo; the first that fits.
_TEMPOS = (
    ("ballad|slow|lullaby|hymn|spiritual|beguine|bolero", (62, 90)),
    ("fast|quickstep|bebop|twist|jive|charleston|dixie|boogie|boggie|bluegrass|vien", (140, 200)),
    ("swing|jazz|foxtrot|bigband", (105, 175)),
    ("waltz", (90, 170)),
    ("bossa|samba|salsa|mambo|rhumba|cha|latin|merengue", (100, 140)),
    ("trance|techno|disco|house|dance|euro", (115, 142)),
    ("march|polka", (100, 130)),
    ("funk|rb|soul|hip", (85, 115)),
    ("", (80, 150)),
)


def playable(style: Path) -> bool:
    """Whether a library file of MMA holds a groove in 2/4, 3/4 or 4/4, and in nothing else."""
    return bool(_grooves(style)) and _beats(style) is not None


def write_chart(path: Path, style: Path) -> str:
    """Write a chart of 45 s in a playable style, whose name decides all that is random. Returns: the key."""
    rng = random.Random(f"held out {style.parent.name} {style.stem}")
    low, high = next(tempo for words, tempo in _TEMPOS if re.search(words, style.stem.lower()))
    bpm = rng.randint(low, high)
    key = rng.randrange(24)
    bars = _bars(rng, key, round(_SECONDS * bpm / 60 / (_beats(style) or 4)))
    lines = [f"Tempo {bpm}", f"Groove {rng.choice(_grooves(style)[:6])}"]
    lines += [f"{number} {chord}" for number, chord in enumerate(bars, start=1)]
    path.write_text("\n".join(lines) + "\n")
    return KEY_NAMES[key]


def _grooves(style: Path) -> list[str]:
    names = re.findall(r"(?im)^\s*defgroove\s+(\S+)", style.read_text(errors="replace"))
    return [name for name in names if not re.search("intro|end|fill|metro", name, re.IGNORECASE)]


def _beats(style: Path) -> int | None:
    signatures = set(re.findall(r"(?im)^\s*timesig\s+(\d+)\s+(\d+)", style.read_text(errors="replace")))
    if len(signatures) != 1 or not signatures <= {("2", "4"), ("3", "4"), ("4", "4")}:
        return None
    return int(signatures.pop()[0])


def _bars(rng: random.Random, key: int, count: int) -> list[str]:
    """A chord for each bar: two charts in turn, and home for the last two."""
    verse, chorus = rng.sample(_MINOR_CHARTS if key >= 12 else _MAJOR_CHARTS, 2)
    degrees: list[str] = []
    while len(degrees) < count:
        degrees += verse.split() * 2 + chorus.split() * 2
    home = "i" if key >= 12 else "I"
    return [_chord(degree, key) for degree in [*degrees[: max(0, count - 2)], home, home]]


def _chord(degree: str, key: int) -> str:
    numeral = degree.rstrip("M7")
    root = (key % 12 + (_MINOR if key >= 12 else _MAJOR)[numeral.upper()]) % 12
    return _NOTES[root] + ("m" if numeral.islower() else "") + degree[len(numeral) :]
