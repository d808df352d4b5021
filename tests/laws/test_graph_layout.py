"""What holds for every picture: boxes apart from each other, everything inside, lines that end at their boxes."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.graph.layout import Box, Size, lay_out

Edges = list[tuple[str, str]]
Graphs = st.integers(1, 14).flatmap(
    lambda count: st.tuples(
        st.lists(st.builds(Size, st.floats(20, 300), st.floats(10, 90)), min_size=count, max_size=count),
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=3 * count),
    )
)


def named(drawn: tuple[list[Size], list[tuple[int, int]]]) -> tuple[dict[str, Size], Edges]:
    sizes, pairs = drawn
    return {f"n{index}": size for index, size in enumerate(sizes)}, [(f"n{a}", f"n{b}") for a, b in pairs]


@settings(max_examples=300, deadline=None)
@given(Graphs)
def test_boxes_keep_their_sizes_stay_inside_and_do_not_overlap(drawn: tuple[list[Size], list[tuple[int, int]]]) -> None:
    sizes, edges = named(drawn)
    layout = lay_out(sizes, edges)
    assert set(layout.boxes) == set(sizes)
    for name, box in layout.boxes.items():
        assert (box.width, box.height) == (sizes[name].width, sizes[name].height)
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= layout.width
        assert box.y + box.height <= layout.height
    for one, other in itertools.combinations(layout.boxes.values(), 2):
        assert not overlap(one, other)


@settings(max_examples=300, deadline=None)
@given(Graphs)
def test_every_line_begins_and_ends_at_its_boxes_and_stays_inside(
    drawn: tuple[list[Size], list[tuple[int, int]]],
) -> None:
    sizes, edges = named(drawn)
    layout = lay_out(sizes, edges)
    assert set(layout.lines) == set(edges)
    for (source, target), points in layout.lines.items():
        assert touches(layout.boxes[source], points[0])
        assert touches(layout.boxes[target], points[-1])
        for x, y in points:
            assert -0.001 <= x <= layout.width
            assert -0.001 <= y <= layout.height


@settings(max_examples=200, deadline=None)
@given(Graphs)
def test_what_leads_to_a_box_stands_left_of_it_where_nothing_goes_round(
    drawn: tuple[list[Size], list[tuple[int, int]]],
) -> None:
    sizes, pairs = drawn
    sizes, edges = named((sizes, [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]))
    boxes = lay_out(sizes, edges).boxes
    for source, target in edges:
        assert boxes[source].x + boxes[source].width < boxes[target].x


@settings(max_examples=100, deadline=None)
@given(Graphs)
def test_the_same_graph_gives_the_same_picture(drawn: tuple[list[Size], list[tuple[int, int]]]) -> None:
    assert lay_out(*named(drawn)) == lay_out(*named(drawn))


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width - 0.001
        and other.x < one.x + one.width - 0.001
        and one.y < other.y + other.height - 0.001
        and other.y < one.y + one.height - 0.001
    )


def touches(box: Box, point: tuple[float, float]) -> bool:
    x, y = point
    return box.x - 0.001 <= x <= box.x + box.width + 0.001 and box.y - 0.001 <= y <= box.y + box.height + 0.001
