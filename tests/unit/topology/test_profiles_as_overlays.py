"""A profile's file laid over the topology, and the file that comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import read_document
from pipeline.topology.effective import effective_yaml
from pipeline.topology.expand import definitions_of
from pipeline.topology.load import inspect
from pipeline.topology.model import Topology
from pipeline.topology.overlay import overlay, overlay_of, profiles_of
from pipeline.topology.source import Source

_ROOT = Path(__file__).parents[3]
Over = Callable[[str], tuple[Topology | None, list[Diagnostic]]]


@pytest.fixture
def over(tmp_path: Path, base: str) -> Over:
    """Lays a text over the small topology."""

    def laid(text: str) -> tuple[Topology | None, list[Diagnostic]]:
        file = tmp_path / "topology.yaml"
        file.write_text(base)
        profile = overlay_of(file, "prod")
        profile.write_text(text)
        topology, _, diagnostics = inspect(file, {"SIZE": "7"}, overlays=[profile])
        return topology, diagnostics

    return laid


def test_mappings_are_merged_values_and_lists_are_replaced_and_empty_keys_removed(over: Over) -> None:
    topology, diagnostics = over(
        "retries: {standard: {delays: [1m]}}\n"
        "queues:\n  grave:\n    external: null\n    max_length: ${SIZE}\n"
        "tests: []\n"
    )
    assert topology is not None, diagnostics
    assert [delay.total_seconds() for delay in topology.retries["standard"].delays] == [60]
    assert topology.queues["grave"].max_length == 7
    assert topology.queues["grave"].external is False
    assert topology.queues["grave"].bindings
    assert topology.tests == []
    assert topology.queues["work"].bindings[0].routing_key == ["task.created"]


def test_a_mistake_is_shown_in_the_file_and_at_the_place_where_it_was_made(over: Over) -> None:
    _, diagnostics = over("\nqueues:\n  work: {ttl: soon}\n  grave: {bindings: [{source: buryed}]}\n")
    places = {(each.code, Path(each.file).name, each.line, each.path) for each in diagnostics}
    assert ("T103", "topology.prod.yaml", 3, "queues.work.ttl") in places
    assert ("T105", "topology.prod.yaml", 4, "queues.grave.bindings[0].source") in places


def test_a_mistake_of_the_topology_itself_stays_in_its_file(over: Over, base: str) -> None:
    _, diagnostics = over("messages: {task.created: {exchange: buried}}\n")
    (wrong,) = [each for each in diagnostics if each.code == "T213" or each.code == "T201"]
    assert Path(wrong.file).name == "topology.yaml"
    assert base.splitlines()[wrong.line - 1] == wrong.excerpt


def test_removing_what_is_not_there_is_a_mistake(over: Over) -> None:
    topology, diagnostics = over("queues: {wrok: null}\n")
    assert topology is None
    assert [(each.code, each.path) for each in diagnostics] == [("T017", "queues.wrok")]


@pytest.mark.parametrize("text", ["", "- a\n", "queues: [\n", "queues: {a: 1, a: 2}\n"])
def test_a_broken_overlay_is_an_error_in_its_own_file(over: Over, text: str) -> None:
    topology, diagnostics = over(text)
    assert topology is None
    assert {Path(each.file).name for each in diagnostics} == {"topology.prod.yaml"}


def test_profiles_are_found_by_their_files(tmp_path: Path) -> None:
    for name in ("topology.yaml", "topology.prod.yaml", "topology.big-one.yaml", "topology.Not.yaml", "other.x.yaml"):
        (tmp_path / name).touch()
    assert profiles_of(tmp_path / "topology.yaml") == ["big-one", "prod"]


@pytest.mark.parametrize("profile", profiles_of(_ROOT / "topology.yaml"))
def test_every_profile_of_the_project_has_nothing_wrong(profile: str) -> None:
    file = _ROOT / "topology.yaml"
    topology, _, diagnostics = inspect(file, {}, overlays=[overlay_of(file, profile)])
    assert topology is not None
    assert diagnostics == []


def test_in_a_cluster_queues_are_quorum_queues_but_for_those_with_priorities() -> None:
    file = _ROOT / "topology.yaml"
    topology, _, _ = inspect(file, {}, overlays=[overlay_of(file, "cluster")])
    assert topology is not None
    for queue in definitions_of(topology).queues:
        quorum = queue.arguments.get("x-queue-type") == "quorum"
        declared = topology.queues.get(queue.name.removesuffix(".dlq"))
        assert quorum is (declared is None or declared.max_priority is None), queue


@pytest.mark.parametrize("profile", [None, *profiles_of(_ROOT / "topology.yaml")])
def test_the_printed_file_is_the_same_topology(profile: str | None, tmp_path: Path) -> None:
    file = _ROOT / "topology.yaml"
    overlays = [overlay_of(file, profile)] if profile else []
    environment = {"RABBITMQ_EXCHANGE": "s3cret"}
    topology, document, _ = inspect(file, environment, overlays=overlays)
    assert document is not None
    printed = effective_yaml(document)
    assert "s3cret" not in printed
    (tmp_path / "printed.yaml").write_text(printed)
    again, _, diagnostics = inspect(tmp_path / "printed.yaml", environment)
    assert again == topology, diagnostics


def test_passwords_are_not_printed() -> None:
    source = Source.of('users: {a: {password: hunter2}, b: {password: "${PASSWORD}"}}', "topology.yaml")
    document, _ = read_document(source, {"PASSWORD": "hunter3"})
    printed = effective_yaml(document)
    assert "hunter" not in printed
    assert "${PASSWORD}" in printed


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.sampled_from(
        ["yes", "on", "12:30", "1.0", "0x1f", "~", "null", "", " a", "a: b", "#", "$", "${X}", "*a", "é\n", "1e5"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f\x85"), max_size=8),
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcd.-", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text("abc", min_size=1, max_size=3), _TREES, min_size=1, max_size=4))
def test_whatever_is_printed_is_read_back(value: dict[str, object]) -> None:
    blank = Source.of("a: 1", "made")
    document, _ = read_document(blank, {})
    document.value, document.secret = value, {}
    again, diagnostics = read_document(Source.of(effective_yaml(document), "printed"), {})
    assert diagnostics == []
    assert again.value == value


@given(
    ours=st.dictionaries(st.sampled_from("abc"), _TREES, min_size=1),
    theirs=st.dictionaries(st.sampled_from("abc"), _TREES, min_size=1),
)
def test_every_value_of_the_merged_document_has_a_place(ours: dict[str, object], theirs: dict[str, object]) -> None:
    def read(value: dict[str, object]) -> object:
        document, _ = read_document(Source.of("a: 1", "made"), {})
        document.value = value
        return read_document(Source.of(effective_yaml(document), "file"), {})[0]

    base, over = read(ours), read(theirs)
    merged, _ = overlay(base, over)  # type: ignore[arg-type]

    def check(value: object, path: tuple[str | int, ...]) -> None:
        assert path in merged.values
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, each in items:
            check(each, (*path, key))

    check(merged.value, ())
