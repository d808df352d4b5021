"""Circles in graphs, against the plain search from every node; and on graphs as long as a file can make them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.topology.circles import on_circles

_NODES = st.sampled_from("abcdefg")


def comes_back(onward: dict[str, set[str]], start: str) -> bool:
    ahead, seen = list(onward.get(start, ())), set[str]()
    while ahead:
        node = ahead.pop()
        if node == start:
            return True
        if node not in seen:
            seen.add(node)
            ahead += onward.get(node, ())
    return False


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(_NODES, st.sets(_NODES, max_size=4)))
def test_a_node_is_on_a_circle_if_one_can_come_back_to_it(onward: dict[str, set[str]]) -> None:
    assert on_circles(onward) == {node for node in onward if comes_back(onward, node)}


def test_a_chain_of_a_hundred_thousand_is_walked_once_and_without_recursion() -> None:
    chain = {str(number): {str(number + 1)} for number in range(100_000)}
    assert on_circles(chain) == set()
    chain["100000"] = {"0"}
    assert len(on_circles(chain)) == 100_001
