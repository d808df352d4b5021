"""What is found in music of known tempo, key and energy, and in what is no music."""

from __future__ import annotations

import numpy as np
import pytest

from stages.analysis import energy, key, tempo
from stages.analysis.audio import RATE, Audio
from stages.analysis.names import KEY_NAMES


def test_flac_of_128_bpm_in_c_major_is_found_to_be_that(flac_in_c, analyse):
    results = analyse(flac_in_c)
    assert results["bpm"] == pytest.approx(128, rel=0.005)
    assert results["key"] == "C major"
    assert 0 <= results["energy"] <= 1
    assert (results["camelot"], results["open_key"]) == ("8B", "1d")
    assert results["duration_seconds"] == pytest.approx(20, abs=0.05)


@pytest.mark.parametrize(
    ("bpm", "name", "style"),
    [(76, "Eb major", "ballad"), (92, "A minor", "hip hop"), (112, "D major", "pop"), (138, "F# minor", "trance")],
)
def test_tempo_and_key_are_found_across_styles(bpm, name, style, composed, context):
    audio = composed(bpm, name, style)
    assert tempo(audio, context).bpm == pytest.approx(bpm, rel=0.005)
    assert KEY_NAMES[key(audio, context).index] == name


def test_only_what_was_asked_for_is_computed(flac_in_c, analyse):
    assert not {"key", "camelot", "energy", "loudness_lufs"} & analyse(flac_in_c, "bpm").keys()
    assert not {"bpm", "bpm_confidence", "energy"} & analyse(flac_in_c, "key").keys()
    assert "energy" in analyse(flac_in_c, "energy")


def test_every_found_value_comes_with_a_confidence(flac_in_c, analyse):
    results = analyse(flac_in_c)
    for name in ("bpm", "key", "energy"):
        assert 0 <= results[f"{name}_confidence"] <= 1


def test_progress_never_goes_back_over_all_steps(flac_in_c, analyse, context):
    analyse(flac_in_c)
    assert context.fractions == sorted(context.fractions)
    assert context.fractions[-1] <= 1
    assert {"decoding", "tempo", "key", "energy"} <= set(context.messages)


@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_gain_changes_neither_tempo_nor_key(gain, composed, context):
    audio = composed(112, "D major", "pop")
    scaled = Audio((audio.spans[0] * np.float32(gain),), audio.duration_seconds, audio.wanted)
    assert tempo(scaled, context).bpm == pytest.approx(tempo(audio, context).bpm, rel=1e-3)
    assert key(scaled, context).index == key(audio, context).index


def test_energy_grows_with_gain_and_stays_within_its_range(composed, context):
    audio = composed(138, "F# minor", "trance")
    values = [
        energy(Audio((audio.spans[0] * np.float32(gain),), 15, audio.wanted), context).value
        for gain in (0.003, 0.03, 0.1, 0.3, 1, 3, 30)
    ]
    assert values == sorted(values)
    assert values[1] < values[2] < values[3] < values[4]
    assert all(0 <= value <= 1 for value in values)


def test_busy_loud_music_has_more_energy_than_a_quiet_ballad(composed, context):
    loud = energy(composed(138, "F# minor", "trance", intensity=1.0), context).value
    quiet = energy(composed(76, "Eb major", "ballad", intensity=0.2), context).value
    assert loud > quiet + 0.15


def test_key_is_found_away_from_concert_pitch(composed, context):
    found = key(composed(112, "D major", "pop", tuning_cents=38.0), context)
    assert KEY_NAMES[found.index] == "D major"
    assert found.tuning_cents == pytest.approx(38, abs=8)


def test_silence_has_neither_tempo_nor_key_nor_energy(audio_of, context):
    audio = audio_of(np.zeros(10 * RATE))
    assert (tempo(audio, context), key(audio, context), energy(audio, context)) == (None, None, None)


def test_loudness_of_a_full_scale_sine_is_as_the_standard_says(audio_of, context):
    # BS.1770-4: a 997 Hz sine at full scale in one channel reads -3.01 LUFS.
    sine = np.sin(2 * np.pi * 997 * np.arange(5 * RATE) / RATE)
    assert energy(audio_of(sine), context).loudness_lufs == pytest.approx(-3.01, abs=0.1)
