"""The demo's music folder: a handful of real files of different formats, tempos and keys, and one broken one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ops.audio.encode import write_track


@dataclass(frozen=True, slots=True)
class DemoTrack:
    file: str
    title: str
    artist: str
    bpm: float
    key: str
    style: str
    seconds: float
    intensity: float
    seed: int


DEMO_TRACKS = (
    DemoTrack("harbour-lights.flac", "Harbour Lights", "The Tidewater Band", 128.0, "C major", "house", 30, 0.7, 0),
    DemoTrack("night-bus.mp3", "Night Bus", "Mira Holt", 92.0, "A minor", "hip hop", 36, 0.5, 1),
    DemoTrack("glass-tower.ogg", "Glass Tower", "Parallel Nine", 138.0, "F# minor", "trance", 32, 0.95, 2),
    DemoTrack("paper-boats.wav", "Paper Boats", "Elin Sand", 76.0, "Eb major", "ballad", 24, 0.35, 3),
    DemoTrack("rolling-stock.m4a", "Rolling Stock", "Junction", 174.0, "G minor", "drum and bass", 28, 0.9, 4),
    DemoTrack("sunday-market.mp3", "Sunday Market", "The Tidewater Band", 112.0, "D major", "pop", 30, 0.6, 5),
)
BROKEN_FILE = "scratched-disc.mp3"


def write_demo(folder: Path) -> list[Path]:
    """Write the demo's files; those already there are kept. Returns their paths, the broken one last."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for track in DEMO_TRACKS:
        path = folder / track.file
        if not path.exists():
            write_track(
                path,
                bpm=track.bpm,
                key=track.key,
                seconds=track.seconds,
                style=track.style,
                intensity=track.intensity,
                seed=track.seed,
                tags={"title": track.title, "artist": track.artist, "album": "Demo"},
            )
        written.append(path)
    broken = folder / BROKEN_FILE
    if not broken.exists():
        write_noise(broken)
    return [*written, broken]


def write_noise(path: Path, *, size: int = 40_000, seed: int = 0) -> None:
    """Random bytes: a file that no decoder can make sense of, whatever its name says."""
    path.write_bytes(np.random.default_rng(seed).bytes(size))
