from __future__ import annotations

import pytest

from stages.watcher.hints import Hints, Touch


@pytest.fixture
def woken() -> list[None]:
    """One entry for each time the loop was woken."""
    return []


@pytest.fixture
def hints(woken: list[None]) -> Hints:
    return Hints(16, lambda: woken.append(None))


def test_hints_of_one_path_are_joined_and_the_last_word_on_writing_counts(hints: Hints) -> None:
    for what in (Touch.SEEN, Touch.WRITTEN, Touch.CLOSED, Touch.SEEN):
        hints.touch("/m/a.mp3", what)
    hints.touch("/m/b.mp3", Touch.CLOSED)
    hints.touch("/m/b.mp3", Touch.WRITTEN)
    assert hints.take().paths == {"/m/a.mp3": Touch.CLOSED, "/m/b.mp3": Touch.WRITTEN}


def test_chain_of_renamings_is_joined_to_the_first_name(hints: Hints) -> None:
    hints.moved("/m/a.mp3", "/m/b.mp3")
    hints.moved("/m/b.mp3", "/m/c.mp3")
    assert hints.take().origins == {"/m/c.mp3": "/m/a.mp3"}


def test_hints_are_taken_once(hints: Hints) -> None:
    hints.folder("/m/Album")
    assert hints.take().folders == {"/m/Album"}
    assert hints.take().folders == set()


def test_the_loop_is_woken_once_until_it_takes_what_there_is(hints: Hints, woken: list[None]) -> None:
    for number in range(5):
        hints.touch(f"/m/{number}.mp3", Touch.SEEN)
    assert len(woken) == 1
    hints.take()
    hints.folder("/m")
    assert len(woken) == 2


def test_more_hints_than_can_be_kept_are_dropped_and_that_is_told(hints: Hints) -> None:
    for number in range(100):
        hints.touch(f"/m/{number}.mp3", Touch.SEEN)
    batch = hints.take()
    assert batch.lost
    assert len(batch.paths) <= 16
    assert not hints.take().lost
