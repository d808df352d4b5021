"""Peaks and RMS of equal parts, whatever pieces the samples come in and however many they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.waveform import peaks as module
from stages.waveform.peaks import POINTS, Peaks, Waveform

SAMPLES = arrays(np.float32, st.integers(1, 5000), elements=st.floats(-1, 1, width=32))


def waveform_of(samples: np.ndarray, *cuts: int) -> Waveform:
    peaks = Peaks()
    for piece in np.split(samples, sorted(cut % samples.size for cut in cuts)):
        peaks.add(piece)
    return peaks.waveform()


def parts(samples: np.ndarray) -> list[np.ndarray]:
    points = min(POINTS, samples.size)
    return np.split(samples, (np.arange(1, points) * samples.size) // points)


@settings(max_examples=100, deadline=None)
@given(SAMPLES, st.lists(st.integers(0, 10_000), max_size=8))
def test_every_part_has_its_own_lowest_and_highest_sample_and_power(samples, cuts):
    found = waveform_of(samples, *cuts)
    expected = parts(samples)
    assert found.low.tolist() == [round(float(part.min()) * 127) for part in expected]
    assert found.high.tolist() == [round(float(part.max()) * 127) for part in expected]
    power = [np.sqrt(np.mean(np.square(part, dtype=np.float64))) * 255 for part in expected]
    assert np.abs(found.rms - np.array(power)).max() <= 0.501
    assert found.samples == samples.size


@settings(max_examples=20)
@given(st.integers(1, 2_000_000), st.lists(st.integers(0, 2_000_000), max_size=5))
def test_the_shape_does_not_depend_on_the_pieces(size, cuts):
    samples = np.sin(np.arange(size, dtype=np.float32) / 1000) * np.linspace(0, 1, size, dtype=np.float32)
    whole, pieced = waveform_of(samples), waveform_of(samples, *cuts)
    for name in ("low", "high", "rms"):
        assert np.array_equal(getattr(whole, name), getattr(pieced, name))


def test_a_long_file_is_as_right_as_its_blocks_are_short(monkeypatch):
    rng = np.random.default_rng(1)
    ramp = np.linspace(0, 1, 3_000_000, dtype=np.float32)
    samples = ramp * rng.uniform(-1, 1, ramp.size).astype(np.float32)
    found = waveform_of(samples, 1_000_001)
    expected = parts(samples)
    high = np.array([part.max() for part in expected]) * 127
    assert found.low.size == POINTS
    assert np.abs(found.high - high).max() <= 2
    assert np.abs(found.low - np.array([part.min() for part in expected]) * 127).max() <= 2


def test_memory_stays_the_same_however_much_is_added(monkeypatch):
    monkeypatch.setattr(module, "_MOST_BLOCKS", 4096)
    peaks = Peaks()
    for _ in range(300):
        peaks.add(np.full(100_003, 0.5, dtype=np.float32))
        assert peaks._blocks < 4096
        assert peaks._rest.size < peaks._block
    found = peaks.waveform()
    assert found.samples == 300 * 100_003
    assert set(found.high.tolist()) == {64}
    assert set(found.rms.tolist()) == {128}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_silence(value):
    found = waveform_of(np.array([0.5, value, -0.5], dtype=np.float32))
    assert found.high.tolist() == [64, 0, -64]


def test_what_is_over_full_scale_is_full_scale():
    found = waveform_of(np.array([3.0, -3.0], dtype=np.float32))
    assert (found.high.tolist(), found.low.tolist(), found.rms.tolist()) == ([127, -127], [127, -127], [255, 255])


def test_of_nothing_there_is_no_waveform():
    with pytest.raises(ValueError, match="no samples"):
        Peaks().waveform()
