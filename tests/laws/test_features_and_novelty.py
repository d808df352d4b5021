"""What is computed of the samples, held against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.analysis.audio import RATE
from stages.tracklist.boundary_model import GROUPS, SCALES
from stages.tracklist.evidence import LEAST_CONTEXT, PATCH, PATCH_HOP, evidence_of
from stages.tracklist.features import Features, features_of
from stages.tracklist.recurrence import recurrence

SECONDS, PARTED_SECONDS = 20, 8


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Two kinds of noise, one after the other, with half a second of silence between them."""
    random = np.random.default_rng(3)
    sound = random.standard_normal(SECONDS * RATE).astype(np.float32) * np.float32(0.1)
    sound[sound.size // 2 :] = np.convolve(sound[sound.size // 2 :], np.ones(40) / 6, mode="same")
    sound[sound.size // 2 - RATE // 2 : sound.size // 2] = 0
    return sound


@pytest.fixture(scope="module")
def whole(noise: np.ndarray) -> Features:
    return features_of([noise.copy()])


def test_features_have_a_row_for_each_half_second(whole: Features) -> None:
    assert [rows.shape for rows in (whole.timbre, whole.chroma, whole.rhythm)] == [(40, 15), (40, 12), (40, 28)]
    assert len(whole.level_db) == 200
    assert whole.seconds == SECONDS
    assert all(np.isfinite(rows).all() for rows in (whole.timbre, whole.chroma, whole.rhythm, whole.level_db))
    assert whole.level_db[96:99].max() == pytest.approx(-100)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, PARTED_SECONDS * RATE - 1), max_size=6))
def test_features_do_not_depend_on_how_the_samples_come(cuts: list[int]) -> None:
    random = np.random.default_rng(4)
    sound = random.standard_normal(PARTED_SECONDS * RATE).astype(np.float32) * np.float32(0.1)
    whole = features_of([sound.copy()])
    parted = features_of(part.copy() for part in np.split(sound, sorted(cuts)) if part.size)
    for name in ("timbre", "chroma", "rhythm", "level_db"):
        np.testing.assert_allclose(getattr(parted, name), getattr(whole, name), atol=2e-3)


def test_features_do_not_depend_on_how_loud_the_recording_is(noise: np.ndarray, whole: Features) -> None:
    quiet = features_of([noise * np.float32(0.05)])
    for name in ("timbre", "chroma", "rhythm"):
        np.testing.assert_allclose(getattr(quiet, name), getattr(whole, name), atol=0.02)


def test_what_is_no_number_counts_as_silence() -> None:
    broken = np.full(4 * RATE, np.nan, dtype=np.float32)
    assert features_of([broken]).level_db.max() == pytest.approx(-100)


def test_nothing_has_no_features() -> None:
    assert features_of([]).blocks == 0


def test_the_repetition_of_a_steady_beat_is_highest_at_its_period() -> None:
    clicks = np.zeros(SECONDS * RATE, dtype=np.float32)
    clicks[:: RATE // 2] = 0.5
    rhythm = features_of([clicks]).rhythm[10:30].mean(axis=0)
    lags = np.unique(np.round(10 * 2 ** np.arange(0, 3.4, 1 / 8)).astype(int)) / 50
    assert lags[int(rhythm.argmax())] == pytest.approx(0.5, abs=0.05)


def random_features(blocks: int) -> Features:
    random = np.random.default_rng(5)
    rows = {name: random.standard_normal((blocks, size)).astype(np.float32) for name, size in SIZES.items()}
    level = random.uniform(-60, -10, blocks * 5).astype(np.float32)
    return Features(**rows, level_db=level, seconds=blocks / 2)


SIZES = {"timbre": 15, "chroma": 12, "rhythm": 28}


def test_novelty_is_a_checkerboard_over_the_similarities_of_all_blocks() -> None:
    features = random_features(90)
    evidence = evidence_of(features)
    random = np.random.RandomState(list(GROUPS).index("chroma"))
    scale = GROUPS["chroma"][0]
    directions = random.standard_normal((12, 128)) / np.sqrt(12) / scale
    embedded = np.cos(features.chroma @ directions + random.uniform(0, 2 * np.pi, 128)) * np.sqrt(2 / 128)
    similarities = embedded @ embedded.T
    place, scale = 40, SCALES[0]
    signs = np.zeros(90)
    signs[place - scale : place], signs[place : place + scale] = -1 / scale, 1 / scale
    checkerboard = np.outer(signs, signs)
    column = list(GROUPS).index("chroma") * len(SCALES)
    novelty = evidence.values[place, column]
    assert novelty == pytest.approx(np.sqrt((checkerboard * similarities).sum()), rel=1e-3)
    assert (evidence.values[:LEAST_CONTEXT, :-1] == 0).all()
    assert (evidence.values[-LEAST_CONTEXT:, :-1] == 0).all()


def test_evidence_of_a_long_file_is_that_of_its_parts() -> None:
    """Longer than what is looked at at once."""
    long = random_features(5000)
    cut = slice(4000, 4400)
    part = Features(long.timbre[cut], long.chroma[cut], long.rhythm[cut], long.level_db[20_000:22_000], seconds=200.0)
    inside = slice(max(SCALES), 400 - max(SCALES))
    expected, found = evidence_of(part), evidence_of(long)
    np.testing.assert_allclose(found.values[cut][inside, :-1], expected.values[:-1][inside, :-1], atol=1e-5)
    first = 4000 // PATCH_HOP
    for all_patches, own in zip(found.patches, expected.patches, strict=True):
        assert len(all_patches) == (5000 - PATCH) // PATCH_HOP + 1
        np.testing.assert_allclose(all_patches[first : first + len(own)], own, atol=1e-5)


def test_what_comes_back_is_told_from_what_does_not() -> None:
    """Two motifs in turn, then two others: only where the others begin is nothing heard again."""
    random = np.random.default_rng(6)
    motifs = random.standard_normal((4, 128)).astype(np.float32)
    order = [0, 0, 0, 1, 1, 1] * 5 + [2, 2, 2, 3, 3, 3] * 5
    patches = motifs[order] + random.standard_normal((60, 128)).astype(np.float32) * np.float32(0.1)
    patches /= np.linalg.norm(patches, axis=1, keepdims=True)
    within, between = (recurrence((patches,), place * PATCH_HOP) for place in (15, 30))
    assert between[0] > 0.6 > 0.3 > within[0]
    assert between[1] > 0.6 > 0.3 > within[1]


def test_at_the_edges_nothing_is_said_of_what_comes_back() -> None:
    patches = evidence_of(random_features(60)).patches
    assert (recurrence(patches, 2) == 0).all()
    assert (recurrence(patches, 59) == 0).all()
