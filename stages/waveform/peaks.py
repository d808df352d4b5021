"""Peaks and RMS of equal parts of audio whose length is not known before its end, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POINTS = 1800
"""Parts of a file; of one with fewer samples, as many as it has samples."""

_MOST_BLOCKS = 1 << 16

Samples = NDArray[np.float32]
Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Attributes:
    low, high: the lowest and the highest sample of each part: int8, (points,), full scale is 127.
    rms: uint8, (points,), full scale is 255.
    samples: how many there were.
    """

    low: NDArray[np.int8]
    high: NDArray[np.int8]
    rms: NDArray[np.uint8]
    samples: int


class Peaks:
    """Takes samples in, and sums them up in blocks of equal length, which doubles whenever there are too many.

    A part of the result begins and ends with a block, so it is exact to one 18th of a part or less, and memory is
    bounded by the number of blocks.
    """

    def __init__(self) -> None:
        self._block = 1
        self._low, self._high, self._power = (np.zeros(_MOST_BLOCKS) for _ in range(3))
        self._blocks = 0
        self._rest = np.zeros(0, dtype=np.float32)
        self.samples = 0

    def add(self, samples: Samples) -> None:
        """Float32, (samples,), full scale is 1; what is not finite counts as silence."""
        self.samples += samples.size
        left = np.concatenate([self._rest, np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)])
        while left.size >= self._block:
            count = min(left.size // self._block, _MOST_BLOCKS - self._blocks)
            self._append(left[: count * self._block].reshape(count, self._block))
            left = left[count * self._block :]
            if self._blocks == _MOST_BLOCKS:
                self._double()
        self._rest = left

    def waveform(self) -> Waveform:
        """Of all that was added. Raises ValueError if nothing was."""
        if self.samples == 0:
            raise ValueError("no samples")
        low, high, power = (each[: self._blocks] for each in (self._low, self._high, self._power))
        if self._rest.size:
            low, high = np.append(low, self._rest.min()), np.append(high, self._rest.max())
            power = np.append(power, np.mean(np.square(self._rest, dtype=np.float64)))
        points = min(POINTS, low.size)
        starts = np.arange(points) * low.size // points
        widths = np.diff(np.append(starts, low.size))
        return Waveform(
            low=_signed(np.minimum.reduceat(low, starts)),
            high=_signed(np.maximum.reduceat(high, starts)),
            rms=np.clip(np.round(np.sqrt(np.add.reduceat(power, starts) / widths) * 255), 0, 255).astype(np.uint8),
            samples=self.samples,
        )

    def _append(self, blocks: NDArray[np.float32]) -> None:
        place = slice(self._blocks, self._blocks + len(blocks))
        self._low[place], self._high[place] = blocks.min(axis=1), blocks.max(axis=1)
        self._power[place] = np.mean(np.square(blocks, dtype=np.float64), axis=1)
        self._blocks += len(blocks)

    def _double(self) -> None:
        half = self._blocks // 2
        for curve, combined in ((self._low, np.minimum), (self._high, np.maximum), (self._power, _mean)):
            pairs = curve[: 2 * half].reshape(half, 2)
            curve[:half] = combined(pairs[:, 0], pairs[:, 1])
        self._blocks, self._block = half, self._block * 2


def _mean(one: Curve, other: Curve) -> Curve:
    return np.asarray((one + other) / 2)


def _signed(values: Curve) -> NDArray[np.int8]:
    return np.clip(np.round(values * 127), -127, 127).astype(np.int8)
