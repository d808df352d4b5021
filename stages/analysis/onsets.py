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
"""Values of the novelty curve a second: 86.13."""

BANDS = 40
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 10_000.0
_BINS = SIZE // 2 + 1
_COMPRESSION = 100.0


def novelty(samples: Samples) -> NDArray[np.float32]:
    """How much begins in each frame: the rise of the compressed magnitude in 40 mel bands.

    The level of the whole does not matter: samples are scaled by their root mean square first.

    Returns: float32, (bands, frames), not negative.
    Source: Böck and Widmer, "Maximum Filter Vibrato Suppression for Onset Detection", DAFx 2013;
        Grosche and Müller, "Extracting Predominant Local Pulse Information", IEEE TASLP 19(6), 2011 (compression).
    """
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    scaled = samples * np.float32(0.1 / level) if level > 0 else samples
    weights = _mel_weights()
    bands = np.concatenate([block @ weights for block in magnitudes(scaled, SIZE, HOP, _BINS)])
    compressed = np.log1p(np.float32(_COMPRESSION) * bands)
    rise = np.diff(compressed, axis=0, prepend=compressed[:1])
    return np.asarray(np.maximum(rise, 0).T, dtype=np.float32)


def pulse(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """One curve from the bands: their sum, less its local mean, not negative; (frames,)."""
    total: NDArray[np.float32] = bands.mean(axis=0)
    local: NDArray[np.float32] = uniform_filter1d(total, size=round(FRAME_RATE), mode="nearest")
    return np.asarray(np.maximum(total - local, 0), dtype=np.float32)


@lru_cache(maxsize=1)
def _mel_weights() -> NDArray[np.float32]:
    """Triangular bands, evenly spaced in mel; (bins, bands), each column sums to one."""

    def mel(hertz: float) -> float:
        return 2595 * float(np.log10(1 + hertz / 700))

    edges = 700 * (10 ** (np.linspace(mel(_LOWEST_HZ), mel(_HIGHEST_HZ), BANDS + 2) / 2595) - 1)
    bins = np.arange(_BINS)[:, None] * RATE / SIZE
    width = np.maximum(np.diff(edges), RATE / SIZE)
    rising = (bins - (edges[1:-1] - width[:-1])) / width[:-1]
    falling = ((edges[1:-1] + width[1:]) - bins) / width[1:]
    weights = np.clip(np.minimum(rising, falling), 0, None)
    return (weights / weights.sum(axis=0)).astype(np.float32)
