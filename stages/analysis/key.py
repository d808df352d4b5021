"""The key of a piece: which of 24 profiles its pitch classes resemble most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.stage import StageContext
from stages.analysis.audio import RATE, Audio, Key, Samples
from stages.analysis.spectra import magnitudes

SIZE = 8192
HOP = 4096
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 2000.0
_BINS = round(_HIGHEST_HZ * SIZE / RATE) + 2
_HARMONICS = 4
_HARMONIC_DECAY = 0.6

KRUMHANSL_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
KRUMHANSL_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

Array = NDArray[np.float32]


def key(audio: Audio, context: StageContext) -> Key | None:
    """The key, or None: not asked for, or no pitch in it."""
    if "key" not in audio.wanted:
        return None
    context.progress(0.78, "key")
    peaks = [_peaks(span) for span in audio.spans]
    frequencies = np.concatenate([p[0] for p in peaks])
    strengths = np.concatenate([p[1] for p in peaks])
    if not strengths.size:
        return None
    tuning = _tuning(frequencies, strengths)
    chroma = _chroma(frequencies, strengths, tuning)
    return _matched(chroma, tuning)


def _peaks(samples: Samples) -> tuple[Array, Array]:
    """Frequencies (Hz) and strengths of the spectral peaks, those of each frame scaled to its strongest."""
    frequencies, strengths = [], []
    for block in magnitudes(samples, SIZE, HOP, _BINS):
        centre = block[:, 1:-1]
        floor = 0.01 * block.max(axis=1, keepdims=True) + 1e-6
        rows, columns = np.nonzero((centre > block[:, :-2]) & (centre >= block[:, 2:]) & (centre > floor))
        columns = columns + 1
        below, at, above = (np.log(block[rows, columns + d] + 1e-12) for d in (-1, 0, 1))
        offset = 0.5 * (below - above) / np.minimum(below - 2 * at + above, -1e-9)
        frequency = (columns + offset) * RATE / SIZE
        audible = frequency >= _LOWEST_HZ
        strength = np.sqrt(block[rows, columns] / block.max(axis=1)[rows])
        frequencies.append(frequency[audible].astype(np.float32))
        strengths.append(strength[audible].astype(np.float32))
    return np.concatenate(frequencies), np.concatenate(strengths)


def _tuning(frequencies: Array, strengths: Array) -> float:
    """Cents by which the peaks lie off the semitones of A = 440 Hz: their circular mean."""
    semitones = 12 * np.log2(frequencies / 440)
    return float(np.angle(np.sum(strengths * np.exp(2j * np.pi * semitones))) / (2 * np.pi) * 100)


def _chroma(frequencies: Array, strengths: Array, tuning: float) -> NDArray[np.float64]:
    """Strength of the twelve pitch classes from C; a peak also counts for the notes whose overtone it may be."""
    chroma = np.zeros(12)
    base = 12 * np.log2(frequencies / 440) + 9 - tuning / 100
    for harmonic in range(1, _HARMONICS + 1):
        place = base - 12 * np.log2(harmonic)
        nearest = np.round(place)
        weight = np.cos(np.pi / 2 * np.clip(2 * np.abs(place - nearest), 0, 1)) ** 2
        chroma += np.bincount(
            nearest.astype(int) % 12,
            weights=strengths * weight * _HARMONIC_DECAY ** (harmonic - 1),
            minlength=12,
        )
    return chroma


def _matched(chroma: NDArray[np.float64], tuning: float) -> Key | None:
    if chroma.std() <= 1e-9:
        return None
    scores = np.array(
        [
            np.corrcoef(chroma, np.roll(profile, tonic))[0, 1]
            for profile in (KRUMHANSL_MAJOR, KRUMHANSL_MINOR)
            for tonic in range(12)
        ]
    )
    ranked = np.argsort(scores)[::-1]
    best, second = scores[ranked[0]], scores[ranked[1]]
    confidence = float(np.clip(best, 0, 1) * np.clip(0.5 + 5 * (best - second), 0, 1))
    return Key(int(ranked[0]), confidence, tuple(int(i) for i in ranked[1:3]), tuning)
