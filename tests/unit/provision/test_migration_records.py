"""Names, records and words of migrations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.provision.changes import Kind
from pipeline.provision.migration.exchanges import EXCHANGE_STEPS
from pipeline.provision.migration.names import Names, detour_name, lock_name, prefix_for
from pipeline.provision.migration.queues import QUEUE_STEPS, window_for
from pipeline.provision.migration.record import Record, _from_json, _to_json
from pipeline.provision.migration.status import DOING, render_status, status_to_json, under_way
from pipeline.topology.definitions import BindingDefinition, QueueDefinition

RECORD = Record(
    Kind.QUEUE,
    "work",
    QueueDefinition("work"),
    QueueDefinition("work", arguments={"x-max-priority": 5}),
    "tracktion.migrating.work",
    "set aside",
    bindings=(BindingDefinition("events", "work", "queue", "#"),),
    moved=1204,
    run="abc",
    acked={"before": 7},
)
_NAMES = st.text(min_size=1).filter(lambda name: len(name.encode()) <= 255)


@given(_NAMES, _NAMES)
def test_every_name_put_beside_an_object_fits_into_255_bytes(topology: str, name: str) -> None:
    names = Names(prefix_for(topology, name))
    for each in (*vars(names).values(), detour_name(topology), lock_name(topology)):
        assert len(each.encode()) <= 255


@given(_NAMES, st.lists(_NAMES, min_size=2, max_size=2, unique=True))
def test_two_objects_have_nothing_in_common(topology: str, two: list[str]) -> None:
    one, other = (set(vars(Names(prefix_for(topology, name))).values()) for name in two)
    suffixes = (".arriving", ".kept", ".back", ".probe", ".notes", ".presence", ".witness")
    if not any(name.endswith(suffixes) for name in two):
        assert not one & other


def test_a_record_comes_back_as_it_was_written() -> None:
    assert _from_json(_to_json(RECORD), "here") == RECORD


def test_a_record_of_a_later_version_with_more_in_it_is_read() -> None:
    assert _from_json({**_to_json(RECORD), "more": 1}, "here") == RECORD


def test_what_is_under_way_is_said() -> None:
    assert under_way(RECORD) == (
        'The migration of the queue "work" is under way: step 4 of 9, moving its messages aside, '
        "1,204 moves of messages so far"
    )
    assert render_status([]) == "No migration is under way."
    assert render_status([RECORD]).splitlines()[0] == under_way(RECORD)
    (told,) = status_to_json([RECORD])
    assert (told["step"], told["moved"], told["abandoned"]) == ("set aside", 1204, None)


def test_every_step_has_its_words() -> None:
    assert list(DOING["queue"]) == [step.name for step in QUEUE_STEPS]
    assert list(DOING["exchange"]) == [step.name for step in EXCHANGE_STEPS]


def test_large_messages_have_few_of_them_on_their_way() -> None:
    assert window_for({"messages": 100, "message_bytes": 100 * 50}) == 1000
    assert window_for({"messages": 100, "message_bytes": 100 * 64 * 1024 * 1024}) == 1
    assert 1 <= window_for({}) <= 1000
