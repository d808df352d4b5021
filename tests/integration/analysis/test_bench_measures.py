"""What the benchmark measures with."""

from __future__ import annotations

import struct

import pytest

from ops.bench.analysis import mirex_score
from ops.bench.midi import read_score


def midi_file(*events: bytes, division: int = 480) -> bytes:
    track = b"".join(events) + b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, division) + b"MTrk" + struct.pack(">I", len(track)) + track


def tempo_event(delta: bytes, bpm: float) -> bytes:
    return delta + b"\xff\x51\x03" + round(60_000_000 / bpm).to_bytes(3, "big")


@pytest.mark.parametrize(
    ("found", "score"),
    [("C major", 1), ("G major", 0.5), ("F major", 0.5), ("A minor", 0.3), ("C minor", 0.2), ("D major", 0), (None, 0)],
)
def test_mirex_score_of_a_guess_at_c_major(found, score):
    assert mirex_score(found, "C major") == score


def test_mirex_score_of_the_relative_major_of_a_minor_key():
    assert mirex_score("C major", "A minor") == 0.3
    assert mirex_score("F# major", "A minor") == 0


def test_midi_file_gives_the_tempo_that_most_of_it_is_played_at(tmp_path):
    path = tmp_path / "song.mid"
    note, later = b"\x00\x90\x3c\x40", b"\x9e\x00\x3c\x00"
    path.write_bytes(
        midi_file(tempo_event(b"\x00", 90), note, later, tempo_event(b"\x00", 140), note, later, later, later)
    )
    score = read_score(path)
    assert score.bpm == pytest.approx(140, abs=0.01)
    assert 0.5 < score.steady_share < 0.8


def test_midi_key_signature_is_named_as_the_analysis_names_it(tmp_path):
    path = tmp_path / "song.mid"
    path.write_bytes(midi_file(b"\x00\xff\x59\x02\xfd\x00", b"\x00\xff\x59\x02\x03\x01", b"\x00\x90\x3c\x40"))
    assert read_score(path).key_signatures == ("Eb major", "F# minor")


def test_file_that_is_not_midi_is_refused(tmp_path):
    path = tmp_path / "song.mid"
    path.write_bytes(b"RIFF" + bytes(40))
    with pytest.raises(ValueError, match="not a MIDI file"):
        read_score(path)
