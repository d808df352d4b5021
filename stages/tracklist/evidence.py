"""How much speaks for a new track at each moment: change of sound, harmony and rhythm, and silence.

The change is Foote's novelty: a checkerboard slid along the diagonal of the self-similarity matrix. The similarity
here is a Gaussian kernel of the features, written as an inner product of random Fourier features. The checkerboard
then is the squared distance of the mean of what comes from the mean of what was, at any width in the time of one
running sum, and no matrix is ever made.

Sources: Foote 2000, "Automatic audio segmentation using a measure of audio novelty"; Rahimi & Recht 2007, "Random
features for large-scale kernel machines"; Gretton et al. 2012, "A kernel two-sample test" (that distance).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stages.tracklist.boundary_model import GROUPS, SCALES
from stages.tracklist.features import BLOCK_SECONDS, LEVELS_A_SECOND, Array, Features

PATCH, PATCH_HOP = 16, 8
"""Blocks of a patch, whose likes are looked for elsewhere, and from one to the next."""
LEAST_CONTEXT = 16
"""Blocks there must be on both sides of a boundary."""

_DIMENSIONS = 128
_AT_ONCE = 4096
_LEVELS_IN_BLOCK = round(BLOCK_SECONDS * LEVELS_A_SECOND)
_QUIET_DB, _QUIET_RANGE_DB = 15.0, 45.0


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Attributes:
    values: float32, (blocks + 1, groups x scales + 1): before each block and after the last, the novelty of each
        group of features at each scale, 0 to about 1, then how silent it is around there, 0 to 1.
    patches: for each group float32, (patches, 128): the mean of what is heard for 8 s from every fourth second on,
        with length 1, so that inner products are similarities.
    """

    values: Array
    patches: tuple[Array, ...]


def evidence_of(features: Features) -> Evidence:
    """Memory: 490 bytes for each second beside the features, 18 MB for ten hours."""
    columns: list[Array] = []
    patches: list[Array] = []
    for group, (name, scale) in enumerate(GROUPS.items()):
        rows = getattr(features, name)
        novelty, own_patches = _changes(rows, _Embedding(group, np.asarray(scale, dtype=np.float32), rows.shape[1]))
        columns.append(novelty)
        patches.append(own_patches)
    columns.append(_silence(features)[:, None])
    return Evidence(np.concatenate(columns, axis=1), tuple(patches))


class _Embedding:
    """Features whose inner products are the Gaussian kernel of those they are made of."""

    def __init__(self, seed: int, scale: Array, size: int) -> None:
        # The weights of the model are for these numbers: RandomState's streams never change (NumPy's NEP 19).
        random = np.random.RandomState(seed)
        directions = random.standard_normal((size, _DIMENSIONS)) / np.sqrt(size)
        self._directions = (directions / np.broadcast_to(scale, size)[:, None]).astype(np.float32)
        self._phases = random.uniform(0, 2 * np.pi, _DIMENSIONS).astype(np.float32)

    def of(self, rows: Array) -> Array:
        embedded: Array = np.cos(rows @ self._directions + self._phases)
        embedded *= np.float32(np.sqrt(2 / _DIMENSIONS))
        return embedded


def _changes(rows: Array, embedding: _Embedding) -> tuple[Array, Array]:
    """The novelty at all scales, and the patches."""
    count, reach = len(rows), max(SCALES)
    novelty = np.zeros((count + 1, len(SCALES)), dtype=np.float32)
    patches: list[Array] = []
    for start, stop in _spans(count + 1):
        first = max(0, start - reach)
        embedded = embedding.of(rows[first : stop + reach])
        sums = np.concatenate([np.zeros((1, _DIMENSIONS)), np.cumsum(embedded, axis=0, dtype=np.float64)])
        places = np.arange(start, stop)
        for column, scale in enumerate(SCALES):
            novelty[start:stop, column] = _distances(sums, places, first, count, scale)
        begins = np.arange(start, min(stop, count - PATCH + 1), PATCH_HOP)
        patches.append((sums[begins - first + PATCH] - sums[begins - first]).astype(np.float32))
    found = np.concatenate(patches)
    return novelty, found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-9))


def _distances(sums: NDArray[np.float64], places: NDArray[np.int64], first: int, count: int, scale: int) -> Array:
    """Of the means before and after each place, over up to `scale` blocks."""
    begins, ends = np.maximum(0, places - scale), np.minimum(count, places + scale)
    before, after = places - begins, ends - places
    at, left, right = (sums[each - first] for each in (places, begins, ends))
    means_before = (at - left) / np.maximum(1, before)[:, None]
    means_after = (right - at) / np.maximum(1, after)[:, None]
    distances: Array = np.linalg.norm(means_after - means_before, axis=1).astype(np.float32)
    distances[np.minimum(before, after) < LEAST_CONTEXT] = 0
    return distances


def _silence(features: Features) -> Array:
    """How far the level falls within a second of each place below what is usual, in shares of 45 dB beyond 15 dB."""
    levels, count = features.level_db, features.blocks + 1
    usual = np.percentile(levels, 75)
    around = sliding_window_view(np.pad(levels, LEVELS_A_SECOND, mode="edge"), 2 * LEVELS_A_SECOND + 1).min(axis=1)
    lowest = np.pad(around[::_LEVELS_IN_BLOCK], (0, 1), mode="edge")[:count]
    depth: Array = np.clip(usual - _QUIET_DB - lowest, 0, _QUIET_RANGE_DB) / np.float32(_QUIET_RANGE_DB)
    return depth


def _spans(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, _AT_ONCE):
        yield start, min(count, start + _AT_ONCE)
