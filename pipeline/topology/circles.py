"""Which nodes of a directed graph lie on a circle, in time linear in its size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


def on_circles(onward: Mapping[str, Collection[str]]) -> set[str]:
    """Nodes from which a way leads back to themselves.

    They are those in a strongly connected component with others, or with an edge to themselves.
    Source: Tarjan, "Depth-first search and linear graph algorithms", 1972; here without recursion.
    """
    found: set[str] = set()
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    unassigned: dict[str, None] = {}
    for root in onward:
        walk: list[tuple[str, Iterator[str]]] = []
        ahead: str | None = root if root not in number else None
        while ahead is not None or walk:
            if ahead is not None:
                number[ahead] = lowest[ahead] = len(number)
                unassigned[ahead] = None
                walk.append((ahead, iter(onward.get(ahead, ()))))
            node, rest = walk[-1]
            ahead = None
            for target in rest:
                if target not in number:
                    ahead = target
                    break
                if target in unassigned:
                    lowest[node] = min(lowest[node], number[target])
            if ahead is not None:
                continue
            walk.pop()
            if walk:
                before = walk[-1][0]
                lowest[before] = min(lowest[before], lowest[node])
            if lowest[node] == number[node]:
                component = [node]
                while (last := unassigned.popitem()[0]) != node:
                    component.append(last)
                if len(component) > 1 or node in onward.get(node, ()):
                    found.update(component)
    return found
