"""The tempo of a piece: how often its beat comes back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.stage import StageContext
from stages.analysis.audio import Audio, Tempo
from stages.analysis.periodicity import Periodicity, periodicity
from stages.analysis.surface import surfaces
from stages.analysis.tempo_model import HARMONICS, LAGS, log_odds

SLOWEST_BPM, FASTEST_BPM = 45.0, 225.0
SHORTEST_SECONDS = 4.0

_GRID = np.exp(np.linspace(np.log(SLOWEST_BPM), np.log(FASTEST_BPM), 700))
_PEAKS = 5
_RELATED = (2.0, 1 / 2, 3 / 2, 2 / 3, 3.0, 1 / 3, 4 / 3, 3 / 4)
_DIFFERENT = 0.025
_REFINEMENT = np.exp(np.linspace(-0.03, 0.03, 481))
_REFINED_HARMONICS = np.array([1.0, 2.0, 4.0])
# White noise repeats itself by chance: at most by 0.15 over 4 s, 0.09 over 12 s, 0.04 over 30 s.
_FAINTEST_BEAT, _CHANCE = 0.06, 0.35
_CLEAR_BEAT = 0.35
_ALTERNATIVES = 3

Curve = NDArray[np.float64]


def tempo(audio: Audio, context: StageContext) -> Tempo | None:
    """Beats a minute, or None: not asked for, too short, or nothing that repeats.

    Candidates are where the onsets' autocorrelation and spectrum peak, and what is 2, 3, 3/2 or 4/3 times as fast or
    slow. Each is fitted to all beats of the piece at once, and a log-linear model of what repeats at its multiples
    and fractions chooses among them.

    Source: Peeters, "Template-Based Estimation of Time-Varying Tempo", EURASIP JASP 2007 (spectrum and
        autocorrelation together); Percival and Tzanetakis, "Streamlined Tempo Estimation Based on Autocorrelation and
        Cross-correlation With Pulses", IEEE/ACM TASLP 22(12), 2014 (a learned choice of the octave).
    """
    if "bpm" not in audio.wanted:
        return None
    context.progress(0.62, "tempo")
    if audio.analysed_seconds < SHORTEST_SECONDS:
        return None
    repeating = periodicity([surface.onsets for surface in surfaces(audio)])
    context.progress(0.76, "tempo")
    if repeating is None:
        return None
    faintest = max(_FAINTEST_BEAT, _CHANCE / audio.analysed_seconds**0.5)
    return _chosen(repeating, faintest)


def _chosen(repeating: Periodicity, faintest: float) -> Tempo | None:
    bpms = np.array(_distinct(_fitted(bpm, repeating) for bpm in _candidates(repeating)))
    odds = log_odds(bpms, *features(bpms, repeating))
    ranked = np.argsort(odds)[::-1]
    clarity = float(repeating.correlation_at(60 / bpms[ranked[0]] * np.array([1.0, 2.0, 4.0]))[0].mean())
    if clarity < faintest:
        return None
    weights = np.exp(odds - odds[ranked[0]])
    certainty = float(1 / weights.sum())
    others = [float(bpms[i]) for i in ranked[1 : 1 + _ALTERNATIVES]]
    return Tempo(float(bpms[ranked[0]]), certainty * min(1.0, clarity / _CLEAR_BEAT), tuple(others))


def features(bpms: Curve, repeating: Periodicity) -> tuple[Curve, Curve]:
    """What the model looks at: amplitude at the harmonics, (2, tempos, HARMONICS), correlation at (2, tempos, LAGS)."""
    amplitude = repeating.amplitude_at(bpms[:, None] / 60 * np.array(HARMONICS))
    return amplitude, repeating.correlation_at(60 / bpms[:, None] * np.array(LAGS))


def _candidates(repeating: Periodicity) -> list[float]:
    """Tempos worth a look, no two within 2.5 %: the peaks of three curves and what is related to them."""
    lags = 60 / _GRID[:, None] * np.array([1.0, 2.0, 3.0, 4.0])
    comb = repeating.correlation_at(lags)[0].mean(axis=1)
    lines = repeating.amplitude_at(_GRID[:, None] / 60 * np.array([1.0, 2.0, 4.0]))[0].mean(axis=1)
    peaks: list[float] = []
    for curve in (comb, np.maximum(comb, 0) * lines, lines):
        found = np.flatnonzero((curve[1:-1] > curve[:-2]) & (curve[1:-1] >= curve[2:])) + 1
        peaks.extend(_GRID[found[np.argsort(curve[found])[::-1][:_PEAKS]]].tolist())
    related = [peak * ratio for peak in peaks[: 2 * _PEAKS] for ratio in _RELATED]
    return _distinct(bpm for bpm in peaks + related if SLOWEST_BPM <= bpm <= FASTEST_BPM) or [120.0]


def _distinct(bpms: Iterable[float]) -> list[float]:
    """Those that differ by more than 2.5 % from all before them."""
    kept: list[float] = []
    for bpm in bpms:
        if all(abs(bpm / other - 1) > _DIFFERENT for other in kept):
            kept.append(bpm)
    return kept


def _fitted(bpm: float, repeating: Periodicity) -> float:
    """The tempo near `bpm` whose beats, halves and quarters the whole piece fits best.

    A peak in the spectrum of a whole span is a line fitted to all its beats at once: over 30 s it is sharp to
    0.1 %. Spans are added up by power, so nothing is assumed of what lies between them.
    """
    near = bpm * _REFINEMENT
    power = repeating.long_power_at(near[:, None] / 60 * _REFINED_HARMONICS).sum(axis=1)
    return float(near[np.argmax(power)])
