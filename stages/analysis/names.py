"""How a key is written: "C major", its Camelot and its Open Key code.

Keys are spelled as musicians write them, with the fewest accidentals: D flat major, not C sharp major, and
C sharp minor, not D flat minor. The two ties (six accidentals either way) are F sharp major and E flat minor,
as on the Camelot wheel. Accidentals are `#` and `b`.
"""

from __future__ import annotations

MAJOR_TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")

KEY_NAMES = tuple(
    [f"{tonic} major" for tonic in MAJOR_TONICS] + [f"{tonic} minor" for tonic in MINOR_TONICS],
)
"""The 24 keys: index 0 to 11 major from C upwards in semitones, 12 to 23 minor in the same order."""

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def key_index(name: str) -> int:
    """The index into KEY_NAMES of a key in any spelling ("Db minor" is "C# minor").

    Raises: ValueError if it is not a note name followed by "major" or "minor".
    """
    tonic, _, mode = name.strip().partition(" ")
    if tonic[:1] not in _LETTERS or set(tonic[1:]) - {"#", "b"} or mode not in ("major", "minor"):
        raise ValueError(f"not a key: {name!r}; write it like 'F# minor'")
    pitch_class = (_LETTERS[tonic[0]] + tonic.count("#") - tonic[1:].count("b")) % 12
    return pitch_class + (12 if mode == "minor" else 0)


def camelot(index: int) -> str:
    """The Camelot code of a key's index: C major is 8B, A minor 8A, a fifth up is one hour later."""
    return f"{(_fifths(index) + 7) % 12 + 1}{'A' if index >= 12 else 'B'}"


def open_key(index: int) -> str:
    """The Open Key code of a key's index: C major is 1d, A minor 1m."""
    return f"{_fifths(index) + 1}{'m' if index >= 12 else 'd'}"


def _fifths(index: int) -> int:
    """Fifths above C of the key, or of its relative major."""
    relative_major = index % 12 + (3 if index >= 12 else 0)
    return relative_major * 7 % 12
