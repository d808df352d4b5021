"""How energetic a piece sounds: how loud it is, how much happens in it, how bright it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from pipeline.stage import StageContext
from stages.analysis.audio import Audio, Energy
from stages.analysis.surface import FRAME_RATE, Surface, surfaces

LOUDNESS_SHARE, ACTIVITY_SHARE, BRIGHTNESS_SHARE = 0.5, 0.3, 0.2

_QUIET_LUFS, _LOUD_LUFS = -36.0, -6.0
_BUSY_ONSETS_PER_SECOND = 6.0
_DARK_HZ, _BRIGHT_HZ = 300.0, 4800.0
_ONSET_HEIGHT = 0.05
_ONSET_NEIGHBOURHOOD = round(0.1 * FRAME_RATE)
_BLOCK, _STEP = round(0.4 * FRAME_RATE), round(0.1 * FRAME_RATE)
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0
_OFFSET_LUFS = -0.691
_LONG_ENOUGH_SECONDS = 30.0

Array = NDArray[np.float64]


def energy(audio: Audio, context: StageContext) -> Energy | None:
    """Energy from 0 to 1, or None: not asked for, or silent (nothing above -70 LUFS).

    Half of it is loudness, from 0 at -36 LUFS to 1 at -6. Three tenths are activity: onsets a second, up to 6. Two
    tenths are brightness: the spectrum's centre, from 300 to 4800 Hz on a log scale, loud frames counting more. Only
    loudness depends on the level, so the value never falls when the gain rises.

    Source: loudness after ITU-R BS.1770-4 (blocks of 400 ms with both gates) of the mono mix, K-weighted in the
        spectrum; the choice of the three after Laurier et al., "Exploring Relationships between Audio and Emotion in
        Music", ICMPC 2009, where they go with arousal. The mix itself is ours.
    """
    if "energy" not in audio.wanted:
        return None
    context.progress(0.92, "energy")
    frames = surfaces(audio)
    loudness = gated_loudness(np.concatenate([_blocks(surface) for surface in frames]))
    if loudness is None:
        return None
    onsets = sum(_onsets(surface) for surface in frames) / audio.analysed_seconds
    power = np.concatenate([surface.power for surface in frames]).astype(np.float64)
    centroid = np.concatenate([surface.centroid for surface in frames]).astype(np.float64)
    centre = float(np.average(centroid, weights=np.sqrt(power)))
    value = (
        LOUDNESS_SHARE * _share(loudness, _QUIET_LUFS, _LOUD_LUFS)
        + ACTIVITY_SHARE * _share(onsets, 0, _BUSY_ONSETS_PER_SECOND)
        + BRIGHTNESS_SHARE * _share(np.log(max(centre, 1.0)), np.log(_DARK_HZ), np.log(_BRIGHT_HZ))
    )
    return Energy(value, min(1.0, audio.analysed_seconds / _LONG_ENOUGH_SECONDS), loudness)


def gated_loudness(powers: Array) -> float | None:
    """Loudness in LUFS of K-weighted mean squares of blocks; None where all of them are below the absolute gate."""
    levels = _OFFSET_LUFS + 10 * np.log10(np.maximum(powers, 1e-30))
    above = levels > _ABSOLUTE_GATE_LUFS
    if not above.any():
        return None
    relative = _OFFSET_LUFS + 10 * np.log10(powers[above].mean()) + _RELATIVE_GATE_LU
    return float(_OFFSET_LUFS + 10 * np.log10(powers[above & (levels > relative)].mean()))


def _blocks(surface: Surface) -> Array:
    """Mean squares of blocks of 400 ms, one every 100 ms."""
    sums = np.concatenate([[0.0], np.cumsum(surface.power, dtype=np.float64)])
    length = min(_BLOCK, surface.power.size)
    starts = np.arange(0, surface.power.size - length + 1, _STEP)
    return np.asarray((sums[starts + length] - sums[starts]) / length)


def _onsets(surface: Surface) -> int:
    """How many peaks rise above the threshold and above all else within 50 ms of them."""
    curve = surface.onsets[0]
    return int(np.count_nonzero((curve > _ONSET_HEIGHT) & (curve == maximum_filter1d(curve, _ONSET_NEIGHBOURHOOD))))


def _share(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))
