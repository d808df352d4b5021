"""From candidates to the likeliest division into tracks, and how likely each of its boundaries is.

Source: Viterbi's and the forward-backward algorithm for a hidden semi-Markov model whose states last as long as
tracks do (Rabiner 1989, "A tutorial on hidden Markov models", section IV.D).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from stages.tracklist.boundary_model import SHORTEST_TRACK_SECONDS, length_prior

Numbers = NDArray[np.float64]

_SAME_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Division:
    """Attributes:
    places: where tracks begin, without the first, in seconds, ascending.
    confidences: the probability that a track begins within 5 s of each.
    confidence: the F-measure that is to be expected of all starts, the first included.
    """

    places: tuple[float, ...]
    confidences: tuple[float, ...]
    confidence: float


def divide(places: Numbers, log_odds: Numbers, seconds: float) -> Division:
    """The likeliest tracks of audio that is so many seconds long.

    Args:
        places: candidates, in seconds, ascending, all before the end.
        log_odds: of a boundary at each, from what is heard there.
    """
    ends = np.concatenate([[0.0], places, [seconds]])
    gains = np.concatenate([[0.0], log_odds, [0.0]])
    chosen = _likeliest(ends, gains)
    probabilities = _probabilities(ends, gains)
    confidences = tuple(
        float(min(1.0, probabilities[np.abs(places - place) <= _SAME_SECONDS].sum())) for place in ends[chosen]
    )
    expected = 2 * (1 + sum(confidences)) / (1 + len(chosen) + 1 + float(probabilities.sum()))
    return Division(tuple(float(place) for place in ends[chosen]), confidences, min(1.0, expected))


def _steps(ends: Numbers, last: int) -> Numbers:
    """The log prior of a track from each earlier place to this one; the whole may be as short as it is."""
    lengths = ends[last] - ends[:last]
    whole = (np.arange(last) == 0) & (last == len(ends) - 1)
    return np.where((lengths >= SHORTEST_TRACK_SECONDS) | whole, length_prior(lengths), -np.inf)


def _likeliest(ends: Numbers, gains: Numbers) -> list[int]:
    best = np.full(len(ends), -np.inf)
    best[0] = 0.0
    came_from = np.zeros(len(ends), dtype=int)
    for last in range(1, len(ends)):
        sums = best[:last] + _steps(ends, last)
        came_from[last] = int(sums.argmax())
        best[last] = sums[came_from[last]] + gains[last]
    chosen: list[int] = []
    place = int(came_from[-1])
    while place > 0:
        chosen.append(place)
        place = int(came_from[place])
    return chosen[::-1]


def _probabilities(ends: Numbers, gains: Numbers) -> Numbers:
    """Of a boundary at each candidate, over all divisions."""
    count = len(ends)
    forward, backward = np.full(count, -np.inf), np.full(count, -np.inf)
    forward[0], backward[-1] = 0.0, 0.0
    for last in range(1, count):
        forward[last] = logsumexp(forward[:last] + _steps(ends, last)) + gains[last]
    for last in range(count - 1, 0, -1):
        onwards = _steps(ends, last) + gains[last] + backward[last]
        backward[:last] = np.logaddexp(backward[:last], onwards)
    probabilities: Numbers = np.exp(forward + backward - forward[-1])[1:-1]
    return probabilities
