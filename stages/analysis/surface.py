"""What tempo and energy both hear: when something begins, how loud it is, how bright; one pass over the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from stages.analysis.audio import RATE, Audio, Samples
from stages.analysis.spectra import magnitudes

SIZE = 1024
HOP = 256
FRAME_RATE = RATE / HOP
"""Frames a second: 86.13."""

_BANDS = 40
_LOW_BANDS = 4
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 10_000.0
_BINS = SIZE // 2 + 1
_COMPRESSION = 100.0
_REFERENCE_LEVEL = 0.1
# A Hann window spreads a sine's power over as much as 1.5 bins.
_HANN_POWER_BINS = 1.5

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One span by frames of 46 ms, 86.13 a second.

    Attributes:
        onsets: float32, (2, frames), not negative: how much begins in each frame, over all bands and in the low ones
            alone (below about 300 Hz). The level of the whole does not matter.
        power: float32, (frames,): K-weighted mean square.
        centroid: float32, (frames,): centre of the magnitude spectrum in Hz, 0 where there is none.
    """

    onsets: Array
    power: Array
    centroid: Array


_known: WeakKeyDictionary[Audio, tuple[Surface, ...]] = WeakKeyDictionary()


def surfaces(audio: Audio) -> tuple[Surface, ...]:
    """Of each span, in order. Kept as long as the audio is: the second step to ask gets it for nothing."""
    if audio not in _known:
        _known[audio] = tuple(_surface(span) for span in audio.spans)
    return _known[audio]


def _surface(samples: Samples) -> Surface:
    projections = np.concatenate([_band_weights(), _moments()], axis=1)
    weighting = _k_weighting()
    projected, powers = [], []
    for block in magnitudes(samples, SIZE, HOP, _BINS):
        projected.append(block @ projections)
        powers.append(np.square(block) @ weighting)
    columns = np.concatenate(projected)
    total, moment = columns[:, _BANDS], columns[:, _BANDS + 1]
    centroid = np.divide(moment, total, out=np.zeros_like(total), where=total > 0)
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return Surface(_onsets(columns[:, :_BANDS], level), np.concatenate(powers), centroid)


def _onsets(bands: Array, level: float) -> Array:
    """The rise of the log-compressed magnitude in each band, averaged, less its mean over the second around it.

    Source: Grosche and Müller, "Extracting Predominant Local Pulse Information from Music Recordings", IEEE TASLP
        19(6), 2011, section III; bands as in Böck and Widmer, "Maximum Filter Vibrato Suppression for Onset
        Detection", DAFx 2013.
    """
    scale = np.float32(_COMPRESSION * _REFERENCE_LEVEL / level) if level > 0 else np.float32(0)
    compressed = np.log1p(scale * bands)
    rise: Array = np.maximum(np.diff(compressed, axis=0, prepend=compressed[:1]), 0)
    curves: Array = np.stack([rise.mean(axis=1), rise[:, :_LOW_BANDS].mean(axis=1)])
    curves -= uniform_filter1d(curves, size=round(FRAME_RATE), axis=1, mode="nearest")
    np.maximum(curves, 0, out=curves)
    return curves


@lru_cache(maxsize=1)
def _band_weights() -> Array:
    """Triangular bands, evenly spaced in mel; (bins, bands), each column sums to one."""

    def mel(hertz: float) -> float:
        return 2595 * float(np.log10(1 + hertz / 700))

    edges = 700 * (10 ** (np.linspace(mel(_LOWEST_HZ), mel(_HIGHEST_HZ), _BANDS + 2) / 2595) - 1)
    bins = np.arange(_BINS)[:, None] * RATE / SIZE
    width = np.maximum(np.diff(edges), RATE / SIZE)
    rising = (bins - (edges[1:-1] - width[:-1])) / width[:-1]
    falling = ((edges[1:-1] + width[1:]) - bins) / width[1:]
    weights = np.clip(np.minimum(rising, falling), 0, None)
    return np.asarray(weights / weights.sum(axis=0), dtype=np.float32)


@lru_cache(maxsize=1)
def _moments() -> Array:
    """Sum of the magnitudes, and sum of the magnitudes times their frequency; (bins, 2)."""
    return np.stack([np.ones(_BINS), np.arange(_BINS) * RATE / SIZE], axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def _k_weighting() -> Array:
    """What each bin's squared magnitude counts in the K-weighted mean square; (bins,).

    Source: ITU-R BS.1770-4, annex 1; parameters of its two filters for any sample rate after Brecht De Man,
        "Evaluation of Implementations of the EBU R128 Loudness Measurement", AES 145th convention, 2018.
    """
    k, quality = np.tan(np.pi * 1681.974450955533 / RATE), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    shelf = _power_response(
        (high + band * k / quality + k * k, 2 * (k * k - high), high - band * k / quality + k * k),
        (1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k),
    )
    k, quality = np.tan(np.pi * 38.13547087602444 / RATE), 0.5003270373238773
    leading = 1 + k / quality + k * k
    high_pass = _power_response(
        (1.0, -2.0, 1.0),
        (1.0, 2 * (k * k - 1) / leading, (1 - k / quality + k * k) / leading),
    )
    # A sine of amplitude 1 has a mean square of one half.
    response = shelf * high_pass / 2 / _HANN_POWER_BINS
    # The window smears a constant offset over the lowest two bins; a 46 ms frame has no true 20 Hz anyway.
    response[:2] = 0
    return np.asarray(response, dtype=np.float32)


def _power_response(numerator: Sequence[float], denominator: Sequence[float]) -> NDArray[np.float64]:
    """|H|² of a digital filter at each bin; coefficients of z⁰, z⁻¹, z⁻²."""
    delay = np.exp(-1j * np.pi * np.arange(_BINS) / (_BINS - 1))
    response = np.polyval(numerator[::-1], delay) / np.polyval(denominator[::-1], delay)
    return np.asarray(np.abs(response) ** 2)
