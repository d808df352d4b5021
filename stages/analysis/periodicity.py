"""How regularly something begins: spectrum and autocorrelation of onset curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from stages.analysis.surface import FRAME_RATE

WINDOW_SECONDS = 12.0
"""Long enough for two bars of the slowest tempo, short enough that a drifting one is still one peak."""

_WINDOW = round(WINDOW_SECONDS * FRAME_RATE)
_SIZE = 8192
_NORMALISED_HZ = (0.6, 12.0)
_OVERSAMPLING = 8
# A steady tone ripples by less, a quiet onset stands out by ten times more.
_FAINTEST_ONSET = 0.008

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Periodicity:
    """What repeats in the two onset curves (all bands, low bands).

    Attributes:
        amplitude: (2, bins), spectrum averaged over windows of 12 s, 1 at its strongest within 0.6 to 12 Hz.
        correlation: (2, lags), autocorrelation by lag in frames, 1 at lag 0.
        long_spectra: for each span, the power of its first curve over its whole length, and the bins in a hertz.
    """

    amplitude: Curve
    correlation: Curve
    long_spectra: tuple[tuple[Curve, float], ...]

    def amplitude_at(self, hertz: Curve) -> Curve:
        """Amplitude near frequencies of any shape; (2, *shape)."""
        return _nearby(self.amplitude, hertz * (_SIZE / FRAME_RATE), 0.015)

    def correlation_at(self, seconds: Curve) -> Curve:
        """Autocorrelation near lags of any shape; (2, *shape)."""
        return _nearby(self.correlation, seconds * FRAME_RATE, 0.01)

    def long_power_at(self, hertz: Curve) -> Curve:
        """Power of the whole spans at frequencies of any shape, added up over the spans."""
        total = np.zeros(hertz.shape)
        for power, bins_per_hertz in self.long_spectra:
            total += np.interp(hertz * bins_per_hertz, np.arange(power.size), power, right=0.0)
        return total


def periodicity(curves: list[NDArray[np.float32]]) -> Periodicity | None:
    """Of the onset curves of all spans, each (2, frames); None where nothing begins."""
    curves = [curve / curve[0].std() for curve in curves if curve[0].max() > _FAINTEST_ONSET]
    power = np.zeros((2, _SIZE // 2 + 1))
    for curve in curves:
        for start in range(0, max(1, curve.shape[1] - _WINDOW // 2), _WINDOW // 2):
            part = curve[:, start : start + _WINDOW]
            power += _power(part, _SIZE)
    if not curves:
        return None
    correlation = scipy.fft.irfft(power, axis=1)[:, : _SIZE // 2]
    taper = _taper_correlation(min(_WINDOW, max(curve.shape[1] for curve in curves)))
    correlation /= np.maximum(correlation[:, :1], 1e-12) * taper
    amplitude = np.sqrt(power)
    frequencies = np.arange(amplitude.shape[1]) * FRAME_RATE / _SIZE
    inside = (frequencies > _NORMALISED_HZ[0]) & (frequencies < _NORMALISED_HZ[1])
    amplitude /= np.maximum(amplitude[:, inside].max(axis=1, keepdims=True), 1e-12)
    long_spectra = []
    for curve in curves:
        size = scipy.fft.next_fast_len(curve.shape[1] * _OVERSAMPLING, real=True)
        long_spectra.append((_power(curve[:1], size)[0], size / FRAME_RATE))
    return Periodicity(amplitude, correlation, tuple(long_spectra))


def _power(curves: NDArray[np.float32], size: int) -> Curve:
    window = np.hanning(curves.shape[1] + 2)[1:-1]
    centred = (curves - curves.mean(axis=1, keepdims=True)) * window
    spectrum: Curve = np.abs(scipy.fft.rfft(centred, size, axis=1)) ** 2
    return spectrum


def _taper_correlation(length: int) -> Curve:
    """What windowing alone does to the autocorrelation at each lag; at least 0.05, below which noise is blown up."""
    spectrum = np.abs(scipy.fft.rfft(np.hanning(length + 2)[1:-1], _SIZE)) ** 2
    taper = scipy.fft.irfft(spectrum)[: _SIZE // 2]
    return np.asarray(np.maximum(taper / taper[0], 0.05))


def _nearby(rows: Curve, places: Curve, tolerance: float) -> Curve:
    """The highest value of each row within `tolerance` (a share) of fractional places; 0 beyond the end."""
    grid = np.arange(rows.shape[1])
    around = places[..., None] * np.array([1 - tolerance, 1.0, 1 + tolerance])
    return np.stack([np.interp(around, grid, row, right=0.0).max(axis=-1) for row in rows])
