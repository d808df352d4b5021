"""Mermaid, DOT and SVG say the same, whatever the names hold."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.graph.dot import dot
from pipeline.graph.live import Flow, flow_text
from pipeline.graph.mermaid import mermaid
from pipeline.graph.svg import svg
from pipeline.topology.graph import Edge, EdgeKind, Graph, Node, NodeKind, graph_of
from tests.api_plane import project_topology

SVG = "{http://www.w3.org/2000/svg}"
ODD = ['a"b', "a\\", "<script>", "a]b", "a|b", "end", "é ß 音", "a\nb", "a\x00b", "#quot;", "x--y", "a&b", "]]>", "\\N"]
FLOWS = {
    "analysis_queue": Flow(1204, 2, 12.0, 10.5),
    "analysis_queue.dlq": Flow(3, 0),
    "waveform.generate": Flow(0, 0),
    "tracktion.retry.5s": Flow(7, 0),
}


def chain(*names: str) -> Graph:
    nodes = tuple(Node(f"queue:{index}{name}", NodeKind.QUEUE, name, (name,), name) for index, name in enumerate(names))
    edges = tuple(Edge(a.id, b.id, EdgeKind.BINDING, (a.name,)) for a, b in itertools.pairwise(nodes))
    return Graph(names[0] if names else "", nodes, edges, names)


def texts(picture: str) -> list[str]:
    return ["".join(each.itertext()) for each in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_svg_of_the_project_has_every_box_and_line() -> None:
    graph = graph_of(project_topology())
    root = ElementTree.fromstring(svg(graph))
    boxes = [each for each in root.iter(f"{SVG}g") if "data-node" in each.attrib]
    assert [each.attrib["data-node"] for each in boxes] == [node.id for node in graph.nodes]
    lines = [each for each in root.iter(f"{SVG}g") if each.attrib.get("class", "").startswith("edge")]
    assert len(lines) == len(graph.edges)


def test_svg_shows_what_waits_what_is_dead_and_what_nobody_takes() -> None:
    root = ElementTree.fromstring(svg(graph_of(project_topology()), FLOWS))
    classes = {
        each.attrib["data-queue"]: each.attrib["class"] for each in root.iter(f"{SVG}g") if "data-queue" in each.attrib
    }
    assert classes["analysis_queue"] == "queue waiting buried"
    assert classes["waveform.generate"] == "queue lonely"
    assert classes["tracktion.retry.5s"] == "retry waiting"
    shown = texts(svg(graph_of(project_topology()), FLOWS))
    assert "1,204 messages · 2 consumers · 12/s in, 10.5/s out" in shown
    assert "dead letters: 3" in shown
    assert "tracktion.retry.5s: 7" in shown


def test_dot_of_the_project_is_read_by_another_program() -> None:
    graph = graph_of(project_topology())
    (read,) = pydot.graph_from_dot_data(dot(graph, FLOWS)) or ()
    assert len(read.get_nodes()) == len(graph.nodes) + 1  # the defaults of nodes are told as one
    assert len(read.get_edges()) == len(graph.edges)
    assert '"1,204 messages' not in dot(graph)


def test_mermaid_of_the_project_has_every_box_and_line() -> None:
    graph = graph_of(project_topology())
    lines = mermaid(graph, FLOWS).splitlines()
    assert lines[0] == "flowchart LR"
    assert len(lines) == 1 + len(graph.nodes) + len(graph.edges)
    assert any("1,204 messages · 2 consumers" in line for line in lines)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_break_no_picture(name: str) -> None:
    graph = chain(name, "plain")
    assert len(ElementTree.fromstring(svg(graph)).findall(f".//{SVG}g[@data-node]")) == 2
    (read,) = pydot.graph_from_dot_data(dot(graph)) or ()
    assert len(read.get_edges()) == 1
    assert_is_mermaid(mermaid(graph))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_no_name_breaks_svg_or_mermaid(names: list[str]) -> None:
    graph = chain(*names)
    assert len(ElementTree.fromstring(svg(graph)).findall(f".//{SVG}g[@data-node]")) == len(names)
    assert_is_mermaid(mermaid(graph))


def test_a_figure_that_is_not_known_is_not_shown() -> None:
    assert flow_text(Flow()) == "not on the broker"
    assert flow_text(Flow(1, 1)) == "1 message · 1 consumer"
    assert flow_text(Flow(2, 0, None, 0.25)) == "2 messages · 0 consumers · 0/s in, 0.25/s out"


def assert_is_mermaid(text: str) -> None:
    """Its lines are boxes and arrows, and in their quotes is nothing that Mermaid would read as a sign."""
    word = r'"[^"<>|\[\]{}();#&\\]*"'
    for line in text.splitlines()[1:]:
        bare = re.sub(r"<br>|#\d+;", "", line)
        assert re.fullmatch(rf"  n\d+(\[\({word}\)\]| (-->|-\.->)(\|{word}\|)? n\d+)", bare), line
