"""Documents and their indices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pipeline.errors import Permanent
from pipeline.state.documents import LARGEST_DOCUMENT
from pipeline.state.store import Store


async def test_document_comes_back_as_it_was_put(store: Store) -> None:
    document = {
        "title": "Ünïcode 🎧",
        "bpm": 128.00000000000003,
        "count": 2**53 + 1,
        "none": None,
        "nested": {"list": [1, 2.5, "x", {}], "empty": []},
        "path": "/music/\udce9t\udce9.mp3",
    }
    await store.documents.put("recording", "id", document)
    assert await store.documents.get("recording", "id") == document


async def test_unknown_document_is_none(store: Store) -> None:
    await store.documents.put("recording", "id", {})
    assert await store.documents.get("recording", "other") is None
    assert await store.documents.get("other", "id") is None


async def test_many_documents_come_in_the_order_asked_for(store: Store) -> None:
    await store.documents.put("recording", "a", {"n": 1})
    await store.documents.put("recording", "b", {"n": 2})
    assert await store.documents.get_many("recording", ["b", "other", "a", "b"]) == [{"n": 2}, None, {"n": 1}, {"n": 2}]
    assert await store.documents.get_many("recording", []) == []


async def test_put_twice_is_the_same_as_once(store: Store) -> None:
    for _ in range(2):
        await store.documents.put("recording", "id", {"a": 1}, unique={"path": "/a"}, index={"hash": "h"})
    assert await store.documents.page("recording") == ([{"a": 1, "id": "id"}], 1)
    assert await store.documents.find("recording", "path", "/a") == ["id"]
    assert await store.documents.find("recording", "hash", "h") == ["id"]


async def test_index_entries_become_exactly_those_given(store: Store) -> None:
    await store.documents.put("recording", "id", {}, unique={"path": "/a"}, index={"hash": "h", "artist": "x"})
    await store.documents.put("recording", "id", {}, unique={"path": "/b"}, index={"hash": "i"})
    found = {
        (name, value): await store.documents.find("recording", name, value)
        for name, value in [("path", "/a"), ("path", "/b"), ("hash", "h"), ("hash", "i"), ("artist", "x")]
    }
    assert found == {
        ("path", "/a"): [],
        ("path", "/b"): ["id"],
        ("hash", "h"): [],
        ("hash", "i"): ["id"],
        ("artist", "x"): [],
    }


async def test_index_finds_all_ids_sorted(store: Store) -> None:
    for each in ("c", "a", "b"):
        await store.documents.put("recording", each, {}, index={"hash": "h"})
    await store.documents.put("recording", "d", {}, index={"hash": "ha"})
    assert await store.documents.find("recording", "hash", "h") == ["a", "b", "c"]


async def test_owners_of_unique_values_come_in_the_order_asked_for(store: Store) -> None:
    await store.documents.put("recording", "a", {}, unique={"path": "/a"}, index={"hash": "/b"})
    await store.documents.put("recording", "c", {}, unique={"path": "/ü"})
    assert await store.documents.owners("recording", "path", ["/ü", "/b", "/a", "/a"]) == ["c", None, "a", "a"]
    assert await store.documents.owners("recording", "path", []) == []
    assert await store.documents.owners("other", "path", ["/a"]) == [None]


async def test_documents_under_a_value_are_counted(store: Store) -> None:
    for each in ("a", "b", "c"):
        await store.documents.put("recording", each, {}, index={"hash": "h" if each < "c" else "ha"})
    await store.documents.put("recording", "d", {}, index={"hash": "ü"})
    await store.documents.put("recording", "a", {}, index={"hash": "h"})
    assert await store.documents.counts("recording", "hash", ["h", "ü", "ha", "", "h"]) == [2, 1, 1, 0, 2]
    await store.documents.delete("recording", "b")
    assert await store.documents.counts("recording", "hash", ["h"]) == [1]
    assert await store.documents.counts("recording", "hash", []) == []


async def test_unique_value_belongs_to_its_last_writer(store: Store) -> None:
    await store.documents.put("recording", "a", {"of": "a"}, unique={"path": "/x"})
    await store.documents.put("recording", "b", {"of": "b"}, unique={"path": "/x"})
    assert await store.documents.find("recording", "path", "/x") == ["b"]
    assert await store.documents.get("recording", "a") == {"of": "a"}
    assert await store.documents.delete("recording", "a")
    assert await store.documents.find("recording", "path", "/x") == ["b"]


async def test_unique_value_that_went_to_another_stays_there_when_its_loser_moves_on(store: Store) -> None:
    await store.documents.put("recording", "a", {}, unique={"path": "/x"})
    await store.documents.put("recording", "b", {}, unique={"path": "/x"})
    await store.documents.put("recording", "a", {}, unique={"path": "/y"})
    assert await store.documents.find("recording", "path", "/x") == ["b"]
    assert await store.documents.find("recording", "path", "/y") == ["a"]


async def test_claim_gives_a_value_to_the_first_who_asks(store: Store) -> None:
    assert await store.documents.claim("recording", "path", "/x", "a") == "a"
    assert await store.documents.claim("recording", "path", "/x", "b") == "a"
    assert await store.documents.claim("recording", "path", "/x", "a") == "a"
    assert await store.documents.find("recording", "path", "/x") == ["a"]


async def test_claim_alone_is_no_document(store: Store) -> None:
    await store.documents.claim("recording", "path", "/x", "a")
    assert await store.documents.get("recording", "a") is None
    assert await store.documents.page("recording") == ([], 0)
    assert not await store.documents.delete("recording", "a")
    assert await store.documents.find("recording", "path", "/x") == []


async def test_claimed_value_is_given_back_by_a_put_without_it(store: Store) -> None:
    await store.documents.claim("recording", "path", "/x", "a")
    await store.documents.put("recording", "a", {}, unique={"path": "/y"})
    assert await store.documents.claim("recording", "path", "/x", "b") == "b"


async def test_one_of_many_concurrent_claims_wins(store: Store) -> None:
    owners = await asyncio.gather(*(store.documents.claim("recording", "path", "/x", str(n)) for n in range(50)))
    assert len(set(owners)) == 1


async def test_concurrent_puts_leave_the_index_of_one_of_them(store: Store) -> None:
    await asyncio.gather(
        *(store.documents.put("recording", "id", {"n": n}, unique={"path": f"/{n}"}) for n in range(50))
    )
    document = await store.documents.get("recording", "id")
    assert document is not None
    found = [n for n in range(50) if await store.documents.find("recording", "path", f"/{n}")]
    assert found == [document["n"]]


async def test_page_has_the_most_recently_written_first_and_the_total(store: Store) -> None:
    for number in range(5):
        await store.documents.put("recording", str(number), {"n": number})
    await store.documents.put("recording", "1", {"n": 10})
    documents, total = await store.documents.page("recording")
    assert [(each["id"], each["n"]) for each in documents] == [("1", 10), ("4", 4), ("3", 3), ("2", 2), ("0", 0)]
    assert total == 5
    documents, total = await store.documents.page("recording", offset=1, limit=2)
    assert [each["id"] for each in documents] == ["4", "3"]
    assert total == 5
    assert await store.documents.page("recording", offset=5) == ([], 5)
    assert await store.documents.page("nothing") == ([], 0)


async def test_document_that_has_changed_is_not_deleted_by_who_knew_it_before(store: Store) -> None:
    old = {"title": "Ünïcode", "bpm": 128.00000000000003, "none": None, "list": [1, {}]}
    await store.documents.put("recording", "id", old, unique={"path": "/a"}, index={"hash": "x"})
    known = await store.documents.get("recording", "id")
    await store.documents.put("recording", "id", {**old, "bpm": 128.0}, unique={"path": "/a"}, index={"hash": "x"})
    assert not await store.documents.delete("recording", "id", unchanged=known)
    assert await store.documents.find("recording", "path", "/a") == ["id"]
    assert await store.documents.delete("recording", "id", unchanged=await store.documents.get("recording", "id"))
    assert await store.documents.find("recording", "path", "/a") == []
    assert not await store.documents.delete("recording", "id", unchanged=old)


async def test_deleted_document_and_its_entries_are_gone(store: Store) -> None:
    await store.documents.put("recording", "id", {}, unique={"path": "/a"}, index={"hash": "h"})
    assert await store.documents.delete("recording", "id")
    assert not await store.documents.delete("recording", "id")
    assert await store.documents.get("recording", "id") is None
    assert await store.documents.find("recording", "path", "/a") == []
    assert await store.documents.find("recording", "hash", "h") == []
    assert await store.documents.page("recording") == ([], 0)


async def test_document_that_is_too_large_is_refused_for_good(store: Store) -> None:
    await store.documents.put("recording", "id", {"text": "x" * (LARGEST_DOCUMENT - 100)})
    with pytest.raises(Permanent, match="can be stored"):
        await store.documents.put("recording", "id", {"text": "x" * LARGEST_DOCUMENT})
    document = await store.documents.get("recording", "id")
    assert document is not None
    assert len(document["text"]) == LARGEST_DOCUMENT - 100


@pytest.mark.parametrize("document", [{"bpm": float("nan")}, {"when": object()}])
async def test_document_that_json_has_no_word_for_is_an_error(store: Store, document: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        await store.documents.put("recording", "id", document)
    assert await store.documents.get("recording", "id") is None


async def test_names_that_would_be_mistaken_for_others_are_refused(store: Store) -> None:
    for kind in ("", "a:b", "a\0b"):
        with pytest.raises(ValueError, match="cannot name"):
            await store.documents.put(kind, "id", {})
    with pytest.raises(ValueError, match="NUL"):
        await store.documents.put("recording", "id", {}, index={"path": "a\0b"})
    with pytest.raises(ValueError, match="NUL"):
        await store.documents.put("recording", "i\0d", {})
    with pytest.raises(ValueError, match="a page starts"):
        await store.documents.page("recording", offset=-1)


_IDS = st.sampled_from(["a", "b", "c", "a:b"])
_VALUES = st.sampled_from(["", "/x", "/x:y", "/x\n", "/xy", "é"])
_ENTRIES = st.dictionaries(st.sampled_from(["path", "pat", "hash"]), _VALUES, max_size=2)


class _Indices(RuleBasedStateMachine):
    """The store beside a model in Python."""

    def __init__(self, engine: Any) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._engine = engine
        self._store: Store = engine()
        self._run(self._store.connect())
        self.order: list[str] = []
        self.bodies: dict[str, dict[str, Any]] = {}
        self.owners: dict[tuple[str, str], str] = {}
        self.held: dict[str, set[tuple[str, str]]] = {}
        self.indexed: dict[str, set[tuple[str, str]]] = {}

    def _run(self, call: Any) -> Any:
        return self._runner.run(call)

    def _disown(self, id: str) -> None:
        for entry in self.held.pop(id, set()):
            if self.owners.get(entry) == id:
                del self.owners[entry]

    @rule(id=_IDS, number=st.integers(), unique=_ENTRIES, index=_ENTRIES)
    def put(self, id: str, number: int, unique: dict[str, str], index: dict[str, str]) -> None:
        self._run(self._store.documents.put("kind", id, {"n": number}, unique=unique, index=index))
        self._disown(id)
        self.held[id] = set(unique.items())
        self.owners.update(dict.fromkeys(self.held[id], id))
        self.indexed[id] = set(index.items())
        self.bodies[id] = {"n": number}
        self.order = [id, *(each for each in self.order if each != id)]

    @rule(id=_IDS, name=st.sampled_from(["path", "pat"]), value=_VALUES)
    def claim(self, id: str, name: str, value: str) -> None:
        owner = self._run(self._store.documents.claim("kind", name, value, id))
        if (name, value) not in self.owners:
            self.owners[name, value] = id
            self.held.setdefault(id, set()).add((name, value))
        assert owner == self.owners[name, value]

    @rule(id=_IDS)
    def delete(self, id: str) -> None:
        assert self._run(self._store.documents.delete("kind", id)) == (id in self.bodies)
        self._disown(id)
        self.indexed.pop(id, None)
        self.bodies.pop(id, None)
        self.order = [each for each in self.order if each != id]

    @rule()
    def restart(self) -> None:
        self._run(self._store.close())
        self._store = self._engine()
        self._run(self._store.connect())

    @rule(name=st.sampled_from(["path", "pat", "hash"]), value=_VALUES)
    def find(self, name: str, value: str) -> None:
        expected = {each for each, entries in self.indexed.items() if (name, value) in entries}
        if (name, value) in self.owners:
            expected.add(self.owners[name, value])
        assert self._run(self._store.documents.find("kind", name, value)) == sorted(expected)

    @rule(id=_IDS)
    def get(self, id: str) -> None:
        assert self._run(self._store.documents.get("kind", id)) == self.bodies.get(id)

    @invariant()
    def page_has_all_in_order(self) -> None:
        expected = [{**self.bodies[each], "id": each} for each in self.order]
        assert self._run(self._store.documents.page("kind")) == (expected, len(expected))

    def teardown(self) -> None:
        self._run(self._store.close())
        self._run(self._engine.clear())
        self._runner.close()


def test_indices_equal_a_model_after_any_writes(new_engine: Callable[[], Any]) -> None:
    run_state_machine_as_test(
        lambda: _Indices(new_engine()),
        settings=settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
