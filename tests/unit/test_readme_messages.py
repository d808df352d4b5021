"""The README's tables of messages are what the topology says, no row missing and none wrong."""

from __future__ import annotations

import pytest

from pipeline.topology.expand import definitions_of
from pipeline.topology.route import Router
from stages.examples import EXAMPLES
from tests.api_plane import project_topology
from tests.message_table import Row, rows

TOPOLOGY = project_topology()
ROUTER = Router.of(definitions_of(TOPOLOGY))
DOCUMENTED, OURS = rows(), rows(table=1)


def test_every_message_of_the_topology_has_one_row() -> None:
    names = [row.message for row in (*DOCUMENTED, *OURS)]
    taken = {name for stage in TOPOLOGY.stages.values() for messages in stage.from_.values() for name in messages}
    assert len(names) == len(set(names))
    assert taken <= set(names) <= TOPOLOGY.messages.keys()


def test_every_message_of_the_document_that_is_handled_is_among_its_rows() -> None:
    assert {row.message for row in OURS}.isdisjoint(EXAMPLES)


@pytest.mark.parametrize("row", [*DOCUMENTED, *OURS], ids=lambda row: row.message)
def test_a_row_says_what_the_topology_says(row: Row) -> None:
    contract = TOPOLOGY.messages[row.message]
    assert row.exchange == TOPOLOGY.exchange_name(contract.exchange)
    assert set(row.queues) == set(ROUTER.route(row.exchange, row.message))
    stages = {
        name
        for name, stage in TOPOLOGY.stages.items()
        for queue, messages in stage.from_.items()
        if queue in row.queues and row.message in messages
    }
    assert set(row.stages) == stages
    emitted = {message for name in stages for message in TOPOLOGY.stages[name].emits}
    assert set(row.answers) <= emitted
