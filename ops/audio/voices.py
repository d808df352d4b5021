"""The instruments: each gives one note or one drum hit, mono float32 at the rate asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Voice:
    """A pitched instrument as harmonics under an envelope.

    Attributes:
        harmonics: amplitude of each harmonic, the fundamental first.
        attack, release: seconds.
        decay: seconds until the sound has fallen to 1/e; 0 holds it.
        upper_decay: how much faster each higher harmonic falls, per harmonic.
        vibrato: depth as a share of the frequency, at 5.5 Hz.
    """

    harmonics: tuple[float, ...]
    attack: float
    decay: float
    release: float
    upper_decay: float = 0.0
    vibrato: float = 0.0


def _series(count: int, slope: float) -> tuple[float, ...]:
    return tuple(1 / k**slope for k in range(1, count + 1))


VOICES: dict[str, Voice] = {
    "pad": Voice(_series(6, 1.6), attack=0.12, decay=0, release=0.2),
    "saw": Voice(_series(14, 1.0), attack=0.01, decay=0, release=0.08),
    "organ": Voice((1, 0.7, 0.35, 0.5, 0, 0.25, 0, 0.2), attack=0.008, decay=0, release=0.03),
    "piano": Voice(_series(9, 1.3), attack=0.003, decay=0.9, release=0.08, upper_decay=0.35),
    "guitar": Voice(_series(12, 1.1), attack=0.002, decay=0.6, release=0.05, upper_decay=0.2),
    "pluck": Voice(_series(8, 1.2), attack=0.002, decay=0.25, release=0.03, upper_decay=0.3),
    "flute": Voice((1, 0.35, 0.12, 0.05), attack=0.04, decay=0, release=0.06, vibrato=0.004),
    "bass": Voice((1, 0.6, 0.3, 0.15, 0.08), attack=0.004, decay=0.7, release=0.03, upper_decay=0.2),
}


def note(voice: Voice, frequency: float, seconds: float, rate: int) -> Samples:
    """One note of about unit amplitude; its release lies within `seconds`. Harmonics above 0.45 × rate are left out."""
    count = max(1, round(seconds * rate))
    time = np.arange(count, dtype=np.float32) / np.float32(rate)
    phase = np.float32(2 * np.pi * frequency) * time
    if voice.vibrato:
        phase = phase + np.float32(voice.vibrato * frequency / 5.5) * np.sin(np.float32(2 * np.pi * 5.5) * time)
    sound = np.zeros(count, dtype=np.float32)
    for number, amplitude in enumerate(voice.harmonics, start=1):
        if not amplitude or number * frequency > 0.45 * rate:
            continue
        partial = np.float32(amplitude) * np.sin(np.float32(number) * phase)
        if voice.decay:
            partial *= np.exp(-time * np.float32((1 + voice.upper_decay * (number - 1)) / voice.decay))
        sound += partial
    attack = max(1, min(count, round(voice.attack * rate)))
    release = max(1, min(count, round(voice.release * rate)))
    sound[:attack] *= np.linspace(0, 1, attack, dtype=np.float32)
    sound[-release:] *= np.linspace(1, 0, release, dtype=np.float32)
    return sound / np.float32(sum(voice.harmonics) ** 0.5)


def _noise(rng: np.random.Generator, count: int) -> Samples:
    return rng.uniform(-1, 1, count).astype(np.float32)


def _bright(noise: Samples) -> Samples:
    """Noise with its low end taken away, by two first differences."""
    return np.diff(noise, n=2, prepend=np.zeros(2, dtype=np.float32)) * np.float32(0.4)


def _dull(noise: Samples, width: int) -> Samples:
    """Noise with its high end taken away, by a moving average."""
    kernel = np.full(width, 1 / width, dtype=np.float32)
    return np.convolve(noise, kernel, mode="same").astype(np.float32) * np.float32(width**0.5)


def _time(seconds: float, rate: int) -> Samples:
    return np.arange(round(seconds * rate), dtype=np.float32) / np.float32(rate)


def _kick(rng: np.random.Generator, rate: int) -> Samples:
    time = _time(0.28, rate)
    floor = rng.uniform(44, 58)
    phase = 2 * np.pi * (floor * time + 110 * 0.03 * (1 - np.exp(-time / 0.03)))
    click = _noise(rng, time.size) * np.exp(-time / 0.002) * 0.3
    return np.asarray(np.sin(phase) * np.exp(-time / 0.09) + click, dtype=np.float32)


def _snare(rng: np.random.Generator, rate: int) -> Samples:
    time = _time(0.22, rate)
    body = np.sin(2 * np.pi * rng.uniform(170, 210) * time) * np.exp(-time / 0.05)
    return np.asarray(0.5 * body + 0.6 * _noise(rng, time.size) * np.exp(-time / 0.07), dtype=np.float32)


def _clap(rng: np.random.Generator, rate: int) -> Samples:
    time = _time(0.2, rate)
    envelope = np.exp(-time / 0.06)
    for delay in (0.0, 0.011, 0.022):
        envelope = envelope + np.where(time >= delay, np.exp(-(time - delay).clip(0) / 0.004), 0)
    return np.asarray(0.35 * _bright(_dull(_noise(rng, time.size), 6)) * envelope * 3, dtype=np.float32)


def _struck(decay: float, level: float) -> Callable[[np.random.Generator, int], Samples]:
    def hit(rng: np.random.Generator, rate: int) -> Samples:
        time = _time(decay * 5, rate)
        return np.asarray(level * _bright(_noise(rng, time.size)) * np.exp(-time / decay), dtype=np.float32)

    return hit


def _shaker(rng: np.random.Generator, rate: int) -> Samples:
    time = _time(0.09, rate)
    envelope = np.sin(np.pi * np.clip(time / 0.09, 0, 1)) ** 2
    return np.asarray(0.35 * _bright(_noise(rng, time.size)) * envelope, dtype=np.float32)


def _rim(rng: np.random.Generator, rate: int) -> Samples:
    time = _time(0.06, rate)
    tones = np.sin(2 * np.pi * rng.uniform(800, 900) * time) + np.sin(2 * np.pi * rng.uniform(1600, 1750) * time)
    return np.asarray(0.4 * tones * np.exp(-time / 0.012), dtype=np.float32)


DRUMS: dict[str, Callable[[np.random.Generator, int], Samples]] = {
    "kick": _kick,
    "snare": _snare,
    "ghost": _snare,
    "clap": _clap,
    "hat": _struck(0.03, 0.5),
    "ride": _struck(0.16, 0.35),
    "crash": _struck(0.5, 0.5),
    "shaker": _shaker,
    "rim": _rim,
}
DRUM_LEVELS = {"kick": 0.9, "snare": 0.6, "ghost": 0.2, "clap": 0.6, "hat": 0.3, "shaker": 0.25, "rim": 0.4}
