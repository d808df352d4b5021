"""Files that a message may name and should not, or that are hard to bear. Made once, put in their places as links."""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

NOISE_BYTES = 100_000_000
LONG_SECONDS = 10 * 3600
_RATE = 2000


class Odd(StrEnum):
    """What is the matter with a file."""

    VANISHED = "a vanished file"
    OUTSIDE = "a path outside of the roots"
    LINK_OUT = "a symlink that leads out of the roots"
    EMPTY = "an empty file"
    NOISE = "100 MB of noise named .mp3"
    LONG = "a file of ten hours"


@dataclass(frozen=True, slots=True)
class Store:
    """Where they are kept, outside of the library.

    Attributes:
        folder: on the file system of the library, so that hard links can be made.
    """

    folder: Path
    song: Path

    @classmethod
    def filled(cls, folder: Path, song: Path) -> Store:
        (folder / "noise.mp3").write_bytes(np.random.default_rng(5).bytes(NOISE_BYTES))
        write_silence(folder / "long.wav", LONG_SECONDS)
        os.link(song, folder / "song.mp3")
        return cls(folder, song)

    def place(self, odd: Odd, folder: Path) -> Path:
        """The path to name; there is such a file in a folder of the library, or none, or it is elsewhere."""
        return _PLACED[odd](self, folder / uuid.uuid4().hex[:8])


def _outside(store: Store, path: Path) -> Path:
    return store.folder / "song.mp3"


def _link_out(store: Store, path: Path) -> Path:
    path.with_suffix(".mp3").symlink_to(store.folder / "song.mp3")
    return path.with_suffix(".mp3")


def _empty(store: Store, path: Path) -> Path:
    path.with_suffix(".mp3").touch()
    return path.with_suffix(".mp3")


def _linked(name: str) -> Callable[[Store, Path], Path]:
    def place(store: Store, path: Path) -> Path:
        target = path.with_suffix(Path(name).suffix)
        os.link(store.folder / name, target)
        return target

    return place


_PLACED: Mapping[Odd, Callable[[Store, Path], Path]] = {
    Odd.VANISHED: lambda store, path: path.with_suffix(".mp3"),
    Odd.OUTSIDE: _outside,
    Odd.LINK_OUT: _link_out,
    Odd.EMPTY: _empty,
    Odd.NOISE: _linked("noise.mp3"),
    Odd.LONG: _linked("long.wav"),
}


def write_silence(path: Path, seconds: int) -> None:
    """A WAV of 16-bit mono silence at 2 kHz, soon decoded, that takes no space on disk."""
    size = seconds * _RATE * 2
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, _RATE, _RATE * 2, 2, 16, b"data", size
    )
    path.write_bytes(head)
    os.truncate(path, len(head) + size)
