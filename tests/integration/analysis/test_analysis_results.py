"""What is found in music of known tempo, key and energy, and in what is no music."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    scaled = Audio(audio.assignment, (audio.spans[0] * np.float32(gain),), audio.duration_seconds)
    assert tempo(scaled, context).bpm == pytest.approx(tempo(audio, context).bpm, rel=1e-3)
    assert key(scaled, context).index == key(audio, context).index


def test_energy_grows_with_gain_and_stays_within_its_range(composed, context):
    audio = composed(138, "F# minor", "trance")
    values = [
        energy(Audio(audio.assignment, (audio.spans[0] * np.float32(gain),), 15), context).value
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


def test_noise_has_energy_but_neither_tempo_nor_key(audio_of, context):
    audio = audio_of(np.random.default_rng(1).normal(0, 0.1, 12 * RATE))
    assert tempo(audio, context) is None
    assert key(audio, context) is None
    assert energy(audio, context).value > 0


@pytest.mark.parametrize("hertz", [100.0, 440.0, 3000.0])
def test_steady_tone_has_no_tempo_and_no_certain_key(hertz, audio_of, context):
    audio = audio_of(0.5 * np.sin(2 * np.pi * hertz * np.arange(12 * RATE) / RATE))
    assert tempo(audio, context) is None
    found = key(audio, context)
    assert found is None or found.confidence < 0.2


@pytest.mark.parametrize("bpm", [60, 93.7, 120, 171])
def test_metronome_has_a_tempo_but_no_key(bpm, audio_of, context):
    samples = np.zeros(20 * RATE)
    click = np.exp(-np.arange(300) / 40)
    for start in np.arange(0.2, 19, 60 / bpm):
        samples[round(start * RATE) :][: click.size] += click
    found = tempo(audio_of(samples), context)
    assert any(bpm == pytest.approx(other, rel=0.005) for other in (found.bpm, *found.alternatives))
    assert key(audio_of(samples), context) is None


def test_constant_offset_counts_as_silence(audio_of, context):
    audio = audio_of(np.full(5 * RATE, 0.5))
    assert (tempo(audio, context), key(audio, context), energy(audio, context)) == (None, None, None)


def test_clip_too_short_for_a_tempo_still_has_energy(composed, context):
    short = composed(120, "C major", "house", 3.0)
    assert tempo(short, context) is None
    assert energy(short, context) is not None


def test_alternatives_differ_from_the_tempo_and_from_each_other(composed, context):
    found = tempo(composed(138, "F# minor", "trance"), context)
    tempos = sorted((found.bpm, *found.alternatives))
    assert len(tempos) > 1
    assert all(higher / lower > 1.02 for lower, higher in itertools.pairwise(tempos))


def test_drum_and_bass_offers_half_its_tempo_as_an_alternative(composed, context):
    found = tempo(composed(174, "G minor", "drum and bass"), context)
    assert {round(bpm) for bpm in (found.bpm, *found.alternatives)} >= {87, 174}


def test_tempo_joins_spans_that_lie_anywhere_in_the_file(composed, context):
    whole = composed(112, "D major", "pop", 24.0).spans[0]
    spans = (whole[: 9 * RATE], whole[round(13.13 * RATE) :])
    found = tempo(Audio(composed(112, "D major", "pop").assignment, spans, 300.0), context)
    assert found.bpm == pytest.approx(112, rel=0.005)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from(["noise", "steps", "sparse", "huge", "tiny"]))
def test_any_samples_give_values_within_their_range_or_none(seed, shape, audio_of, context):
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.2, int(rng.integers(RATE, 5 * RATE)))
    if shape == "steps":
        samples = np.sign(samples)
    elif shape == "sparse":
        samples[rng.random(samples.size) > 0.001] = 0
    elif shape == "huge":
        samples *= 1e6
    elif shape == "tiny":
        samples *= 1e-9
    audio = audio_of(samples)
    found = (tempo(audio, context), key(audio, context), energy(audio, context))
    assert all(part is None or 0 <= part.confidence <= 1 for part in found)
    assert found[0] is None or 45 <= found[0].bpm <= 225
    assert found[2] is None or 0 <= found[2].value <= 1


def test_silence_has_neither_tempo_nor_key_nor_energy(audio_of, context):
    audio = audio_of(np.zeros(10 * RATE))
    assert (tempo(audio, context), key(audio, context), energy(audio, context)) == (None, None, None)


def test_loudness_of_a_full_scale_sine_is_as_the_standard_says(audio_of, context):
    # BS.1770-4: a 997 Hz sine at full scale in one channel reads -3.01 LUFS.
    sine = np.sin(2 * np.pi * 997 * np.arange(5 * RATE) / RATE)
    assert energy(audio_of(sine), context).loudness_lufs == pytest.approx(-3.01, abs=0.1)
