"""Which of several tempos is the one a listener would tap: a log-linear model and its fitted weights.

The log-odds of a candidate are a weighted sum of how strongly onsets repeat at multiples and fractions of its beat,
over all bands and in the low ones, and of how usual the tempo is. Fitted by maximum likelihood (softmax over the
candidates of each piece, ridge penalty 1) to 356 pieces: generated tracks of seeds 0 to 99, accompaniments in 64 of
the styles that come with MMA, and the music of Freedoom, the latter two rendered by FluidSynth with TimGM6mb.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HARMONICS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Multiples of the beat's frequency at which the spectrum's amplitude is looked at."""
LAGS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
"""Beats after which the autocorrelation is looked at."""

# One row for all bands, one for the low ones.
_AMPLITUDE_WEIGHTS = np.array(
    [
        (-0.03, 1.13, 0.15, -1.73, 2.03, 0.51, 1.16, 1.26),
        (0.66, 0.78, 1.52, -0.12, 1.94, 0.47, 1.22, -1.14),
    ]
)
_CORRELATION_WEIGHTS = np.array(
    [
        (0.71, 1.88, 1.51, -1.29, 2.00, 0.32, -0.14, 0.29),
        (0.13, 0.50, -0.08, 0.27, -0.45, -2.03, 2.14, -0.13),
    ]
)
_USUAL_BPM = 120.0
_OCTAVE_WEIGHT, _SQUARED_OCTAVE_WEIGHT = -1.29, -1.70

Array = NDArray[np.float64]


def log_odds(bpms: Array, amplitude: Array, correlation: Array) -> Array:
    """How likely each tempo is, up to a constant.

    Args:
        bpms: (tempos,).
        amplitude: (2, tempos, len(HARMONICS)), 0 to 1.
        correlation: (2, tempos, len(LAGS)), -1 to 1.
    """
    octaves = np.log2(bpms / _USUAL_BPM)
    return np.asarray(
        np.einsum("cth,ch->t", amplitude, _AMPLITUDE_WEIGHTS)
        + np.einsum("ctl,cl->t", correlation, _CORRELATION_WEIGHTS)
        + _OCTAVE_WEIGHT * octaves
        + _SQUARED_OCTAVE_WEIGHT * octaves**2,
    )
