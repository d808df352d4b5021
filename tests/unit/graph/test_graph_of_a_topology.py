"""The topology as boxes and lines."""

from __future__ import annotations

import pytest

from pipeline.topology.graph import Edge, EdgeKind, Graph, Node, NodeKind, graph_of
from tests.api_plane import project_topology


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(project_topology())


def node(graph: Graph, node_id: str) -> Node:
    return next(each for each in graph.nodes if each.id == node_id)


def edge(graph: Graph, source: str, target: str) -> Edge:
    return next(each for each in graph.edges if (each.source, each.target) == (source, target))


def test_every_part_of_the_file_is_a_box_once(graph: Graph) -> None:
    topology = project_topology()
    assert len({each.id for each in graph.nodes}) == len(graph.nodes)
    names = {kind: {each.name for each in graph.nodes if each.kind is kind} for kind in NodeKind}
    assert names[NodeKind.STAGE] == set(topology.stages)
    assert names[NodeKind.SOURCE] == set(topology.sources)
    assert names[NodeKind.QUEUE] == {topology.queue_name(key) for key in topology.queues}
    assert names[NodeKind.EXCHANGE] == {topology.exchange_name(key) for key in topology.exchanges}


def test_every_line_joins_boxes_that_are_there(graph: Graph) -> None:
    ids = {each.id for each in graph.nodes}
    assert {end for each in graph.edges for end in (each.source, each.target)} <= ids
    ends = [(each.source, each.target, each.kind) for each in graph.edges]
    assert len(set(ends)) == len(ends)


def test_several_routing_keys_between_two_boxes_are_one_line(graph: Graph) -> None:
    line = edge(graph, "exchange:tracktion.events", "queue:analysis_queue")
    assert line.kind is EdgeKind.BINDING
    assert line.labels == ("file.analyze", "analysis.request")


def test_stages_hang_between_the_queue_they_read_and_the_exchange_they_write(graph: Graph) -> None:
    assert edge(graph, "queue:analysis_queue", "stage:analysis").kind is EdgeKind.CONSUMES
    assert edge(graph, "stage:catalog", "exchange:tracktion.events").kind is EdgeKind.PUBLISHES
    assert edge(graph, "source:watcher", "exchange:file_events").kind is EdgeKind.PUBLISHES


def test_a_box_says_what_one_would_look_up(graph: Graph) -> None:
    queue = node(graph, "queue:analysis_queue")
    assert queue.notes == ("10 priorities",)
    assert queue.dead_letters == "analysis_queue.dlq"
    answers = node(graph, "queue:waveform.generate.complete")
    assert answers.external
    assert answers.notes == ("TTL 7d", "at most 100,000")
    assert node(graph, "stage:analysis").notes == ("retries 5s 30s 2m",)
    assert graph.retries == ("tracktion.retry.5s", "tracktion.retry.30s", "tracktion.retry.2m")


def test_near_keeps_what_a_name_is_joined_to_and_nothing_else(graph: Graph) -> None:
    near = graph.near("analysis_queue")
    assert {each.id for each in near.nodes} == {"exchange:tracktion.events", "queue:analysis_queue", "stage:analysis"}
    assert len(near.edges) == 2


def test_near_of_a_name_that_is_a_queue_and_a_stage_has_both(graph: Graph) -> None:
    near = {each.id for each in graph.near("cue.generation").nodes}
    assert {"queue:cue.generation", "stage:cue.generation"} <= near


def test_near_of_an_unknown_name_is_told(graph: Graph) -> None:
    with pytest.raises(KeyError):
        graph.near("nothing")
