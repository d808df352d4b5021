"""Where notes and drums begin: log-magnitude flux in bands."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from stages.analysis.audio import RATE, Samples
from stages.analysis.spectra import magnitudes

SIZE = 1024
HOP = 256
FRAME_RATE = RATE / HOP
"""Values of an onset curve a second: 86.13."""

_BANDS = 40
_LOW_BANDS = 4
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 10_000.0
_BINS = SIZE // 2 + 1
_COMPRESSION = 100.0

Array = NDArray[np.float32]


def onsets(samples: Samples) -> Array:
    """How much begins in each frame, over all bands and in the low ones alone (below about 300 Hz).

    The rise of the log-compressed magnitude in 40 mel bands, less its mean over the second around it. The level of
    the whole does not matter: samples are scaled by their root mean square first.

    Returns: float32, (2, frames), not negative, each row of unit standard deviation or all zero.
    Source: Grosche and Müller, "Extracting Predominant Local Pulse Information from Music Recordings", IEEE TASLP
        19(6), 2011, section III; bands as in Böck and Widmer, "Maximum Filter Vibrato Suppression for Onset
        Detection", DAFx 2013.
    """
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    scale = np.float32(0.1 / level) if level > 0 else np.float32(0)
    weights = _mel_weights()
    bands = np.concatenate([block @ weights for block in magnitudes(samples, SIZE, HOP, _BINS)])
    compressed = np.log1p(np.float32(_COMPRESSION) * scale * bands)
    rise: Array = np.maximum(np.diff(compressed, axis=0, prepend=compressed[:1]), 0)
    curves: Array = np.stack([rise.mean(axis=1), rise[:, :_LOW_BANDS].mean(axis=1)])
    curves -= uniform_filter1d(curves, size=round(FRAME_RATE), axis=1, mode="nearest")
    np.maximum(curves, 0, out=curves)
    spread = curves.std(axis=1, keepdims=True)
    np.divide(curves, spread, out=curves, where=spread > 0)
    return curves


@lru_cache(maxsize=1)
def _mel_weights() -> Array:
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
