"""What is heard of a file, twice a second: sound colour, harmony, rhythm, and ten times a second its level.

Everything is computed as the samples come, and only the features stay: 240 bytes for half a second, 17 MB for ten
hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stages.analysis.audio import RATE, Samples

Array = NDArray[np.float32]

BLOCK_SECONDS = 0.5
LEVELS_A_SECOND = 10

_SIZE, _HOP = 4096, RATE // LEVELS_A_SECOND
_FRAMES_IN_BLOCK = round(BLOCK_SECONDS * LEVELS_A_SECOND)
_ONSET_SIZE, _ONSETS_A_SECOND = 1024, 50
_ONSET_HOP = RATE // _ONSETS_A_SECOND
_RHYTHM_FRAMES = 6 * _ONSETS_A_SECOND
_AT_ONCE = 20 * RATE

_COLOURS = 36
_LOWEST_COLOUR, _HIGHEST_COLOUR = 40.0, 10_000.0
_COEFFICIENTS = slice(1, 16)
_RANGE_DB = 60.0
_LOWEST_NOTE, _HIGHEST_NOTE, _CLEAREST_NOTE = 60.0, 2200.0, 400.0
_ONSET_BANDS = (1, 10, 40, 150, 512)
_LAGS = np.unique(np.round(10 * 2 ** np.arange(0, 3.4, 1 / 8)).astype(int))
"""In frames of 1/50 s: 0.2 to 2.1 s, eight to the octave."""
_SILENT_POWER, _NO_POWER = 1e-10, 1e-20


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Attributes:
    timbre: float32, (blocks, 15): mel-frequency cepstral coefficients without the level.
    chroma: float32, (blocks, 12): the pitch classes, each block of length 1, less where it is all but silent.
    rhythm: float32, (blocks, lags): how much the onsets of six seconds repeat after each lag, 1 for wholly.
    level_db: float32, (tenths of a second,): power in dB, -100 for silence.
    seconds: how long the audio is.
    """

    timbre: Array
    chroma: Array
    rhythm: Array
    level_db: Array
    seconds: float

    @property
    def blocks(self) -> int:
        return len(self.timbre)


def features_of(pieces: Iterable[Samples]) -> Features:
    """The features of audio that comes in pieces: float32, (samples,), mono, 22 050 Hz.

    Sources: Davis & Mermelstein 1980 (mel-frequency cepstra); Fujishima 1999 (pitch classes); Foote & Uchihashi 2001,
    "The Beat Spectrum" (repetition of onsets).
    """
    listening = _Listening()
    waiting: list[Samples] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += piece.size
        if count >= _AT_ONCE:
            listening.hear(np.concatenate(waiting))
            waiting, count = [], 0
    if waiting:
        listening.hear(np.concatenate(waiting))
    return listening.features()


class _Listening:
    def __init__(self) -> None:
        self._spectra = _Framer(_SIZE, _HOP)
        self._onsets = _Framer(_ONSET_SIZE, _ONSET_HOP)
        self._blocks = _Framer(_FRAMES_IN_BLOCK, _FRAMES_IN_BLOCK, centred=False)
        self._levels = _Framer(_HOP, _HOP, centred=False)
        self._rhythms = _Framer(_RHYTHM_FRAMES, round(BLOCK_SECONDS * _ONSETS_A_SECOND))
        self._last_onset_spectrum: Array | None = None
        self._samples = 0
        self._colours: list[Array] = []
        self._chroma: list[Array] = []
        self._rhythm: list[Array] = []
        self._power: list[Array] = []

    def hear(self, samples: Samples) -> None:
        samples = np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        self._samples += samples.size
        self._power.append(np.square(self._levels.frames(samples)).mean(axis=1))
        self._look(samples)

    def features(self) -> Features:
        blocks = int(self._samples / RATE / BLOCK_SECONDS)
        self._look(np.zeros(round(4 * BLOCK_SECONDS * RATE) + _SIZE, dtype=np.float32))
        self._add_rhythm(np.zeros((_RHYTHM_FRAMES, len(_ONSET_BANDS) - 1), dtype=np.float32))
        colours, chroma, rhythm = (
            np.concatenate(each)[:blocks] for each in (self._colours, self._chroma, self._rhythm)
        )
        return Features(
            timbre=_cepstra(colours),
            chroma=_directions(chroma),
            rhythm=rhythm,
            level_db=_decibels(np.concatenate([*self._power, np.zeros(0, dtype=np.float32)]), _SILENT_POWER),
            seconds=self._samples / RATE,
        )

    def _look(self, samples: Samples) -> None:
        magnitudes = _magnitudes(self._spectra.frames(samples), _WINDOW)
        bands = np.concatenate([np.square(magnitudes) @ _MEL, np.sqrt(magnitudes) @ _PITCH_CLASSES], axis=1)
        blocks = self._blocks.frames(bands).mean(axis=1)
        self._colours.append(blocks[:, :_COLOURS])
        self._chroma.append(blocks[:, _COLOURS:])
        self._add_onsets(samples)

    def _add_onsets(self, samples: Samples) -> None:
        # The root is what makes it independent of how loud the recording is: only ratios count in the end.
        spectra = np.sqrt(_magnitudes(self._onsets.frames(samples), _ONSET_WINDOW))
        if not len(spectra):
            return
        before = spectra[:1] if self._last_onset_spectrum is None else self._last_onset_spectrum
        self._last_onset_spectrum = spectra[-1:]
        rises = np.maximum(np.diff(spectra, axis=0, prepend=before), 0)
        bands = [rises[:, low:high].mean(axis=1) for low, high in pairwise(_ONSET_BANDS)]
        self._add_rhythm(np.stack(bands, axis=1))

    def _add_rhythm(self, onsets: Array) -> None:
        windows = self._rhythms.frames(onsets)
        windows = windows - windows.mean(axis=1, keepdims=True)
        spectra = scipy.fft.rfft(windows, 2 * _RHYTHM_FRAMES, axis=1)
        repeated = scipy.fft.irfft(np.square(spectra.real) + np.square(spectra.imag), axis=1)
        repeated = repeated[:, _LAGS] / np.maximum(repeated[:, :1], _NO_POWER)
        self._rhythm.append(repeated.mean(axis=2).astype(np.float32))


class _Framer:
    """Overlapping frames of a signal, (values,) or (values, bands), that comes in pieces.

    Args:
        centred: whether the first frame's middle is the signal's first value.
    """

    def __init__(self, size: int, hop: int, *, centred: bool = True) -> None:
        self._size, self._hop = size, hop
        self._lead = size // 2 if centred else 0
        self._kept: Array | None = None

    def frames(self, values: Array) -> Array:
        """Those that can be made now: (frames, size) or (frames, size, bands)."""
        if self._kept is None:
            self._kept = np.zeros((self._lead, *values.shape[1:]), dtype=np.float32)
        kept = np.concatenate([self._kept, values])
        count = max(0, (len(kept) - self._size) // self._hop + 1)
        self._kept = kept[count * self._hop :].copy()
        if not count:
            return np.zeros((0, self._size, *values.shape[1:]), dtype=np.float32)
        frames = sliding_window_view(kept, self._size, axis=0)[:: self._hop][:count]
        return np.moveaxis(frames, -1, 1)


def _magnitudes(frames: Array, window: Array) -> Array:
    magnitudes: Array = np.abs(scipy.fft.rfft(frames * window, axis=1, overwrite_x=True))
    return magnitudes


def _window(size: int) -> Array:
    window: Array = (1 - np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    window *= np.float32(2 / window.sum())
    return window


def _decibels(power: Array, least: float) -> Array:
    decibels: Array = (10 * np.log10(power + np.float32(least))).astype(np.float32)
    return decibels


def _cepstra(powers: Array) -> Array:
    """Of mel powers: what is more than 60 dB below the loud parts counts as silence."""
    decibels = _decibels(powers, _NO_POWER)
    if decibels.size:
        decibels = np.maximum(decibels, np.percentile(decibels, 95) - _RANGE_DB)
    cepstra: Array = scipy.fft.dct(decibels, axis=1, norm="ortho")[:, _COEFFICIENTS].astype(np.float32)
    return cepstra


def _directions(chroma: Array) -> Array:
    lengths = np.linalg.norm(chroma, axis=1, keepdims=True)
    quiet = 0.05 * np.median(lengths) if lengths.size else 0.0
    directions: Array = (chroma / np.maximum(lengths, max(quiet, _NO_POWER))).astype(np.float32)
    return directions


def _mel_bands() -> Array:
    """Triangles that are equally wide on the mel scale: (bins, bands)."""
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST_COLOUR, _HIGHEST_COLOUR))
    edges = 700 * (10 ** (np.linspace(lowest, highest, _COLOURS + 2) / 2595) - 1)
    hertz = np.arange(_SIZE // 2 + 1)[:, None] * RATE / _SIZE
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    weights = np.clip(np.minimum(rising, falling), 0, None)
    bands: Array = (weights / np.maximum(weights.sum(axis=0), 1e-9)).astype(np.float32)
    return bands


def _pitch_classes() -> Array:
    """How much each bin tells of each pitch class: (bins, 12)."""
    hertz = np.arange(1, _SIZE // 2 + 1) * RATE / _SIZE
    distance = (12 * np.log2(hertz / 440)[:, None] + 69 - np.arange(12) + 6) % 12 - 6
    clarity = np.exp(-0.5 * np.square(np.log2(hertz / _CLEAREST_NOTE) / 1.5))
    clarity[(hertz < _LOWEST_NOTE) | (hertz > _HIGHEST_NOTE)] = 0
    weights = np.exp(-0.5 * np.square(distance / 0.35)) * clarity[:, None]
    return np.concatenate([np.zeros((1, 12)), weights]).astype(np.float32)


_WINDOW, _ONSET_WINDOW = _window(_SIZE), _window(_ONSET_SIZE)
_MEL, _PITCH_CLASSES = _mel_bands(), _pitch_classes()
