"""What feedback does to the score of a pattern, and what it does not when it comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Permanent
from pipeline.messages.message import Envelope
from pipeline.state.embedded import EmbeddedStore
from stages.contracts import RenameFeedback
from stages.rename.feedback import learn
from stages.rename.scores import PRIOR, VERDICTS, Verdict, score, scores

PATTERN = "{artist} - {title}"


class Context:
    """What the stage sees of the worker."""

    def __init__(self, store: EmbeddedStore, message_id: str | None) -> None:
        self.state = store.documents
        self.envelope = Envelope("rename.feedback", message_id, None, "queue", "exchange", "rename.feedback")


@pytest.fixture
async def store() -> AsyncIterator[EmbeddedStore]:
    """With one rename that was done and one that was refused."""
    embedded = EmbeddedStore(None)
    await embedded.connect()
    for rename_id, state in (("done", "done"), ("refused", "failed")):
        document = {"rename_id": rename_id, "state": state, "pattern": PATTERN, "recording_id": None}
        await embedded.documents.put("rename", rename_id, document)
    await embedded.documents.put(
        "rename", "plain", {"rename_id": "plain", "state": "done", "pattern": None, "recording_id": None}
    )
    yield embedded
    await embedded.close()


async def say(store: EmbeddedStore, message_id: str | None, kind: str, rename_id: str = "done", **fields: Any) -> None:
    body = RenameFeedback.model_validate({"rename_id": rename_id, "feedback_type": kind, **fields})
    await learn(body, Context(store, message_id))  # type: ignore[arg-type]


async def test_success_raises_and_failure_lowers_the_score(store: EmbeddedStore) -> None:
    await say(store, "1", "success", user_rating=5)
    (after_one,) = (await scores(store.documents)).values()
    await say(store, "2", "success")
    (after_two,) = (await scores(store.documents)).values()
    await say(store, "3", "failure", user_rating=1)
    (after_three,) = (await scores(store.documents)).values()
    assert PRIOR < after_one < after_two
    assert after_three < after_two


async def test_feedback_that_comes_again_counts_once(store: EmbeddedStore) -> None:
    for _ in range(3):
        await say(store, "the-same", "failure", user_rating=2, message="not like this")
    document = await store.documents.get("rename_pattern", PATTERN)
    assert document is not None
    assert (document["feedback_count"], document["failure"], document["average_rating"]) == (1, 1, 2.0)
    assert document["score"] == pytest.approx(score({Verdict("failure", 2): 1}), abs=1e-4)
    (kept,) = await store.documents.get_many(
        "rename_feedback", await store.documents.find("rename_feedback", "rename", "done")
    )
    assert kept is not None
    assert (kept["rename_id"], kept["message"], kept["user_rating"]) == ("done", "not like this", 2)


async def test_feedback_given_at_the_same_time_is_all_counted(store: EmbeddedStore) -> None:
    kinds = ("success", "failure", "improvement", "success")
    await asyncio.gather(
        *(say(store, str(number), kinds[number % 4], user_rating=number % 5 + 1) for number in range(40))
    )
    document = await store.documents.get("rename_pattern", PATTERN)
    assert document is not None
    assert [document[kind] for kind in ("feedback_count", "success", "failure", "improvement")] == [40, 20, 10, 10]
    assert document["average_rating"] == 3.0


async def test_feedback_on_a_refused_rename_is_kept_but_says_nothing_of_the_pattern(store: EmbeddedStore) -> None:
    await say(store, "1", "failure", "refused")
    await say(store, "2", "success", "plain")
    assert await scores(store.documents) == {}
    assert await store.documents.find("rename_feedback", "rename", "refused") == ["1"]
    assert await store.documents.find("rename_feedback", "rename", "plain") == ["2"]


async def test_feedback_on_an_unknown_rename_is_refused(store: EmbeddedStore) -> None:
    with pytest.raises(Permanent) as refusal:
        await say(store, "1", "success", "never-heard-of")
    assert refusal.value.error_code == "UNKNOWN_RENAME"
    assert await store.documents.page("rename_feedback") == ([], 0)


async def test_feedback_without_an_id_is_kept_too(store: EmbeddedStore) -> None:
    await say(store, None, "success")
    await say(store, None, "success")
    document = await store.documents.get("rename_pattern", PATTERN)
    assert document is not None
    assert document["feedback_count"] == 2
    assert datetime.fromisoformat(document["updated_at"]) <= datetime.now(UTC)


COUNTS = st.dictionaries(st.sampled_from(VERDICTS), st.integers(0, 1000))


@given(COUNTS)
def test_a_score_is_between_0_and_1_and_in_the_middle_at_first(counts):
    assert 0 < score(counts) < 1
    assert score({}) == PRIOR


@given(COUNTS, st.sampled_from(VERDICTS))
def test_a_verdict_moves_the_score_towards_itself(counts, verdict):
    before = score(counts)
    after = score(counts | {verdict: counts.get(verdict, 0) + 1})
    assert abs(after - verdict.value) <= abs(before - verdict.value) + 1e-12


@pytest.mark.parametrize("kind", ["success", "improvement", "failure"])
def test_a_better_rating_never_lowers_the_score(kind):
    values = [Verdict(kind, rating).value for rating in (1, 2, 3, 4, 5)]
    assert values == sorted(values)
