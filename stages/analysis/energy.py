"""How energetic a piece sounds: loudness, how much happens, how bright it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import freqz

from pipeline.stage import StageContext
from stages.analysis.audio import RATE, Audio, Energy
from stages.analysis.spectra import magnitudes

SIZE = 8192
HOP = 4096
_BINS = SIZE // 2 + 1

QUIETEST_LUFS, LOUDEST_LUFS = -45.0, -5.0
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
LOUDNESS_SHARE, ACTIVITY_SHARE, BRIGHTNESS_SHARE = 0.6, 0.2, 0.2


def energy(audio: Audio, context: StageContext) -> Energy | None:
    """Energy from 0 to 1, or None: not asked for, or nothing above the gate of -70 LUFS.

    Six tenths are loudness, from 0 at -45 LUFS to 1 at -5; two tenths activity, how much the spectrum changes from
    one frame to the next; two tenths brightness, its centroid between 300 Hz and 4.8 kHz on a log scale. Only
    loudness depends on the level, so the value grows with gain and with nothing else changed.

    Source: ITU-R BS.1770-4 for loudness: K-weighting and both gates, the weighting applied to spectra of 372 ms
        with half overlap, of the mono mix.
    """
    if "energy" not in audio.wanted:
        return None
    context.progress(0.9, "energy")
    weighting = _k_weighting()
    powers, centroids, changes = [], [], []
    frequencies = np.arange(_BINS, dtype=np.float32) * (RATE / SIZE)
    for span in audio.spans:
        for block in magnitudes(span, SIZE, HOP, _BINS):
            power = np.square(block)
            # A sine of amplitude 1 has a mean square of 1/2, and a Hann window spreads it over 1.5 bins' power.
            powers.append((power @ weighting) / 2 / 1.5)
            total = power.sum(axis=1) + np.float32(1e-20)
            centroids.append((np.sqrt(power) @ frequencies) / (np.sqrt(power).sum(axis=1) + np.float32(1e-12)))
            shape = np.sqrt(power / total[:, None])
            changes.append(1 - (shape[1:] * shape[:-1]).sum(axis=1))
    loudness, sounding = _gated(np.concatenate(powers).astype(np.float64))
    if loudness is None:
        return None
    brightness = float(np.log2(max(float(np.mean(np.concatenate(centroids)[sounding])), 1.0) / 300) / 4)
    activity = float(np.mean(np.concatenate(changes))) * 2 if sum(c.size for c in changes) else 0.0
    level = (loudness - QUIETEST_LUFS) / (LOUDEST_LUFS - QUIETEST_LUFS)
    value = (
        LOUDNESS_SHARE * float(np.clip(level, 0, 1))
        + ACTIVITY_SHARE * float(np.clip(activity, 0, 1))
        + BRIGHTNESS_SHARE * float(np.clip(brightness, 0, 1))
    )
    confidence = float(np.clip(audio.analysed_seconds / 10, 0.1, 1))
    return Energy(value, confidence, loudness)


def _gated(powers: NDArray[np.float64]) -> tuple[float | None, NDArray[np.bool_]]:
    """Loudness in LUFS of the blocks above both gates, and which they are; None where all is silent."""
    levels = -0.691 + 10 * np.log10(powers + 1e-30)
    above = levels > _ABSOLUTE_GATE_LUFS
    if not above.any():
        return None, above
    relative = -0.691 + 10 * np.log10(powers[above].mean()) + _RELATIVE_GATE_LU
    above &= levels > relative
    return float(-0.691 + 10 * np.log10(powers[above].mean())), above


def _k_weighting() -> NDArray[np.float32]:
    """Power response of the K-weighting at each bin, from the analogue prototypes of its two filters.

    Source: ITU-R BS.1770-4, annex 1; parameters for any sample rate after Brecht De Man, "Evaluation of
        Implementations of the EBU R128 Loudness Measurement", AES 2018.
    """
    response = np.ones(_BINS)
    for gain_db, quality, corner, shelf in ((3.99984, 0.70718, 1681.97, True), (0.0, 0.50033, 38.1355, False)):
        k = np.tan(np.pi * corner / RATE)
        denominator = [1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k]
        if shelf:
            high = 10 ** (gain_db / 20)
            band = high**0.499667
            numerator = [
                high + band * k / quality + k * k,
                2 * (k * k - high),
                high - band * k / quality + k * k,
            ]
        else:
            numerator = [1.0, -2.0, 1.0]
            denominator = [term / denominator[0] for term in denominator]
        _, values = freqz(numerator, denominator, worN=np.pi * np.arange(_BINS) / (_BINS - 1))
        response *= np.abs(values) ** 2
    return response.astype(np.float32)
