"""The graph as a Mermaid flowchart, for pages that draw it themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.graph.live import Flow, flow_text
from pipeline.topology.graph import EdgeKind, Graph, Node, NodeKind

_SHAPES = {
    NodeKind.SOURCE: ("([", "])"),
    NodeKind.EXCHANGE: ("{{", "}}"),
    NodeKind.QUEUE: ("[(", ")]"),
    NodeKind.STAGE: ("[", "]"),
}
_ARROWS = {EdgeKind.DEAD_LETTER: "-.->"}
_LABELS_SHOWN = 3


def mermaid(graph: Graph, flows: Mapping[str, Flow] | None = None) -> str:
    """The chart, with a final newline.

    Args:
        flows: by queue; figures are shown for those that are there.
    """
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        opening, closing = _SHAPES[node.kind]
        lines.append(f'  {ids[node.id]}{opening}"{_text(_lines(node, flows or {}))}"{closing}')
    for edge in graph.edges:
        arrow = _ARROWS.get(edge.kind, "-->")
        label = f'|"{_text([shortened(edge.labels)])}"|' if edge.labels else ""
        lines.append(f"  {ids[edge.source]} {arrow}{label} {ids[edge.target]}")
    return "\n".join(lines) + "\n"


def shortened(labels: Iterable[str]) -> str:
    """The first few, and how many more."""
    shown = list(labels)
    more = f" +{len(shown) - _LABELS_SHOWN}" if len(shown) > _LABELS_SHOWN else ""
    return ", ".join(shown[:_LABELS_SHOWN]) + more


def _lines(node: Node, flows: Mapping[str, Flow]) -> list[str]:
    lines = [node.name, *node.notes, *(["consumed outside"] if node.external else [])]
    if node.kind is NodeKind.QUEUE and node.name in flows:
        lines.append(flow_text(flows[node.name]))
    if node.dead_letters is not None:
        dead = flows.get(node.dead_letters)
        lines.append(f"dead letters: {dead.messages:,}" if dead and dead.messages else "dead letters")
    return lines


def _text(lines: Iterable[str]) -> str:
    """Mermaid takes entities in quotes; its own words and signs mean nothing as numbers of characters."""
    return "<br>".join("".join(map(_character, line)) for line in lines)


def _character(character: str) -> str:
    return character if character.isalnum() or character in " ._-/:,+·" else f"#{ord(character)};"
