"""The genres as data: what each instrument plays on the sixteenths of a bar, and in which tempo range."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """One genre.

    A pattern has one character for each sixteenth of a bar, two bars at most: `X` accented, `x` normal, `o` soft,
    `.` silent. In `bass`, digits are scale steps above the chord's root (`1` the root, `5` the fifth, `8` the octave).

    Attributes:
        tempo: BPM of the quarter note, lowest and highest.
        steps: sixteenths in a bar: 16 in 4/4, 12 in 3/4.
        drums: pattern by drum.
        chords: when the chord is struck; a chord rings until it is struck again.
        swing: how much later every second sixteenth comes, as a share of a sixteenth.
        looseness_ms: standard deviation of each note's timing.
        drum_level: loudness of the drums beside the other instruments.
    """

    tempo: tuple[float, float]
    drums: dict[str, str]
    bass: str
    chords: str
    chord_voice: str = "pad"
    lead_voice: str = "pluck"
    lead_density: float = 0.4
    steps: int = 16
    swing: float = 0.0
    looseness_ms: float = 0.0
    drum_level: float = 1.0


STYLES: dict[str, Style] = {
    "house": Style(
        tempo=(118, 130),
        drums={
            "kick": "X...X...X...X...",
            "clap": "....x.......x...",
            "hat": "..x...x...x...x.",
            "shaker": "oooooooooooooooo",
        },
        bass="..1...1...1.1.5.",
        chords="x..x..x...x..x..",
        chord_voice="organ",
        lead_density=0.3,
    ),
    "techno": Style(
        tempo=(126, 142),
        drums={"kick": "X...X...X...X...", "hat": "..x...x...x...x.", "rim": "...x......x....."},
        bass="11.11.11.11.11.1",
        chords="x...............",
        chord_voice="pad",
        lead_density=0.25,
        drum_level=1.3,
    ),
    "trance": Style(
        tempo=(132, 144),
        drums={"kick": "X...X...X...X...", "clap": "....x.......x...", "hat": "..X...X...X...X."},
        bass=".111.111.111.111",
        chords="x.......x.......",
        chord_voice="saw",
        lead_density=0.8,
    ),
    "drum and bass": Style(
        tempo=(168, 174),
        drums={
            "kick": "X.........x.....",
            "snare": "....X.......X...",
            "hat": "x.x.x.x.x.x.x.x.",
            "ghost": ".......o.o....o.",
        },
        bass="1.......1...5...",
        chords="x...............",
        lead_density=0.3,
    ),
    "hip hop": Style(
        tempo=(80, 100),
        drums={"kick": "X..x......xx....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.xx"},
        bass="1..1......1.5...",
        chords="x.......x.......",
        chord_voice="piano",
        lead_density=0.3,
        swing=0.18,
        looseness_ms=4,
    ),
    "rock": Style(
        tempo=(100, 150),
        drums={
            "kick": "X.......x.x.....",
            "snare": "....X.......X...",
            "hat": "x.x.x.x.x.x.x.x.",
            "crash": "x" + "." * 31,
        },
        bass="1.1.1.1.1.1.1.5.",
        chords="x..x..x.x...x...",
        chord_voice="guitar",
        lead_density=0.4,
        looseness_ms=6,
    ),
    "pop": Style(
        tempo=(96, 128),
        drums={"kick": "X.......X..x....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
        bass="1...1...1...1.5.",
        chords="x...x...x...x...",
        chord_voice="piano",
        lead_voice="flute",
        lead_density=0.5,
        looseness_ms=3,
    ),
    "reggae": Style(
        tempo=(72, 92),
        drums={"kick": "........X.......", "rim": "........x.......", "hat": "x...x...x...x.x."},
        bass="1..5..1...8.5...",
        chords="....x.......x...",
        chord_voice="organ",
        lead_voice="flute",
        lead_density=0.3,
        looseness_ms=5,
    ),
    "ballad": Style(
        tempo=(72, 88),
        drums={"kick": "X.........x.....", "rim": "....x.......x...", "hat": "x...x...x...x..."},
        bass="1.......5.......",
        chords="x...x...x...x...",
        chord_voice="piano",
        lead_voice="flute",
        lead_density=0.35,
        looseness_ms=6,
        drum_level=0.6,
    ),
    "disco": Style(
        tempo=(108, 126),
        drums={"kick": "X...X...X...X...", "snare": "....x.......x...", "hat": "x.X.x.X.x.X.x.X."},
        bass="1.8.1.8.1.8.1.8.",
        chords="..x..x..x...x...",
        chord_voice="guitar",
        lead_density=0.35,
        looseness_ms=2,
    ),
    "waltz": Style(
        tempo=(90, 160),
        steps=12,
        drums={"kick": "X...........", "rim": "....x...x...", "ride": "x...x...x..."},
        bass="1...........",
        chords="....x...x...",
        chord_voice="piano",
        lead_voice="flute",
        lead_density=0.4,
        looseness_ms=5,
        drum_level=0.7,
    ),
    "folk": Style(
        tempo=(84, 132),
        drums={"shaker": "x.o.x.o.x.o.x.o."},
        bass="1.......5.......",
        chords="x..xx.x.x..xx.x.",
        chord_voice="guitar",
        lead_voice="flute",
        lead_density=0.5,
        looseness_ms=6,
        drum_level=0.5,
    ),
}

PROGRESSIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "major": ((1, 5, 6, 4), (1, 4, 5, 1), (1, 6, 4, 5), (1, 4, 1, 5), (1, 2, 5, 1), (1, 3, 4, 5), (1, 4, 6, 5)),
    "minor": ((1, 6, 7, 1), (1, 4, 5, 1), (1, 6, 4, 5), (1, 7, 6, 5), (1, 4, 7, 1), (1, 6, 3, 7), (1, 4, 6, 5)),
}
"""Chords as scale degrees, one a bar. In minor the fifth degree is a major chord (the harmonic minor's)."""
