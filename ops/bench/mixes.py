"""Mixes whose boundaries are known: tracks joined, with gaps between them, or faded into each other."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

import av
import numpy as np

from ops.audio import TrackSpec, compose, encode, random_spec
from ops.audio.voices import Samples

RATE = 22_050
TUNED_SEED = 3000
"""The boundary model was fitted on generated tracks of seeds from here on."""
HOW = ("cut", "faded", "gaps", "faded")
"""How the tracks of one mix after the other are put together."""

_FADES, _GAPS = (2.0, 12.0), (0.3, 3.0)
_LOUDNESS, _PEAK = 0.1, 0.9
_SILENT_DB = -50.0
_SUFFIXES = (".flac", ".mp3", ".ogg", ".m4a")
_ONE_TEMPO, _STYLES_OF_ONE_TEMPO = 126.0, ("house", "techno", "disco")


@dataclass(frozen=True, slots=True)
class Mix:
    """Attributes:
    starts: where tracks begin, without the first, in seconds: the middle of a fade, the end of a gap.
    how: cut, gaps or faded.
    """

    path: Path
    starts: tuple[float, ...]
    seconds: float
    how: str


def mixed(tracks: Iterable[Samples], how: str, rng: random.Random) -> tuple[Samples, tuple[float, ...]]:
    """The tracks as one recording, each as loud as the others and without silence at its ends, and their starts.

    Args:
        tracks: float32, (samples,), mono, 22 050 Hz, each longer than two fades of 12 s.
    """
    whole = np.zeros(0, dtype=np.float32)
    starts: list[float] = []
    for track in tracks:
        track = _levelled(_trimmed(track))
        if not whole.size:
            whole = track
            continue
        if how == "faded":
            fade = round(rng.uniform(*_FADES) * RATE)
            angle = np.linspace(0, np.pi / 2, fade, dtype=np.float32)
            starts.append((whole.size - fade / 2) / RATE)
            across = whole[-fade:] * np.cos(angle) + track[:fade] * np.sin(angle)
            whole = np.concatenate([whole[:-fade], across, track[fade:]])
            continue
        gap = round(rng.uniform(*_GAPS) * RATE) if how == "gaps" else 0
        starts.append((whole.size + gap) / RATE)
        whole = np.concatenate([whole, np.zeros(gap, dtype=np.float32), track])
    return whole * np.float32(_PEAK / max(1e-9, np.abs(whole).max())), tuple(starts)


def generated_mixes(folder: Path, mixes: int, tracks: int = 7) -> Iterator[Mix]:
    """Of generated tracks of one to three minutes; every fourth mix at one tempo and of similar styles."""
    for number in range(mixes):
        rng = random.Random(100 + number)
        specs = [
            replace(random_spec(TUNED_SEED + number * 10 + track, seconds=rng.uniform(60, 180)), rate=RATE)
            for track in range(tracks)
        ]
        if number % 4 == 3:
            specs = [replace(spec, bpm=_ONE_TEMPO, style=rng.choice(_STYLES_OF_ONE_TEMPO)) for spec in specs]
        yield _written(folder, "generated", number, map(_composed, specs), rng)


def mixes_of_files(
    folder: Path, name: str, files: Sequence[Path], *, tracks: int, seconds: float, turns: int
) -> Iterator[Mix]:
    """Of audio files, each of them once in each turn, in an order of chance; those under 45 s are left out.

    Args:
        tracks: how many in a mix.
        seconds: how much of each file at most.
    """
    rng = random.Random(name)
    number = count()
    for _ in range(turns):
        shuffled = rng.sample(list(files), len(files))
        pieces = (samples for samples in (_loaded(path, seconds) for path in shuffled) if samples.size >= 45 * RATE)
        while len(some := list(islice(pieces, tracks))) > tracks // 2:
            yield _written(folder, name, next(number), some, rng)


def _written(folder: Path, name: str, number: int, tracks: Iterable[Samples], rng: random.Random) -> Mix:
    how = HOW[number % len(HOW)]
    samples, starts = mixed(tracks, how, rng)
    path = folder / f"{name}-{number}{_SUFFIXES[number % len(_SUFFIXES)]}"
    encode(path, np.stack([samples, samples]), rate=RATE)
    return Mix(path, starts, samples.size / RATE, how)


def _composed(spec: TrackSpec) -> Samples:
    samples: Samples = compose(spec).mean(axis=0, dtype=np.float32)
    return samples


def _loaded(path: Path, seconds: float) -> Samples:
    """The beginning of a file: float32, (samples,), mono, 22 050 Hz."""
    parts: list[Samples] = []
    read = 0.0
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            frame.pts = None
            parts += [ready.to_ndarray()[0] for ready in resampler.resample(frame)]
            read += frame.samples / frame.sample_rate
            if read > seconds:
                break
    samples = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    return samples[: round(seconds * RATE)]


def _trimmed(samples: Samples) -> Samples:
    """Without what is 50 dB below the loud parts at both ends."""
    size = RATE // 10
    levels = np.sqrt(np.square(samples[: samples.size // size * size].reshape(-1, size)).mean(axis=1))
    loud = np.flatnonzero(levels > np.percentile(levels, 90) * 10 ** (_SILENT_DB / 20))
    return samples[loud[0] * size : (loud[-1] + 1) * size] if loud.size else samples


def _levelled(samples: Samples) -> Samples:
    rms = float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    return samples * np.float32(_LOUDNESS / max(rms, 1e-9))
