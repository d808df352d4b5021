"""The key of a piece: which of 24 profiles its pitch classes resemble most."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.stage import StageContext
from stages.analysis.audio import RATE, Audio, Key, Samples
from stages.analysis.spectra import magnitudes

SIZE = 8192
HOP = 4096
_LOWEST_HZ, _HIGHEST_HZ = 50.0, 2000.0
_BINS = round(_HIGHEST_HZ * SIZE / RATE) + 2
_FLOOR = 0.01
_COMPRESSION = 0.7
_BASS_EMPHASIS = 0.15
_HARMONIC_WEIGHTS = (1.0, 0.6, 0.36, 0.216)
_FAINTEST = 1e-5
_CLEAR_MARGIN = 0.12
# Peaks of noise agree on a tuning by 0.01, those of dense music by 0.13 and more.
_FAINTEST_AGREEMENT, _CLEAR_AGREEMENT = 0.03, 0.1
_FEWEST_PITCHED = 0.2
_HEARD_SHARE = 0.05
_CLASSES_OF_A_KEY = 5
_ALTERNATIVES = 3

# How often each degree of the scale is heard, by semitones above the tonic. Each line: major, minor.
# Sha'ath, "Estimation of Key in Digital Music Recordings", MSc thesis, Birkbeck 2011 (after Krumhansl and Kessler).
_POPULAR = (
    (6.6, 2.0, 3.5, 2.3, 4.6, 4.0, 2.5, 5.2, 2.4, 3.7, 2.3, 3.4),
    (6.5, 2.7, 3.5, 5.4, 2.6, 3.5, 2.5, 5.2, 4.0, 2.7, 4.3, 3.2),
)
# Albrecht and Shanahan, "The Use of Large Corpora to Train a New Type of Key-Finding Algorithm", Music Perception
# 31(1), 2013.
_CLASSICAL = (
    (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
)

Array = NDArray[np.float32]


def key(audio: Audio, context: StageContext) -> Key | None:
    """The key, or None: not asked for, or no pitch in it.

    Spectral peaks, tuned to the piece's own pitch, give the strength of the twelve pitch classes; the key is the one
    whose profile correlates with them best.

    Source: Gómez, "Tonal Description of Polyphonic Audio for Music Content Processing", INFORMS Journal on Computing
        18(3), 2006 (peaks, tuning and harmonic weighting); profiles as cited above, averaged.
    """
    if "key" not in audio.wanted:
        return None
    context.progress(0.78, "key")
    found = [_peaks(span) for span in audio.spans]
    frequencies = np.concatenate([frequency for frequency, _, _ in found])
    strengths = np.concatenate([strength for _, strength, _ in found])
    context.progress(0.88, "key")
    if not strengths.size or np.mean([pitched for _, _, pitched in found]) < _FEWEST_PITCHED:
        return None
    tuning, agreement = _tuning(frequencies, strengths)
    if agreement < _FAINTEST_AGREEMENT:
        return None
    return _matched(_chroma(frequencies, strengths, tuning), tuning, min(1.0, agreement / _CLEAR_AGREEMENT))


def _peaks(samples: Samples) -> tuple[Array, Array, float]:
    """Frequencies (Hz) and strengths of the spectral peaks, and in which share of the frames there are any.

    A strength is a share of its frame's strongest, compressed.
    """
    frequencies, strengths = [], []
    pitched, frames = 0, 0
    for block in magnitudes(samples, SIZE, HOP, _BINS):
        centre = block[:, 1:-1]
        strongest = block.max(axis=1)
        floor = np.maximum(_FLOOR * strongest, _FAINTEST)[:, None]
        rows, columns = np.nonzero((centre > block[:, :-2]) & (centre >= block[:, 2:]) & (centre > floor))
        columns += 1
        frames += len(block)
        pitched += np.unique(rows).size
        below, at, above = (np.log(block[rows, columns + side] + 1e-12) for side in (-1, 0, 1))
        offset = 0.5 * (below - above) / np.minimum(below - 2 * at + above, -1e-9)
        frequency = (columns + offset) * (RATE / SIZE)
        audible = (frequency >= _LOWEST_HZ) & (frequency <= _HIGHEST_HZ)
        share = np.exp(at - 0.25 * (below - above) * offset) / strongest[rows]
        frequencies.append(frequency[audible].astype(np.float32))
        strengths.append((share[audible] ** _COMPRESSION).astype(np.float32))
    return np.concatenate(frequencies), np.concatenate(strengths), pitched / frames


def _tuning(frequencies: Array, strengths: Array) -> tuple[float, float]:
    """Cents by which the peaks lie off the semitones of A = 440 Hz, -50 to 50, and how far they agree on it, 0 to 1.

    Their circular mean and its length: near 0 for noise, whose peaks lie anywhere.
    """
    semitones = 12 * np.log2(frequencies / 440)
    mean = np.sum(strengths * np.exp(2j * np.pi * semitones)) / np.sum(strengths)
    return float(np.angle(mean) / (2 * np.pi) * 100), float(np.abs(mean))


def _chroma(frequencies: Array, strengths: Array, tuning: float) -> NDArray[np.float64]:
    """Strength of the twelve pitch classes from C; a peak also counts for the notes whose overtone it may be."""
    chroma = np.zeros(12)
    weights = strengths * (frequencies / 200) ** -_BASS_EMPHASIS
    semitones = 12 * np.log2(frequencies / 440) + 9 - tuning / 100
    for harmonic, share in enumerate(_HARMONIC_WEIGHTS, start=1):
        place = semitones - 12 * np.log2(harmonic)
        nearest = np.round(place)
        closeness = np.cos(np.pi * np.abs(place - nearest)) ** 2
        chroma += np.bincount(nearest.astype(int) % 12, weights=share * weights * closeness, minlength=12)
    return chroma


def _matched(chroma: NDArray[np.float64], tuning: float, clarity: float) -> Key | None:
    heard = int(np.count_nonzero(chroma > _HEARD_SHARE * chroma.sum()))
    variety = min(1.0, (heard - 1) / (_CLASSES_OF_A_KEY - 1))
    if variety <= 0:
        return None
    scores = _profiles() @ _standardised(chroma)
    ranked = np.argsort(scores)[::-1]
    best, second = float(scores[ranked[0]]), float(scores[ranked[1]])
    margin = min(1.0, 0.3 + 0.7 * (best - second) / _CLEAR_MARGIN)
    others = tuple(int(index) for index in ranked[1 : 1 + _ALTERNATIVES])
    return Key(int(ranked[0]), max(0.0, best) * margin * variety * clarity, others, tuning)


@lru_cache(maxsize=1)
def _profiles() -> NDArray[np.float64]:
    """(24, 12): the profile of each key of `names.KEY_NAMES`, of zero mean and unit length."""
    rows: list[NDArray[np.float64]] = []
    for popular, classical in zip(_POPULAR, _CLASSICAL, strict=True):
        mixed = _standardised(_standardised(np.array(popular)) + _standardised(np.array(classical)))
        rows.extend(np.roll(mixed, tonic) for tonic in range(12))
    return np.array(rows)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean()
    return np.asarray(centred / np.linalg.norm(centred))
