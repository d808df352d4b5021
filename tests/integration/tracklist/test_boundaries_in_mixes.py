"""Tracks heard in real audio files: mixes made of generated music, and what is no mix."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.audio import TrackSpec, compose, encode
from ops.bench.mixes import RATE, mixed
from ops.bench.tracklist import fresh_process, listen
from pipeline.errors import Permanent, Transient
from stages.tracklist.found import Generated

Generate = Callable[..., Generated]
Samples = np.ndarray[Any, np.dtype[np.float32]]

SPECS = (
    TrackSpec(124, "A minor", 60, "house", 21, rate=RATE),
    TrackSpec(88, "C major", 70, "hip hop", 22, rate=RATE),
    TrackSpec(172, "F# minor", 55, "drum and bass", 23, rate=RATE),
    TrackSpec(104, "Eb major", 65, "pop", 24, rate=RATE),
)
MEMORY_MB = 200
"""What ten hours may take beside the libraries: 130 were measured. Their samples alone are 3 GB."""


@pytest.fixture(scope="module")
def tracks() -> list[Samples]:
    return [compose(spec).mean(axis=0) for spec in SPECS]


def written(path: Path, samples: Samples) -> Path:
    encode(path, np.stack([samples, samples]), rate=RATE)
    return path


def starts(generated: Generated) -> list[float]:
    return [entry.start_seconds for entry in generated.found.entries]


@pytest.mark.parametrize(
    ("how", "suffix", "within"), [("cut", "flac", 1.0), ("gaps", "mp3", 0.3), ("faded", "ogg", 5.0)]
)
def test_the_boundaries_of_a_mix_are_found(
    how: str, suffix: str, within: float, tracks: list[Samples], tmp_path: Path, generate: Generate
) -> None:
    samples, truth = mixed(tracks, how, random.Random(1))
    generated = generate(written(tmp_path / f"mix.{suffix}", samples), "audio")
    assert starts(generated) == pytest.approx([0, *truth], abs=within)
    found = generated.found
    assert found.source == "audio"
    assert found.duration_seconds == pytest.approx(samples.size / RATE, abs=0.1)
    assert found.confidence > 0.8
    assert all(entry.confidence is not None and entry.confidence > 0.5 for entry in found.entries)
    assert all(entry.title is None and entry.end_seconds is None for entry in found.entries)


def test_a_piece_of_music_is_one_track_however_it_is_built(
    tracks: list[Samples], tmp_path: Path, generate: Generate
) -> None:
    """A part without drums and one played an octave of loudness softer, and back again."""
    calm = compose(TrackSpec(124, "A minor", 60, "house", 21, intensity=0.3, rate=RATE)).mean(axis=0)
    song = np.concatenate([tracks[0][: 40 * RATE], calm[: 30 * RATE], tracks[0][: 40 * RATE]])
    generated = generate(written(tmp_path / "song.flac", song))
    assert starts(generated) == [0]
    assert generated.found.confidence > 0.5


def test_a_gap_within_a_piece_is_no_boundary(tracks: list[Samples], tmp_path: Path, generate: Generate) -> None:
    song = np.concatenate([tracks[0], np.zeros(RATE, dtype=np.float32), tracks[0]])
    assert starts(generate(written(tmp_path / "song.flac", song))) == [0]


def test_progress_goes_up_while_the_file_is_read(
    tracks: list[Samples], tmp_path: Path, generate: Generate, context: Any
) -> None:
    generate(written(tmp_path / "song.wav", tracks[0]), "audio")
    assert len(context.fractions) > 5
    assert all(one <= other for one, other in pairwise(context.fractions))
    assert context.fractions[-1] == pytest.approx(0.9)


def test_work_that_is_called_off_ends(tracks: list[Samples], tmp_path: Path, generate: Generate, context: Any) -> None:
    context.cancelled = True
    with pytest.raises(Transient) as ended:
        generate(written(tmp_path / "song.wav", tracks[0]), "audio")
    assert ended.value.error_code == "CANCELLED"


@pytest.mark.parametrize(("seconds", "tracks_found"), [(1.2, 1), (10, 1), (16, 1), (25, 1)])
def test_what_is_too_short_to_be_divided_is_one_track(
    seconds: float, tracks_found: int, tracks: list[Samples], tmp_path: Path, generate: Generate
) -> None:
    both = np.concatenate([tracks[0][: round(seconds * RATE / 2)], tracks[2][: round(seconds * RATE / 2)]])
    generated = generate(written(tmp_path / "short.wav", both), "audio")
    assert len(generated.found.entries) == tracks_found


def test_less_than_a_second_is_refused(tracks: list[Samples], tmp_path: Path, generate: Generate) -> None:
    with pytest.raises(Permanent) as refused:
        generate(written(tmp_path / "blip.wav", tracks[0][: RATE // 2]), "audio")
    assert refused.value.error_code == "AUDIO_TOO_SHORT"


@pytest.mark.parametrize("hint", ["audio", "auto"])
def test_in_silence_nothing_is_played(hint: str, tmp_path: Path, generate: Generate) -> None:
    path = written(tmp_path / "silence.flac", np.zeros(30 * RATE, dtype=np.float32))
    with pytest.raises(Permanent) as refused:
        generate(path, hint)
    assert refused.value.error_code == "NO_TRACKLIST"


def test_boundaries_around_damage_are_found(tracks: list[Samples], tmp_path: Path, generate: Generate) -> None:
    samples, truth = mixed(tracks[:2], "cut", random.Random(2))
    path = written(tmp_path / "mix.mp3", samples)
    content = bytearray(path.read_bytes())
    middle = len(content) // 4
    content[middle : middle + 20_000] = random.Random(3).randbytes(20_000)
    path.write_bytes(content)
    generated = generate(path, "audio")
    assert any(abs(start - truth[0]) <= 5 for start in starts(generated))
    assert any("damaged" in warning for warning in generated.warnings)


@pytest.mark.timeout(400)
def test_ten_hours_are_heard_in_bounded_memory(tracks: list[Samples], tmp_path: Path) -> None:
    """Music in three places of a file that is silent otherwise, in samples of 8 kHz."""
    path = tmp_path / "night.wav"
    places = (3600, 10_000, 35_000)
    sparse_wav(path, 36_000, [(place, resampled(tracks[index])) for index, place in enumerate(places)])
    with fresh_process() as process:
        heard = process.submit(listen, path).result()
    assert heard.seconds == 36_000
    found = [start for start, _ in heard.starts]
    assert all(min(abs(start - place) for start in found) <= 5 for place in places)
    assert len(found) <= 2 * len(places)
    assert heard.memory_mb - heard.idle_mb < MEMORY_MB


def resampled(samples: Samples) -> Samples:
    positions = np.arange(0, samples.size, RATE / 8000)
    return np.interp(positions, np.arange(samples.size), samples).astype(np.float32)


def sparse_wav(path: Path, seconds: int, sounds: Sequence[tuple[int, Samples]]) -> None:
    """A WAV of 16 bits and 8 kHz, whose silence is holes in the file."""
    size = seconds * 16_000
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16, b"data", size
    )
    path.write_bytes(header)
    os.truncate(path, size + len(header))
    with path.open("r+b") as file:
        for place, sound in sounds:
            file.seek(len(header) + place * 16_000)
            file.write((sound * 30_000).astype("<i2").tobytes())
