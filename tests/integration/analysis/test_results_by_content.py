"""What was found out of the same bytes by the same analyser is not computed again, and is never another's."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ops.audio import write_track
from pipeline.errors import Permanent, Transient
from pipeline.runtime.compose import Steps, compose, groups, import_reference, references
from pipeline.stage import Completed
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.store import Store
from pipeline.topology.stages import Stage
from stages import content
from stages.analysis import cache
from stages.analysis.assignment import Assignment
from stages.contracts import AnalysisRequest
from stages.fingerprint import xxh128_of
from tests.api_plane import project_topology

ALL = ("bpm", "key", "energy")


@dataclass
class LoopContext:
    """What steps on the loop see; the process group runs here, and which types it was given is kept."""

    state: Any
    pooled: Steps
    roots: tuple[Path, ...] = ()
    cancelled: bool = False
    computed: list[set[str]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def progress(self, fraction: float, message: str = "") -> None: ...

    async def in_process(self, group: int, assignment: Assignment) -> list[Any]:
        self.computed.append(set(assignment.wanted))
        outputs = self.pooled.run(assignment, self)
        self.meanwhile()
        return outputs


class Analysis:
    """The stage's run."""

    def __init__(self, context: LoopContext, steps: Steps) -> None:
        self.context = context
        self._steps = steps

    async def __call__(self, path: Path, *types: str) -> Completed:
        request = AnalysisRequest.model_validate(
            {"recording_id": "rec", "file_path": str(path), "analysis_types": types or ALL}
        )
        (done,) = await self._steps.run_async(request, self.context)
        assert isinstance(done, Completed)
        return done

    @property
    def computed(self) -> list[set[str]]:
        return self.context.computed


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = EmbeddedStore(None)
    await store.connect()
    yield store
    await store.close()


@pytest.fixture
def analysis(store: Store) -> Analysis:
    stage: Stage = project_topology().stages["analysis"]
    run = references("analysis", stage)
    (group,) = groups(run).values()
    context = LoopContext(store.documents, compose("analysis", group, import_reference))
    return Analysis(context, compose("analysis", run, import_reference))


@pytest.fixture
def track(tmp_path: Path) -> Path:
    path = tmp_path / "track.flac"
    write_track(path, bpm=126, key="A minor", seconds=12, style="house")
    return path


async def test_the_second_time_nothing_is_computed_and_the_results_are_identical(analysis, track):
    first = await analysis(track)
    second = await analysis(track)
    assert list(second.results.items()) == list(first.results.items())
    assert (first.extra, second.extra) == ({}, {"cached": True})
    assert analysis.computed == [set(ALL)]
    assert {"bpm", "key", "energy", "camelot", "duration_seconds"} <= first.results.keys()


async def test_a_copy_and_a_moved_file_get_the_results_at_once(analysis, track, tmp_path):
    first = await analysis(track)
    copy = Path(shutil.copy(track, tmp_path / "copy.flac"))
    moved = track.rename(tmp_path / "moved.flac")
    for path in (copy, moved):
        assert (await analysis(path)).results == first.results
    assert len(analysis.computed) == 1


async def test_only_what_is_missing_is_computed(analysis, track):
    whole = await analysis(track)
    await analysis.context.state.delete(cache.KIND, xxh128_of(str(track))[1])
    analysis.computed.clear()
    bpm = await analysis(track, "bpm")
    key = await analysis(track, "key", "bpm")
    rest = await analysis(track)
    again = await analysis(track, "energy")
    assert analysis.computed == [{"bpm"}, {"key"}, {"energy"}]
    assert list(rest.results.items()) == list(whole.results.items())
    assert not {"key", "energy"} & bpm.results.keys()
    assert not {"energy"} & key.results.keys()
    assert not {"bpm", "key"} & again.results.keys()
    assert (rest.extra, again.extra) == ({}, {"cached": True})


@pytest.mark.parametrize("types", [("bpm",), ("key",), ("energy",), ("key", "energy")])
async def test_only_what_was_asked_for_is_in_the_results_wherever_they_come_from(types, analysis, track):
    alone = await analysis(track, *types)
    await analysis(track)
    cached = await analysis(track, *types)
    assert cached.extra == {"cached": True}
    assert list(cached.results.items()) == list(alone.results.items())


async def test_what_is_not_there_is_not_looked_for_again(analysis, tmp_path):
    path = tmp_path / "drums.flac"
    write_track(path, bpm=126, key="A minor", seconds=3, style="house")
    first = await analysis(path, "bpm")
    assert "bpm" not in first.results
    assert (await analysis(path, "bpm")).extra == {"cached": True}
    assert len(analysis.computed) == 1


async def test_a_changed_file_is_analysed_again(analysis, track):
    await analysis(track)
    write_track(track, bpm=90, key="C major", seconds=12, style="pop")
    assert (await analysis(track)).results["key"] == "C major"
    assert len(analysis.computed) == 2


async def test_another_analyser_does_not_believe_the_old_results(analysis, track, monkeypatch):
    await analysis(track)
    monkeypatch.setattr(cache, "ANALYSER_VERSION", "next")
    await analysis(track)
    assert len(analysis.computed) == 2


async def test_results_of_a_file_that_changed_meanwhile_are_not_remembered(analysis, track):
    other = track.with_name("other.flac")
    write_track(other, bpm=90, key="C major", seconds=12, style="pop")
    before = xxh128_of(str(track))[1]
    analysis.context.meanwhile = lambda: os.replace(other, track)
    await analysis(track)
    assert await analysis.context.state.get(cache.KIND, before) is None
    analysis.context.meanwhile = lambda: None
    assert (await analysis(track)).results["key"] == "C major"


async def test_a_file_written_to_meanwhile_keeps_its_size_and_is_noticed_all_the_same(analysis, track):
    before = xxh128_of(str(track))[1]

    def scratch() -> None:
        with track.open("r+b") as file:
            file.seek(-100, os.SEEK_END)
            file.write(b"\0")

    analysis.context.meanwhile = scratch
    await analysis(track)
    assert await analysis.context.state.get(cache.KIND, before) is None


async def test_old_results_are_not_mixed_with_those_of_another_content(analysis, track):
    await analysis(track, "bpm")
    analysis.context.meanwhile = track.unlink
    with pytest.raises(Transient):
        await analysis(track)


async def test_a_path_outside_the_library_is_refused_though_its_content_is_known(analysis, track, tmp_path):
    await analysis(track)
    analysis.context.roots = (tmp_path / "library",)
    with pytest.raises(Permanent) as caught:
        await analysis(track)
    assert caught.value.error_code == "PATH_NOT_ALLOWED"


async def test_a_refused_file_is_not_read(analysis, tmp_path, monkeypatch):
    def read(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(content, "xxh128_of", read)
    analysis.context.roots = (tmp_path / "library",)
    with pytest.raises(Permanent):
        await analysis(tmp_path / "secret.wav")


async def test_hashing_stops_when_the_work_is_called_off(analysis, track):
    analysis.context.cancelled = True
    with pytest.raises(Transient) as caught:
        await analysis(track)
    assert caught.value.error_code == "CANCELLED"
    assert analysis.computed == []


async def test_a_file_that_never_stands_still_is_analysed_and_not_remembered(analysis, track, monkeypatch):
    def unsettled(path: str, **_: Any) -> None:
        raise content.Unsettled(path)

    monkeypatch.setattr(content, "xxh128_of", unsettled)
    assert "bpm" in (await analysis(track)).results
    assert (await analysis.context.state.page(cache.KIND))[1] == 0
