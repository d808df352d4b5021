"""The likeliest division of audio into tracks, held against trying all of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.tracklist.boundary_model import SHORTEST_TRACK_SECONDS, length_prior
from stages.tracklist.segmentation import divide

CANDIDATES = st.lists(
    st.tuples(st.integers(1, 590), st.floats(-15, 15)), max_size=7, unique_by=lambda candidate: candidate[0]
)


def all_divisions(places: np.ndarray, log_odds: np.ndarray, seconds: float) -> dict[tuple[int, ...], float]:
    """The score of each choice of candidates that leaves no track too short."""
    scores: dict[tuple[int, ...], float] = {}
    for size in range(len(places) + 1):
        for chosen in combinations(range(len(places)), size):
            lengths = np.diff([0.0, *places[list(chosen)], seconds])
            if not chosen or lengths.min() >= SHORTEST_TRACK_SECONDS:
                scores[chosen] = float(log_odds[list(chosen)].sum() + length_prior(lengths).sum())
    return scores


@settings(deadline=None)
@given(CANDIDATES)
def test_the_division_is_the_likeliest_of_all_and_its_probabilities_are_their_sums(
    candidates: list[tuple[int, float]],
) -> None:
    places = np.array([place for place, _ in sorted(candidates)], dtype=np.float64)
    log_odds = np.array([odds for _, odds in sorted(candidates)])
    division = divide(places, log_odds, 600.0)
    scores = all_divisions(places, log_odds, 600.0)
    chosen = tuple(int(np.flatnonzero(places == place)[0]) for place in division.places)
    assert scores[chosen] == pytest.approx(max(scores.values()))
    weights = np.exp(np.array(list(scores.values())) - max(scores.values()))
    probabilities = [
        sum(weight for choice, weight in zip(scores, weights, strict=True) if index in choice) / weights.sum()
        for index in range(len(places))
    ]
    near = [
        min(1.0, sum(p for p, other in zip(probabilities, places, strict=True) if abs(other - place) <= 5))
        for place in division.places
    ]
    assert division.confidences == pytest.approx(near)
    expected = 2 * (1 + sum(near)) / (2 + len(near) + sum(probabilities))
    assert division.confidence == pytest.approx(min(1.0, expected))


def test_without_a_candidate_all_is_one_track() -> None:
    division = divide(np.zeros(0), np.zeros(0), 7.0)
    assert (division.places, division.confidence) == ((), 1.0)


def test_a_clear_boundary_divides_and_an_unlikely_one_does_not() -> None:
    division = divide(np.array([200.0, 320.0]), np.array([9.0, -9.0]), 500.0)
    assert division.places == (200.0,)
    assert division.confidences[0] > 0.99


def test_candidates_closer_than_a_track_is_long_are_not_both_taken() -> None:
    division = divide(np.array([200.0, 210.0]), np.array([9.0, 8.0]), 500.0)
    assert division.places == (200.0,)
