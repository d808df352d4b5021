"""What the steps of an analysis hand to each other: plain values, no open files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.analysis.assignment import Assignment

Samples = NDArray[np.float32]

RATE = 22_050
"""Samples a second of everything that is analysed."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Audio:
    """Decoded audio and what was asked about it.

    Attributes:
        assignment: what it was decoded for.
        spans: the parts that are analysed, in order: float32, (samples,), mono, 22 050 Hz. A file of up to
            `decode.WHOLE_SECONDS` is one span; of a longer one, they are spread over it.
        duration_seconds: of the whole file; None where neither the container nor the decoder could tell.
        damaged_packets: how many packets could not be decoded and were passed over.
    """

    assignment: Assignment
    spans: tuple[Samples, ...]
    duration_seconds: float | None
    damaged_packets: int = 0

    @property
    def wanted(self) -> frozenset[str]:
        """Which of "bpm", "key" and "energy" are to be computed."""
        return self.assignment.wanted

    @property
    def analysed_seconds(self) -> float:
        return sum(span.size for span in self.spans) / RATE


@dataclass(frozen=True, slots=True)
class Tempo:
    """Attributes:
    bpm: beats a minute.
    confidence: 0 to 1.
    alternatives: other tempos that fit, most likely first: mostly half and double.
    """

    bpm: float
    confidence: float
    alternatives: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """Attributes:
    index: into `names.KEY_NAMES`.
    confidence: 0 to 1.
    alternatives: indices of other keys that fit, most likely first.
    tuning_cents: how far the music is from A = 440 Hz, -50 to 50.
    """

    index: int
    confidence: float
    alternatives: tuple[int, ...] = ()
    tuning_cents: float = 0.0


@dataclass(frozen=True, slots=True)
class Energy:
    """Attributes:
    value: 0 to 1.
    confidence: 0 to 1.
    loudness_lufs: gated loudness of the mono mix.
    """

    value: float
    confidence: float
    loudness_lufs: float


@dataclass(frozen=True, slots=True)
class Extent:
    """Attributes:
    assignment: what the audio was decoded for.
    duration_seconds: of the whole file; None where nobody can tell.
    analysed_seconds: how much of it was looked at.
    damaged_packets: how many packets of it could not be decoded.
    """

    assignment: Assignment
    duration_seconds: float | None
    analysed_seconds: float
    damaged_packets: int
