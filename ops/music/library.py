"""A library to run on: copies of the files, and some of them again in formats that the packages do not have."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from ops.audio.encode import encode
from ops.audio.voices import Samples

FORMATS = (".flac", ".m4a", ".opus")
_RATE = 44_100


def build(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Copy the files into the folder; the smallest ones once more, each in one of the other formats. All paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for file in files:
        written.append(folder / file.name)
        shutil.copyfile(file, written[-1])
    smallest = sorted(files, key=lambda file: (file.stat().st_size, file.name))
    # The very smallest are jingles of a few seconds.
    for file, suffix in zip(smallest[len(smallest) // 4 :], FORMATS, strict=False):
        written.append(folder / f"{file.stem} as {suffix[1:]}{suffix}")
        encode(written[-1], decoded(file), rate=_RATE, tags={"title": file.stem, "artist": "transcoded"})
    return written


def decoded(file: Path) -> Samples:
    """The whole file as float32, (2, samples), at 44 100 Hz."""
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=_RATE)
    parts: list[np.ndarray[Any, Any]] = []
    with av.open(str(file)) as container:
        for frame in container.decode(audio=0):
            parts += [ready.to_ndarray() for ready in resampler.resample(frame)]
        parts += [ready.to_ndarray() for ready in resampler.resample(None)]
    return np.concatenate(parts, axis=1).astype(np.float32)
