"""The laws that `make fuzz` looks for exceptions to, held against bytes at random and damaged good ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.fuzz.parsers import PARSERS


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_comes_is_understood_or_refused(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    seed = data.draw(st.sampled_from(parser.seeds))
    start = data.draw(st.integers(0, len(seed)))
    stop = data.draw(st.integers(start, len(seed)))
    parser.holds(seed[:start] + data.draw(st.binary(max_size=200)) + seed[stop:])


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_begun_from_is_good(name: str) -> None:
    for seed in PARSERS[name].seeds:
        PARSERS[name].holds(seed)
