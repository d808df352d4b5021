"""A short piece of music from its tempo, key and style: drums and a bass under chords and a lead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle

import numpy as np

from ops.audio.styles import PROGRESSIONS, STYLES, Style
from ops.audio.voices import DRUM_LEVELS, DRUMS, VOICES, Samples, note
from stages.analysis.names import KEY_NAMES, key_index

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10)
_ACCENTS = {"X": 1.0, "x": 0.75, "o": 0.4}


@dataclass(frozen=True, slots=True)
class TrackSpec:
    """Everything a track is made from; equal specs give equal samples.

    Attributes:
        bpm: quarter notes a minute.
        key: as in `stages.analysis.names.KEY_NAMES`, any spelling.
        style: a key of STYLES.
        intensity: 0 to 1: how loud and busy the drums are, how bright and loud the whole.
        tuning_cents: offset of all pitched instruments from A = 440 Hz.
        intro_seconds: a pad alone before the beat starts.
    """

    bpm: float
    key: str
    seconds: float
    style: str = "house"
    seed: int = 0
    intensity: float = 0.7
    tuning_cents: float = 0.0
    intro_seconds: float = 0.0
    rate: int = 44_100


def random_spec(seed: int, *, seconds: float = 60.0) -> TrackSpec:
    """The track of this seed: any key, any style, a tempo of that style's range, half of them out of tune."""
    rng = np.random.default_rng([seed, 1])
    style = str(rng.choice(sorted(STYLES)))
    low, high = STYLES[style].tempo
    return TrackSpec(
        bpm=round(float(rng.uniform(low, high)), 2),
        key=str(rng.choice(KEY_NAMES)),
        seconds=seconds,
        style=style,
        seed=seed,
        intensity=float(rng.uniform(0.3, 1)),
        tuning_cents=float(rng.uniform(-45, 45)) if rng.random() < 0.5 else 0.0,
        intro_seconds=float(rng.uniform(4, 10)) if rng.random() < 0.3 else 0.0,
    )


def compose(spec: TrackSpec) -> Samples:
    """The samples of a track: float32, (2, samples), within -1 and 1.

    Raises: ValueError for a style or key that does not exist, or a tempo that is not positive.
    """
    if spec.style not in STYLES:
        raise ValueError(f"no style {spec.style!r}; there are {', '.join(sorted(STYLES))}")
    if not spec.bpm > 0:
        raise ValueError(f"the tempo must be positive, not {spec.bpm}")
    return _Piece(spec).render()


class _Piece:
    def __init__(self, spec: TrackSpec) -> None:
        self.spec = spec
        self.style: Style = STYLES[spec.style]
        index = key_index(spec.key)
        self.tonic = index % 12
        self.minor = index >= 12
        self.rng = np.random.default_rng([spec.seed, 2])
        self.count = round(spec.seconds * spec.rate)
        self.step = 60 / spec.bpm / 4
        self.drums = np.zeros(self.count, dtype=np.float32)
        self.low = np.zeros(self.count, dtype=np.float32)
        self.chords = np.zeros(self.count, dtype=np.float32)
        self.lead = np.zeros(self.count, dtype=np.float32)
        self.sounds = {name: DRUMS[name](self.rng, spec.rate) for name in self.style.drums}

    def render(self) -> Samples:
        """Lay bar after bar until the time is full, then mix."""
        bar = self.style.steps * self.step
        progressions = PROGRESSIONS["minor" if self.minor else "major"]
        verse, chorus = (progressions[i] for i in self.rng.choice(len(progressions), 2, replace=False))
        if self.spec.intro_seconds:
            self._hold(1, 0.0, self.spec.intro_seconds)
        degrees = cycle(verse * 2 + chorus * 2)
        bars = int(np.ceil((self.spec.seconds - self.spec.intro_seconds) / bar))
        for number in range(bars):
            start = self.spec.intro_seconds + number * bar
            # A piece comes home: its last two bars are the tonic's.
            degree = 1 if number >= bars - 2 else next(degrees)
            self._drum_bar(start, number)
            self._bass_bar(start, degree)
            self._chord_bar(start, degree)
            self._lead_bar(start, degree)
        return self._mix()

    def _drum_bar(self, start: float, number: int) -> None:
        thinned = number % 8 == 7 and self.rng.random() < 0.5
        for name, pattern in self.style.drums.items():
            if name in ("shaker", "ghost", "ride") and self.spec.intensity < 0.45 and len(self.style.drums) > 2:
                continue
            for step in range(self.style.steps):
                accent = _ACCENTS.get(pattern[(number * self.style.steps + step) % len(pattern)], 0.0)
                if accent and not (thinned and step >= self.style.steps // 2 and name == "kick"):
                    level = accent * DRUM_LEVELS.get(name, 0.3) * self.rng.uniform(0.85, 1.1)
                    self._place(self.drums, self.sounds[name], self._moment(start, step), level)

    def _bass_bar(self, start: float, degree: int) -> None:
        steps = [i for i, mark in enumerate(self.style.bass) if mark != "."]
        for position, step in enumerate(steps):
            until = steps[position + 1] if position + 1 < len(steps) else self.style.steps
            interval = {"1": 0, "5": 7, "8": 12}[self.style.bass[step]]
            pitch = 36 + (self._root(degree) - 36) % 12 + interval
            self._play(self.low, "bass", pitch, self._moment(start, step), (until - step) * self.step * 0.95, 0.5)

    def _chord_bar(self, start: float, degree: int) -> None:
        steps = [i for i, mark in enumerate(self.style.chords) if mark == "x"]
        for position, step in enumerate(steps):
            until = steps[position + 1] if position + 1 < len(steps) else self.style.steps
            at = self._moment(start, step)
            for pitch in self._chord(degree):
                self._play(self.chords, self.style.chord_voice, pitch, at, (until - step) * self.step, 0.16)

    def _lead_bar(self, start: float, degree: int) -> None:
        scale = MINOR_SCALE if self.minor else MAJOR_SCALE
        chord = {pitch % 12 for pitch in self._chord(degree)}
        step, place = 0, int(self.rng.integers(7, 14))
        while step < self.style.steps:
            length = int(self.rng.choice((2, 2, 4)))
            if self.rng.random() < self.style.lead_density:
                place = int(np.clip(place + self.rng.integers(-2, 3), 5, 17))
                candidates = range(place, place + 7)
                pitches = [60 + self.tonic + 12 * (p // 7) + scale[p % 7] for p in candidates]
                on_beat = step % 4 == 0
                pitch = next((p for p in pitches if not on_beat or p % 12 in chord), pitches[0])
                seconds = min(length, self.style.steps - step) * self.step
                self._play(self.lead, self.style.lead_voice, pitch - 12, self._moment(start, step), seconds, 0.22)
            step += length

    def _hold(self, degree: int, start: float, seconds: float) -> None:
        for pitch in self._chord(degree):
            self._play(self.chords, "pad", pitch, start, seconds, 0.16)

    def _root(self, degree: int) -> int:
        return self.tonic + (MINOR_SCALE if self.minor else MAJOR_SCALE)[degree - 1]

    def _chord(self, degree: int) -> list[int]:
        """MIDI pitches of the triad in close position from G3 upwards."""
        scale = MINOR_SCALE if self.minor else MAJOR_SCALE
        classes = [self.tonic + scale[(degree - 1 + third) % 7] for third in (0, 2, 4)]
        if self.minor and degree == 5:
            classes[1] += 1
        return [55 + (pitch - 55) % 12 for pitch in classes]

    def _moment(self, bar_start: float, step: int) -> float:
        late = self.style.swing * (step % 2) * self.step
        return bar_start + step * self.step + late + self.rng.normal(0, 1) * self.style.looseness_ms / 1000

    def _play(self, bus: Samples, voice: str, pitch: int, start: float, seconds: float, level: float) -> None:
        frequency = 440 * 2 ** ((pitch - 69 + self.spec.tuning_cents / 100) / 12)
        sound = _sound(voice, round(frequency, 4), round(seconds, 4), self.spec.rate)
        self._place(bus, sound, start, level * self.rng.uniform(0.85, 1.0))

    def _place(self, bus: Samples, sound: Samples, start: float, level: float) -> None:
        at = max(0, round(start * self.spec.rate))
        part = sound[: max(0, self.count - at)]
        bus[at : at + part.size] += np.float32(level) * part

    def _mix(self) -> Samples:
        intensity = np.float32(self.spec.intensity)
        drums = self.drums * np.float32(self.style.drum_level) * (np.float32(0.4) + intensity)
        centre = drums + self.low
        left = centre + self.chords * np.float32(1.1) + self.lead * np.float32(0.8)
        right = centre + self.chords * np.float32(0.8) + self.lead * np.float32(1.1)
        mix = np.stack([left, right])
        mix *= np.float32(0.15 + 0.75 * self.spec.intensity) / max(np.float32(1e-9), np.abs(mix).max())
        fade = min(self.count, round(0.3 * self.spec.rate))
        if fade:
            mix[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        return mix


@lru_cache(maxsize=256)
def _sound(voice: str, frequency: float, seconds: float, rate: int) -> Samples:
    return note(VOICES[voice], frequency, seconds, rate)
