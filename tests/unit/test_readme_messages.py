"""The README's tables of messages are what the topology says, no row missing and none wrong."""

from __future__ import annotations

import pytest

from pipeline.topology.expand import definitions_of
from pipeline.topology.route import Router
from tests.api_plane import project_topology
from tests.message_table import README, Row, rows

TOPOLOGY = project_topology()
ROUTER = Router.of(definitions_of(TOPOLOGY))
ROWS = rows()


def stages_of(row: Row) -> set[str]:
    return {
        name
        for name, stage in TOPOLOGY.stages.items()
        if any(row.message in messages for messages in stage.from_.values())
    }


def test_every_message_of_the_topology_has_one_row() -> None:
    assert sorted(row.message for row in ROWS) == sorted(TOPOLOGY.messages)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.message)
def test_a_row_says_what_the_topology_says(row: Row) -> None:
    contract = TOPOLOGY.messages[row.message]
    assert row.exchange == TOPOLOGY.exchange_name(contract.exchange)
    assert set(row.queues) == set(ROUTER.route(row.exchange, row.message))
    assert set(row.stages) == stages_of(row)
    assert set(row.answers) <= {message for name in row.stages for message in TOPOLOGY.stages[name].emits}


@pytest.mark.parametrize("row", [row for row in ROWS if not row.stages], ids=lambda row: row.message)
def test_what_no_stage_handles_is_consumed_outside(row: Row) -> None:
    assert row.queues
    assert all(TOPOLOGY.queues[queue].external for queue in row.queues)
    assert (row.answers, row.events) == ((), ())


def test_whatever_a_stage_emits_is_the_answer_to_something() -> None:
    emitted = {message for stage in TOPOLOGY.stages.values() for message in stage.emits}
    assert {answer for row in ROWS for answer in row.answers} == emitted


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("| `file.created` |", "| file.created |"),
        ("| message | exchange |", "| exchange | message |"),
        ("| catalog, lifecycle |", "|"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error(old: str, new: str) -> None:
    text = README.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ValueError, match=r"backticks|no table|unpack"):
        rows(text.replace(old, new))
