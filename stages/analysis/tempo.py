"""The tempo of a piece: how often its pulse comes back."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from pipeline.stage import StageContext
from stages.analysis.audio import Audio, Tempo
from stages.analysis.onsets import FRAME_RATE, novelty, pulse

SLOWEST_BPM, FASTEST_BPM = 50.0, 210.0
PREFERRED_BPM, PREFERENCE_OCTAVES = 118.0, 0.75
SHORTEST_SECONDS = 4.0
_MAX_LAG_SECONDS = 12.0
_COMB = (1.0, 1.0, 0.6, 0.8)
_GRID = np.exp(np.linspace(np.log(SLOWEST_BPM), np.log(FASTEST_BPM), 600))

Curve = NDArray[np.float64]


def tempo(audio: Audio, context: StageContext) -> Tempo | None:
    """Beats a minute, or None: not asked for, too short, or nothing that repeats."""
    if "bpm" not in audio.wanted or audio.analysed_seconds < SHORTEST_SECONDS:
        return None
    context.progress(0.65, "tempo")
    pulses = [pulse(novelty(span)) for span in audio.spans]
    pulses = [curve for curve in pulses if curve.any()]
    if not pulses:
        return None
    repetition = _repetition(pulses)
    return _chosen(repetition, pulses)


def _repetition(pulses: list[NDArray[np.float32]]) -> Curve:
    """Autocorrelation of the pulse by lag in frames, 1 at lag 0, averaged over the spans."""
    lags = round(_MAX_LAG_SECONDS * FRAME_RATE)
    total = np.zeros(lags)
    for curve in pulses:
        centred = curve - curve.mean()
        size = scipy.fft.next_fast_len(curve.size + lags, real=True)
        spectrum = scipy.fft.rfft(centred, size)
        correlation = scipy.fft.irfft(np.abs(spectrum) ** 2, size)[:lags]
        available = np.maximum(curve.size - np.arange(correlation.size), 1)
        total[: correlation.size] += correlation * curve.size / available
    return np.asarray(total / total[0])


def _chosen(repetition: Curve, pulses: list[NDArray[np.float32]]) -> Tempo | None:
    lags = 60 * FRAME_RATE / _GRID
    comb = np.zeros(_GRID.size)
    for multiple, weight in enumerate(_COMB, start=1):
        comb += weight * map_coordinates(repetition, [lags * multiple], order=1, mode="constant")
    comb /= sum(_COMB)
    preference = np.exp(-0.5 * (np.log2(_GRID / PREFERRED_BPM) / PREFERENCE_OCTAVES) ** 2)
    score = np.maximum(comb, 0) * preference
    peaks = np.flatnonzero((score[1:-1] > score[:-2]) & (score[1:-1] >= score[2:])) + 1
    if not peaks.size or score[peaks].max() <= 0.02:
        return None
    ranked = peaks[np.argsort(score[peaks])[::-1]][:4]
    bpms = [_refined(_GRID[index], pulses) for index in ranked]
    share = score[ranked[0]] / score[ranked].sum()
    confidence = float(np.clip(2 * comb[ranked[0]], 0, 1) * (0.5 + 0.5 * share))
    return Tempo(bpms[0], confidence, tuple(bpms[1:3]))


def _refined(bpm: float, pulses: list[NDArray[np.float32]]) -> float:
    """The tempo near `bpm` at which the pulse's spectrum is strongest at the beat and its multiples.

    A peak of the spectrum over a whole span is a line fitted to all its beats at once.
    """
    candidates = bpm * np.exp(np.linspace(-0.04, 0.04, 321))
    strength = np.zeros(candidates.size)
    for curve in pulses:
        for harmonic in (1, 2, 4):
            size = 2 ** int(np.ceil(np.log2(curve.size * 8)))
            spectrum = np.abs(scipy.fft.rfft(curve - curve.mean(), size))
            strength += map_coordinates(spectrum, [candidates / 60 * harmonic * size / FRAME_RATE], order=1) ** 2
    best = int(np.argmax(strength))
    return float(candidates[best])
