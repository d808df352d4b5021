"""The graph as SVG: to be looked at by itself, or in a page that changes its figures while it is shown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from pipeline.graph.layout import Box, Layout, Size, lay_out
from pipeline.graph.live import Flow, flow_text
from pipeline.topology.graph import Edge, EdgeKind, Graph, Node, NodeKind

_LINE, _PADDING = 17.0, 12.0
# Of the widest of the usual sans-serif faces, a name being bold: no text is measured here.
_NAME_CHARACTER, _NOTE_CHARACTER = 8.1, 6.9
_HEXAGON_CUT = 10.0
_NARROWEST = 110.0
_LONGEST_NAME = 34

# Custom properties let a page that embeds the picture give it its own colours.
STYLE = """
.topology {
  --ink: #1f2937; --faint: #5b6472; --paper: #ffffff; --line: #9ca3af; --published: #22c55e;
  --source: #ede9fe; --exchange: #fef3c7; --queue: #dbeafe; --stage: #dcfce7; --bad: #b91c1c; --warn: #b45309;
  font: 13px ui-sans-serif, system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  .topology {
    --ink: #e5e7eb; --faint: #a8b0bd; --paper: #111827; --line: #4b5563; --published: #15803d;
    --source: #312e81; --exchange: #5b4207; --queue: #1e3a5f; --stage: #14432a; --bad: #fca5a5; --warn: #fbbf24;
  }
}
.topology .paper { fill: var(--paper); }
.topology .box { stroke: var(--line); }
.topology .source .box { fill: var(--source); }
.topology .exchange .box { fill: var(--exchange); }
.topology .queue .box { fill: var(--queue); }
.topology .stage .box { fill: var(--stage); }
.topology text { fill: var(--ink); }
.topology .note { fill: var(--faint); font-size: 11px; }
.topology .figures { font-size: 11px; font-variant-numeric: tabular-nums; }
.topology .edge path { fill: none; stroke: var(--line); stroke-width: 1.3; }
.topology .edge.publishes path { stroke: var(--published); }
.topology .edge.dead-letter path { stroke: var(--bad); stroke-dasharray: 4 3; }
.topology .edge:hover path { stroke: var(--ink); stroke-width: 2.4; }
.topology .arrow { fill: var(--line); }
.topology .arrow-published { fill: var(--published); }
.topology .retry .box { fill: var(--queue); stroke-dasharray: 3 2; }
.topology .waiting .box { stroke: var(--warn); stroke-width: 2; }
.topology .lonely .figures, .topology .buried .dead { fill: var(--bad); font-weight: 600; }
"""


def svg(graph: Graph, flows: Mapping[str, Flow] | None = None) -> str:
    """The picture, with a final newline; readable without the page it may be in, in the light and in the dark.

    Args:
        flows: by queue; figures are shown for those that are there.
    """
    known = flows or {}
    texts = {node.id: _lines(node, known) for node in graph.nodes}
    sizes = {node.id: _size(texts[node.id]) for node in graph.nodes}
    layout = lay_out(sizes, [(edge.source, edge.target) for edge in graph.edges])
    strip = _retries(graph, known, layout.height)
    width, height = round(max(layout.width, strip.width)), round(layout.height + strip.height)
    title = f"The topology {graph.name}: sources, exchanges, queues and stages"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="topology" {size} role="img" aria-labelledby="topology-title">',
        f'<title id="topology-title">{_text(title)}</title>',
        f"<style>{STYLE}</style>",
        f"<defs>{_arrow('arrow')}{_arrow('arrow-published')}</defs>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        *(_edge(edge, layout) for edge in graph.edges),
        *(_node(node, layout.boxes[node.id], texts[node.id], known) for node in graph.nodes),
        *strip.drawn,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _lines(node: Node, flows: Mapping[str, Flow]) -> list[tuple[str, str]]:
    """The text of a box, each line with its class."""
    lines = [("name", _cut(node.name))]
    if notes := [*node.notes, *(["consumed outside"] if node.external else [])]:
        lines.append(("note", " · ".join(notes)))
    if node.kind is NodeKind.QUEUE and flows:
        lines.append(("figures", flow_text(flows.get(node.name, Flow()))))
    if node.dead_letters is not None:
        dead = flows.get(node.dead_letters, Flow())
        lines.append(("note dead", "dead letters" if dead.messages is None else f"dead letters: {dead.messages:,}"))
    return lines


def _size(lines: list[tuple[str, str]]) -> Size:
    widest = max(len(text) * (_NAME_CHARACTER if kind == "name" else _NOTE_CHARACTER) for kind, text in lines)
    return Size(max(_NARROWEST, widest + 2 * _PADDING), len(lines) * _LINE + _PADDING)


def _node(node: Node, box: Box, lines: list[tuple[str, str]], flows: Mapping[str, Flow]) -> str:
    name = f' data-queue="{_text(node.name)}"' if node.kind is NodeKind.QUEUE else ""
    return "".join(
        [
            f'<g class="{" ".join(_classes(node, flows))}" data-node="{_text(node.id)}"{name}>',
            f"<title>{_text(_told(node, flows))}</title>",
            _outline(node.kind, box),
            *(
                f'<text class="{kind}" x="{box.x + box.width / 2:.1f}" y="{box.y + _PADDING + index * _LINE + 6:.1f}" '
                f'text-anchor="middle">{_text(text)}</text>'
                for index, (kind, text) in enumerate(lines)
            ),
            "</g>",
        ]
    )


def _classes(node: Node, flows: Mapping[str, Flow]) -> Iterator[str]:
    yield node.kind.value
    flow = flows.get(node.name) if node.kind is NodeKind.QUEUE else None
    if flow is not None and flow.messages:
        yield "waiting"
    if flow is not None and not flow.consumers and not node.external:
        yield "lonely"
    dead = flows.get(node.dead_letters) if node.dead_letters is not None else None
    if dead is not None and dead.messages:
        yield "buried"


def _told(node: Node, flows: Mapping[str, Flow]) -> str:
    """What is said of the box to those who point at it, or hear it."""
    said = [f"{node.kind.value} {node.name}", *node.notes]
    if node.kind is NodeKind.QUEUE and node.name in flows:
        said.append(flow_text(flows[node.name]))
    if node.dead_letters is not None:
        said.append(f"dead letters in {node.dead_letters}")
    return ", ".join(said)


def _outline(kind: NodeKind, box: Box) -> str:
    if kind is NodeKind.EXCHANGE:
        cut, right, bottom = _HEXAGON_CUT, box.x + box.width, box.y + box.height
        points = [
            *((box.x + cut, box.y), (right - cut, box.y), (right, box.middle)),
            *((right - cut, bottom), (box.x + cut, bottom), (box.x, box.middle)),
        ]
        return f'<polygon class="box" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    round_by = {NodeKind.SOURCE: box.height / 2, NodeKind.QUEUE: 10, NodeKind.STAGE: 2}[kind]
    return (
        f'<rect class="box" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="{round_by:.1f}"/>'
    )


def _edge(edge: Edge, layout: Layout) -> str:
    points = layout.lines[edge.source, edge.target]
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        middle = (x1 + x2) / 2
        path.append(f"C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
    labels = ", ".join(edge.labels)
    told = f"{edge.source} {edge.kind.value} {edge.target}" + (f": {labels}" if labels else "")
    kind = edge.kind.value.replace(" ", "-")
    head = "arrow-published" if edge.kind is EdgeKind.PUBLISHES else "arrow"
    drawn = f'<path d="{"".join(path)}" marker-end="url(#{head})"/>'
    return f'<g class="edge {kind}"><title>{_text(told)}</title>{drawn}</g>'


@dataclass(frozen=True, slots=True)
class _Strip:
    """What stands below the graph."""

    drawn: tuple[str, ...] = ()
    width: float = 0.0
    height: float = 0.0


def _retries(graph: Graph, flows: Mapping[str, Flow], top: float) -> _Strip:
    """The queues in which messages wait for another attempt: of no stage alone, so no line leads to them."""
    if not graph.retries:
        return _Strip()
    drawn, x = [], _PADDING + 4
    texts = ["Waiting for another attempt:", *(_waiting(name, flows) for name in graph.retries)]
    for index, text in enumerate(texts):
        width = len(text) * _NOTE_CHARACTER + 2 * _PADDING
        middle = f'x="{x + width / 2:.1f}" y="{top + 20:.1f}" text-anchor="middle"'
        if index:
            name = graph.retries[index - 1]
            waiting = " waiting" if flows.get(name, Flow()).messages else ""
            drawn += [
                f'<g class="retry{waiting}" data-queue="{_text(name)}"><title>{_text(name)}</title>',
                f'<rect class="box" x="{x:.1f}" y="{top + 4:.1f}" width="{width:.1f}" height="24" rx="8"/>',
                f'<text class="figures" {middle}>{_text(text)}</text></g>',
            ]
        else:
            drawn.append(f'<text class="note" {middle}>{_text(text)}</text>')
        x += width + 8
    return _Strip(tuple(drawn), x + _PADDING, 44)


def _waiting(name: str, flows: Mapping[str, Flow]) -> str:
    messages = flows.get(name, Flow()).messages
    return name if messages is None else f"{name}: {messages:,}"


def _arrow(name: str) -> str:
    box = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    return f'<marker id="{name}" {box}><path class="{name}" d="M0 0 8 4 0 8z"/></marker>'


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _text(text: str) -> str:
    """Names may hold anything; XML takes no control characters, not even escaped."""
    return escape("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text))
