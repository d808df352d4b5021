"""The numbers of the boundary model: what was fitted, and on what.

Two logistic regressions: the first picks candidates from the evidence alone, the second judges them with what comes
back. Fitted on mixes, joined, with gaps, and cross-faded over 2 to 12 s: of tracks of our own generator (seeds from
3000 on), of the music of Freedoom 0.12.1, as it is and all at one tempo, and on single pieces of it. Nothing of OpenMSX
was looked at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GROUPS: dict[str, tuple[float, ...]] = {
    "timbre": (17.5, 17.9, 8.1, 6.7, 5.0, 4.0, 4.3, 3.9, 3.7, 3.4, 3.3, 3.7, 3.3, 3.1, 2.9),
    "chroma": (0.08,),
    "rhythm": (0.16,),
}
"""Features, and what their values are divided by: their standard deviation in the tuning set."""

SCALES = (16, 40, 80, 160)
"""How many blocks before are compared with as many after."""

CANDIDATES_APART = 16
"""Blocks."""

FIRST_WEIGHTS = np.array([0.20, 0.21, -1.45, 0.59, -0.15, 3.94, 1.41, 5.53, 2.28, 3.31, 1.40, -0.31, 3.30])
FIRST_BIAS = -9.52
"""For the novelty of each group at each scale, then the silence."""

WEIGHTS = np.concatenate(
    [
        [-0.05, 0.44, -0.65, -0.20, -2.49, 4.77, 1.05, -0.03, 3.90, 2.73, 0.14, -1.63, 3.78],
        [-7.56, 10.71, -3.59, 16.04, -0.55, 5.42],
    ]
)
BIAS = -7.23
"""For the same, then for each group how unlike the two sides are, and how much liker each is to itself."""

SHORTEST_TRACK_SECONDS = 20.0
_TYPICAL_SECONDS = 180.0
_SHORTER, _LONGER = 0.7, 1.2


def length_prior(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log of how likely tracks are so long, up to a constant: log-normal, with the longer side wider."""
    distance = np.log(np.maximum(seconds, 1e-3) / _TYPICAL_SECONDS)
    prior: NDArray[np.float64] = -0.5 * np.square(distance / np.where(distance < 0, _SHORTER, _LONGER))
    return prior
