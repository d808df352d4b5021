"""What the benchmark of boundaries measures with."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from ops.bench.midi import at_tempo, read_score
from ops.bench.mixes import RATE, Mix, mixed
from ops.bench.tracklist import Counts, Heard, counted, matched


def heard(*starts: float) -> Heard:
    return Heard(tuple((start, 0.5) for start in starts), 0.5, 600.0, 1.0, 100.0, 90.0)


def test_each_boundary_counts_for_one_only_and_the_nearest_pairs_first() -> None:
    assert matched([98, 101, 300], [100, 200], 5) == [False, True, False]
    assert matched([104, 96], [100, 108], 5) == [True, False]
    assert matched([], [100], 5) == []
    assert matched([95.0], [100], 5) == [True]


def test_counts_are_summed_over_the_mixes() -> None:
    mixes = [Mix(Path("a"), (100.0, 200.0), 300.0, "cut"), Mix(Path("b"), (50.0,), 100.0, "cut")]
    counts = counted(zip(mixes, [heard(101, 150, 199), heard()], strict=True), 5.0)
    assert (counts.there, counts.found, counts.right) == (3, 3, 2)
    assert (counts.precision, counts.recall, counts.f_measure) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert Counts(0, 0, 0).f_measure == 0


def tones(*seconds: float) -> list[np.ndarray]:
    """Sines with a second of silence on both sides."""
    made = []
    for number, length in enumerate(seconds, start=1):
        tone = np.sin(2 * np.pi * 220 * number * np.arange(round(length * RATE)) / RATE).astype(np.float32)
        made.append(np.pad(tone / np.float32(number), RATE))
    return made


def test_tracks_are_joined_without_their_silence_and_equally_loud() -> None:
    samples, starts = mixed(tones(30, 40, 35), "cut", random.Random(1))
    assert starts == pytest.approx((30, 70), abs=0.2)
    assert samples.size / RATE == pytest.approx(105, abs=0.4)
    first, last = samples[: 30 * RATE], samples[-30 * RATE :]
    assert first.std() == pytest.approx(last.std(), rel=0.02)
    assert np.abs(samples).max() == pytest.approx(0.9, abs=0.01)


def test_gaps_come_before_the_starts_and_fades_around_them() -> None:
    samples, starts = mixed(tones(30, 40), "gaps", random.Random(1))
    begin = round(starts[0] * RATE)
    assert np.abs(samples[begin - RATE // 4 : begin - 1]).max() == 0
    assert np.abs(samples[begin : begin + RATE // 4]).max() > 0.1
    samples, starts = mixed(tones(30, 40), "faded", random.Random(1))
    length = 70 - samples.size / RATE
    assert 2 <= length <= 12.3
    assert starts[0] == pytest.approx(30 - length / 2, abs=0.3)


def test_a_midi_file_is_given_one_tempo(tmp_path: Path) -> None:
    path = tmp_path / "song.mid"
    events = b"\x00\xff\x51\x03\x06\x1a\x80" + b"\x9e\x00\x90\x3c\x40" + b"\x00\xff\x51\x03\x09\x27\xc0"
    events += b"\x9e\x00\x90\x3e\x40" + b"\x00\xff\x2f\x00"
    header = b"MThd" + bytes((0, 0, 0, 6, 0, 0, 0, 1, 1, 0xE0))
    path.write_bytes(header + b"MTrk" + len(events).to_bytes(4, "big") + events)
    assert read_score(path).steady_share < 1
    changed = tmp_path / "changed.mid"
    changed.write_bytes(at_tempo(path, 122))
    score = read_score(changed)
    assert (score.bpm, score.steady_share) == (pytest.approx(122, abs=0.01), 1)
    assert changed.stat().st_size == path.stat().st_size
