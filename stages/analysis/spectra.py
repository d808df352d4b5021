"""Short-time spectra of the analysed spans."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stages.analysis.audio import Samples

_ROWS = 512


def magnitudes(samples: Samples, size: int, hop: int, bins: int) -> Iterator[NDArray[np.float32]]:
    """Magnitude spectra of Hann-windowed frames, a block of rows at a time so that memory stays bounded.

    Args:
        samples: float32, (samples,); zeros are appended where it is shorter than one frame.
        size, hop: samples.
        bins: how many of the lowest bins are kept.
    Returns: blocks of float32, (frames, bins), in order; a sine of amplitude 1 has magnitude 1 at its bin.
    """
    if samples.size < size:
        samples = np.pad(samples, (0, size - samples.size))
    window = (1 - np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    window *= np.float32(2 / window.sum())
    frames = sliding_window_view(samples, size)[::hop]
    for start in range(0, len(frames), _ROWS):
        block = frames[start : start + _ROWS] * window
        yield np.abs(scipy.fft.rfft(block, axis=1, overwrite_x=True)[:, :bins])
