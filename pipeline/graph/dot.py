"""The graph in DOT, for those who have Graphviz."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.graph.live import Flow, flow_text
from pipeline.graph.mermaid import shortened
from pipeline.topology.graph import EdgeKind, Graph, Node, NodeKind

_SHAPES = {NodeKind.SOURCE: "oval", NodeKind.EXCHANGE: "hexagon", NodeKind.QUEUE: "box3d", NodeKind.STAGE: "box"}


def dot(graph: Graph, flows: Mapping[str, Flow] | None = None) -> str:
    """The digraph, with a final newline.

    Args:
        flows: by queue; figures are shown for those that are there.
    """
    lines = [f"digraph {_quoted(graph.name)} {{", '  rankdir="LR";', '  node [fontname="sans-serif"];']
    lines += [
        f"  {_quoted(node.id)} [label={_quoted(_label(node, flows or {}))}, shape={_SHAPES[node.kind]}];"
        for node in graph.nodes
    ]
    for edge in graph.edges:
        style = ", style=dashed" if edge.kind is EdgeKind.DEAD_LETTER else ""
        label = _quoted(shortened(edge.labels))
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={label}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _label(node: Node, flows: Mapping[str, Flow]) -> str:
    lines = [node.name, *node.notes, *(["consumed outside"] if node.external else [])]
    if node.kind is NodeKind.QUEUE and node.name in flows:
        lines.append(flow_text(flows[node.name]))
    if node.dead_letters is not None:
        dead = flows.get(node.dead_letters)
        lines.append(f"dead letters: {flow_text(dead)}" if dead else "dead letters")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """A string of DOT: only quotes and backslashes are special in it; a line break is written as one."""
    printable = "".join(each if each.isprintable() or each == "\n" else "�" for each in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
