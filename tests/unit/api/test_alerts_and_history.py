"""What an operator is told, and from what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.alerts import Alert, Known, Level, alerts
from api.history import History, Sample
from pipeline.errors import Unreachable
from pipeline.graph.live import Flow
from pipeline.topology.graph import EdgeKind, NodeKind, graph_of
from tests.api_plane import project_topology

GRAPH = graph_of(project_topology())
QUEUE, DEAD = "analysis_queue", "analysis_queue.dlq"
WORKER = {"id": "1", "revision": "r1", "refused": "", "away": {}}


def flows(**changed: Flow) -> dict[str, Flow]:
    """Of a broker that has everything, with a consumer for everything."""
    return {name: Flow(0, 1) for name in GRAPH.queues} | {
        name.replace("__", "."): flow for name, flow in changed.items()
    }


def known(*samples: dict[str, Flow], **changed: Any) -> Known:
    taken = [Sample(float(at), each) for at, each in enumerate(samples)]
    given_ = {"workers": [WORKER], "away": frozenset(), "relay_connected": True} | changed
    return Known(graph=GRAPH, samples=taken, **given_)


def codes(found: Known) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in alerts(found)]


def test_where_all_is_well_nothing_is_said() -> None:
    assert alerts(known()) == []
    assert alerts(known(*[flows()] * 20)) == []


def test_a_queue_with_messages_that_nobody_consumes() -> None:
    alone = flows(analysis_queue=Flow(7, 0))
    assert codes(known(flows(), alone, alone)) == []
    (told,) = alerts(known(alone, alone, alone))
    assert (told.code, told.level, told.subject) == ("NO_CONSUMER", Level.CRITICAL, QUEUE)
    assert "7 messages wait" in told.text
    assert told.place == f"queues/{QUEUE}"
    assert codes(known(alone, alone, flows())) == []
    empty = flows(analysis_queue=Flow(0, 0))
    assert codes(known(empty, empty, empty)) == []


def test_queues_that_others_consume_are_their_business() -> None:
    consumed = {edge.source for edge in GRAPH.edges if edge.kind is EdgeKind.CONSUMES}
    outside = [node.name for node in GRAPH.nodes if node.kind is NodeKind.QUEUE and node.id not in consumed]
    assert outside
    assert codes(known(*[flows(**{name.replace(".", "__"): Flow(9, 0) for name in outside})] * 12)) == []


def test_a_queue_that_the_broker_does_not_have() -> None:
    without = {name: flow for name, flow in flows().items() if name != QUEUE}
    assert codes(known(without)) == [("NOT_DECLARED", QUEUE)]


def test_a_backlog_that_grows_and_one_that_shrinks_in_between() -> None:
    rising = [flows(analysis_queue=Flow(100 * step, 2)) for step in range(12)]
    assert codes(known(*rising)) == [("BACKLOG_GROWS", QUEUE)]
    assert codes(known(*rising[:11])) == []
    assert codes(known(*rising[:6], flows(), *rising[6:11])) == []
    slowly = [flows(analysis_queue=Flow(step, 2)) for step in range(12)]
    assert codes(known(*slowly)) == []


def test_dead_letters_that_grow_and_old_ones() -> None:
    before, after = flows(analysis_queue__dlq=Flow(3, 0)), flows(analysis_queue__dlq=Flow(4, 0))
    (told,) = alerts(known(before, after))
    assert (told.code, told.subject) == ("DEAD_LETTERS_GROW", DEAD)
    assert told.text == f"1 more dead letter in {DEAD} within ten minutes."
    assert codes(known(after, after)) == []
    assert codes(known(after, before)) == []


def test_workers() -> None:
    assert codes(known(workers=[])) == [("NO_WORKER", "")]
    assert codes(known(workers=[WORKER, WORKER | {"revision": "r2"}])) == [("REVISIONS_DIFFER", "")]
    assert codes(known(workers=[WORKER | {"refused": "no queue"}])) == [("REVISION_REFUSED", "no queue")]
    assert codes(known(workers=[WORKER | {"away": {"disk": "open"}}] * 2)) == [("DEPENDENCY_AWAY", "disk")]


def test_servers_that_are_away_and_what_follows_from_it_once() -> None:
    missing = known({}, away=frozenset({"broker"}))
    assert codes(missing) == [("BROKER_AWAY", "")]
    assert codes(known(workers=[], away=frozenset({"state"}), relay_connected=False)) == [("STATE_AWAY", "")]
    assert codes(known(relay_connected=False)) == [("RELAY_AWAY", "")]


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(GRAPH.queues),
            st.builds(Flow, st.none() | st.integers(0, 10_000), st.integers(0, 3)),
        ),
        max_size=15,
    )
)
def test_whatever_the_broker_says_alerts_are_whole_and_in_order(seen: list[dict[str, Flow]]) -> None:
    found = alerts(known(*seen))
    assert len({(each.code, each.subject) for each in found}) == len(found)
    assert [each.level for each in found] == sorted((each.level for each in found), key=list(Level).index)
    assert all(_whole(each) for each in found)


def _whole(alert: Alert) -> bool:
    return all((alert.code.isupper(), alert.text, alert.fix, alert.place)) and "{" not in alert.text


async def test_samples_are_kept_for_ten_minutes_and_none_is_taken_while_the_broker_is_away() -> None:
    asked = 0

    async def ask() -> dict[str, Flow]:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Unreachable("The broker is away")
        return {QUEUE: Flow(asked)}

    history = History(ask, clock=lambda: float(asked))
    for _ in range(2):
        await history.look()
    with pytest.raises(Unreachable):
        await history.look()
    for _ in range(200):
        await history.look()
    assert len(history.samples) == 120
    assert [sample.at for sample in history.samples] == [float(at) for at in range(84, 204)]
    assert history.samples[-1].flows == {QUEUE: Flow(203)}
