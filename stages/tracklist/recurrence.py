"""Whether what is heard after a moment was heard before it: within a piece of music things come back.

Source: after Scarfe, Koolen & Kalnishkan 2013, "A long-range self-similarity approach to segmenting DJ mixed music
streams"; here similarities are looked up in the corner of the matrix that a boundary would make empty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.tracklist.evidence import PATCH, PATCH_HOP
from stages.tracklist.features import Array

_REACH = 180
_APART = 6
"""Blocks next to the moment that are left out: a fade belongs to both sides."""
_NEIGHBOURS = 3
_FEWEST_PATCHES = 4


def recurrence(patches: tuple[Array, ...], place: int) -> NDArray[np.float64]:
    """For each group of features two values: (groups x 2,).

    The first is how unlike the two sides are, each patch held against its likest on the other side: 0 to about 1;
    the second, how much liker it is to another one of its own side.

    Args:
        place: a moment, in blocks.
    """
    return np.array([value for group in patches for value in _unlikeness(group, place)])


def _unlikeness(patches: Array, place: int) -> tuple[float, float]:
    before = patches[_index(place - _APART - _REACH) : max(0, (place - _APART - PATCH) // PATCH_HOP + 1)]
    after = patches[_index(place + _APART) : max(0, (place + _APART + _REACH - PATCH) // PATCH_HOP + 1)]
    if not len(before) or not len(after):
        return 0.0, 0.0
    likeness = before @ after.T
    across = float(likeness.max(axis=0).mean() + likeness.max(axis=1).mean()) / 2
    within = (_within(before, across) + _within(after, across)) / 2
    return 1 - across, within - across


def _within(patches: Array, otherwise: float) -> float:
    """How like each patch is to its likest on the same side that does not overlap it."""
    if len(patches) < _FEWEST_PATCHES:
        return otherwise
    likeness = patches @ patches.T
    index = np.arange(len(patches))
    likeness[np.abs(index[:, None] - index) < _NEIGHBOURS] = -1
    return float(likeness.max(axis=1).mean())


def _index(block: int) -> int:
    """Of the first patch that begins at or after a block."""
    return max(0, -(-block // PATCH_HOP))
