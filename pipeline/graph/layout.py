"""Boxes in columns from left to right, lines between them that cross each other little.

Sugiyama, Tagawa and Toda 1981, in its four steps: break cycles, put boxes into layers, order each layer, give
coordinates. Deterministic: the same graph gives the same picture.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

_SWEEPS = 24
_N = TypeVar("_N", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Size:
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Box:
    """A node's place: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in a canvas of `width` by `height`, in the units of the sizes given.

    Attributes:
        lines: by edge, as given, the points it goes through: from its source's side to its target's.
    """

    boxes: Mapping[str, Box]
    lines: Mapping[tuple[str, str], tuple[tuple[float, float], ...]]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Gaps:
    """Between layers, between boxes of one layer, where a line alone passes a layer, and at the canvas's edge."""

    layer: float = 90
    box: float = 14
    line: float = 10
    margin: float = 16


def lay_out(sizes: Mapping[str, Size], edges: Sequence[tuple[str, str]], gaps: Gaps = Gaps()) -> Layout:
    """Place every node that has a size.

    Args:
        edges: between nodes that have a size; a pair may be there twice, a node may have an edge to itself.
    """
    pairs = list(dict.fromkeys(edges))
    forward = _forward(sizes, pairs)
    rank = _ranks(sizes, [pair for pair in forward.values() if pair[0] != pair[1]])
    chains = {edge: _chain(edge, ends, rank) for edge, ends in forward.items()}
    layers = _ordered(_layers(sizes, rank, chains), _segments(chains))
    return _placed(sizes, layers, chains, gaps)


# A node's name, or the place of a line in a layer that it only passes.
Stop = str | tuple[tuple[str, str], int]


def _forward(nodes: Iterable[str], pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Each edge with its ends in the order of the layers: those that close a circle are turned round.

    Walked depth first from the nodes that nothing leads to, so that what flows first stands first.
    """
    onward = defaultdict(list)
    for source, target in pairs:
        onward[source].append(target)
    led_to = {target for source, target in pairs if source != target}
    order: dict[str, int] = {}
    back: set[tuple[str, str]] = set()
    under_way: set[str] = set()
    for start in sorted(nodes, key=lambda node: node in led_to):
        stack = [(start, iter(onward[start]))] if start not in order else []
        order.setdefault(start, len(order))
        if stack:
            under_way.add(start)
        while stack:
            node, targets = stack[-1]
            for target in targets:
                if target in under_way:
                    back.add((node, target))
                elif target not in order:
                    order[target] = len(order)
                    under_way.add(target)
                    stack.append((target, iter(onward[target])))
                    break
            else:
                under_way.discard(node)
                stack.pop()
    return {pair: pair[::-1] if pair in back else pair for pair in pairs}


def _ranks(nodes: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The layer of each node: after everything that leads to it, and right before what it leads to."""
    onward, waiting = defaultdict(list), dict.fromkeys(nodes, 0)
    for source, target in pairs:
        onward[source].append(target)
        waiting[target] += 1
    rank = dict.fromkeys(waiting, 0)
    ready = [node for node, count in waiting.items() if not count]
    for node in ready:
        for target in onward[node]:
            rank[target] = max(rank[target], rank[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    for node in reversed(ready):
        if onward[node]:
            rank[node] = min(rank[target] for target in onward[node]) - 1
    return rank


def _chain(edge: tuple[str, str], ends: tuple[str, str], rank: Mapping[str, int]) -> list[Stop]:
    """What the line goes through, layer by layer."""
    source, target = ends
    between: list[Stop] = [(edge, layer) for layer in range(rank[source] + 1, rank[target])]
    return [source, *between, target]


def _layers(
    nodes: Iterable[str], rank: Mapping[str, int], chains: Mapping[tuple[str, str], list[Stop]]
) -> list[list[Stop]]:
    layers: list[list[Stop]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for node in nodes:
        layers[rank[node]].append(node)
    for chain in chains.values():
        for stop in chain[1:-1]:
            assert isinstance(stop, tuple)
            layers[stop[1]].append(stop)
    return layers


def _segments(chains: Mapping[tuple[str, str], list[Stop]]) -> list[tuple[Stop, Stop]]:
    return [pair for chain in chains.values() for pair in itertools.pairwise(chain) if pair[0] != pair[1]]


def _ordered(layers: list[list[Stop]], segments: Sequence[tuple[Stop, Stop]]) -> list[list[Stop]]:
    """Each layer sorted by where its neighbours are, back and forth; the order with the fewest crossings is kept."""
    before, after = defaultdict(list), defaultdict(list)
    for left, right in segments:
        before[right].append(left)
        after[left].append(right)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, after)
    for sweep in range(_SWEEPS):
        forwards = sweep % 2 == 0
        neighbours = before if forwards else after
        place = {stop: index for layer in layers for index, stop in enumerate(layer)}
        for layer in layers if forwards else layers[::-1]:
            layer.sort(key=lambda stop: _mean([place[each] for each in neighbours[stop]], place[stop]))
            place.update((stop, index) for index, stop in enumerate(layer))
        crossings = _crossings(layers, after)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(layers: Sequence[Sequence[Stop]], after: Mapping[Stop, Sequence[Stop]]) -> int:
    """How many pairs of lines cross between neighbouring layers."""
    total = 0
    for left, right in itertools.pairwise(layers):
        place = {stop: index for index, stop in enumerate(right)}
        ends: list[int] = []
        for stop in left:
            found = sorted(place[each] for each in after[stop])
            total += sum(1 for end in found for other in ends if other > end)
            ends += found
    return total


def _placed(
    sizes: Mapping[str, Size],
    layers: Sequence[Sequence[Stop]],
    chains: Mapping[tuple[str, str], list[Stop]],
    gaps: Gaps,
) -> Layout:
    height = {stop: sizes[stop].height if isinstance(stop, str) else 0.0 for layer in layers for stop in layer}
    top = _tops(layers, height, _segments(chains), gaps)
    lowest = min(top.values(), default=0.0)
    boxes: dict[str, Box] = {}
    column: list[tuple[float, float]] = []
    x = gaps.margin
    for layer in layers:
        width = max((sizes[stop].width for stop in layer if isinstance(stop, str)), default=0.0)
        column.append((x, width))
        for stop in layer:
            if isinstance(stop, str):
                size = sizes[stop]
                left = x + (width - size.width) / 2
                boxes[stop] = Box(left, top[stop] - lowest + gaps.margin, size.width, size.height)
        x += width + gaps.layer
    lines = {}
    for edge, chain in chains.items():
        points = []
        for stop in chain[1:-1]:
            assert isinstance(stop, tuple)
            left, width = column[stop[1]]
            y = top[stop] - lowest + gaps.margin
            points += [(left, y), (left + width, y)]
        lines[edge] = _line(boxes[edge[0]], boxes[edge[1]], points if chain[0] == edge[0] else points[::-1])
    bottom = max((box.y + box.height for box in boxes.values()), default=0.0)
    bottom = max([bottom, *(y for points in lines.values() for _, y in points)])
    return Layout(boxes, lines, max(x - gaps.layer, gaps.margin) + gaps.margin, bottom + gaps.margin)


def _line(source: Box, target: Box, between: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """From the side of one box to the side of the other that face each other, or the way that goes back."""
    if source is target:
        right = source.x + source.width
        return (right, source.middle), (right + 14, source.y - 8), (source.x + source.width / 2, source.y)
    ahead = target.x > source.x
    # A line that goes back ends lower, beside those that come the other way.
    lower = 0.0 if ahead else min(source.height, target.height) / 4
    start = (source.x + source.width if ahead else source.x, source.middle + lower)
    end = (target.x if ahead else target.x + target.width, target.middle + lower)
    return (start, *between, end)


def _tops(
    layers: Sequence[Sequence[Stop]],
    height: Mapping[Stop, float],
    segments: Sequence[tuple[Stop, Stop]],
    gaps: Gaps,
) -> dict[Stop, float]:
    """The upper edge of each: near the middle of its neighbours, as far as those of its own layer leave room."""
    around: defaultdict[Stop, list[Stop]] = defaultdict(list)
    for left, right in segments:
        around[left].append(right)
        around[right].append(left)
    top: dict[Stop, float] = {}
    for layer in layers:
        y = 0.0
        for above, stop in zip([None, *layer], layer, strict=False):
            y += _gap(above, stop, gaps) if above is not None else 0.0
            top[stop] = y
            y += height[stop]
    tallest = max((top[layer[-1]] + height[layer[-1]] for layer in layers if layer), default=0.0)
    for layer in layers:
        if layer:
            shift = (tallest - top[layer[-1]] - height[layer[-1]]) / 2
            top.update((stop, top[stop] + shift) for stop in layer)
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = [
                _mean([top[each] + height[each] / 2 for each in around[stop]], top[stop] + height[stop] / 2)
                - height[stop] / 2
                for stop in layer
            ]
            top.update(zip(layer, _apart(layer, wanted, height, gaps), strict=True))
    return top


def _apart(layer: Sequence[Stop], wanted: Sequence[float], height: Mapping[Stop, float], gaps: Gaps) -> list[float]:
    """As near to what is wanted as order and gaps allow, by least squares: blocks that would overlap share a shift."""
    offsets, y = [], 0.0
    for above, stop in zip([None, *layer], layer, strict=False):
        y += (_gap(above, stop, gaps) + height[above]) if above is not None else 0.0
        offsets.append(y)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, others = blocks.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        blocks.append((mean, count))
    shifts = [mean for mean, count in blocks for _ in range(count)]
    return [shift + offset for shift, offset in zip(shifts, offsets, strict=True)]


def _gap(above: Stop, below: Stop, gaps: Gaps) -> float:
    return gaps.box if isinstance(above, str) and isinstance(below, str) else gaps.line
