"""A changed topology is taken over as it stands in the file; what can't be is told once and changes nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from pipeline.app import reload
from pipeline.app.loading import Loaded, load_with
from pipeline.app.reload import Reloader
from pipeline.errors import PipelineError
from pipeline.settings import Settings
from pipeline.topology.difference import revision

FILE = """
version: 1
name: shop
exchanges: {orders: {type: topic}}
queues:
  small: {bindings: [{source: orders, routing_key: small}], ttl: 1h, external: true}
"""


class Followed:
    """A reloader over a file, and what it does."""

    def __init__(self, file: Path, *, watch: bool = True) -> None:
        self.file = file
        self.write(FILE)
        self.settings = Settings(pipeline_topology=file)
        self.adopted: list[Loaded] = []
        self.told: list[tuple[str, str]] = []
        self.lacking = ""
        self.attempts = 0
        self.reloader = Reloader(load_with(self.settings), self._adopt, self._tell, watch=watch)

    def write(self, text: str) -> None:
        """As editors do: beside it, and renamed."""
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.file)

    @property
    def revision(self) -> str:
        """Of the file as it is."""
        return revision(load_with(self.settings).topology)

    async def _adopt(self, loaded: Loaded) -> None:
        self.attempts += 1
        if self.lacking:
            raise PipelineError(f"Queue {self.lacking!r} is not declared on the broker", fix="Run `pipeline apply`")
        self.adopted.append(loaded)

    def _tell(self, in_force: str, refused: str) -> None:
        self.told.append((in_force, refused))


@pytest.fixture
async def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Followed]:
    monkeypatch.setattr(reload, "_LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(reload, "_TRY_AGAIN_S", 0.1)
    made = Followed(tmp_path / "topology.yaml")
    running = asyncio.ensure_future(made.reloader.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def test_a_changed_file_is_taken_over_and_its_revision_told(followed: Followed) -> None:
    before = followed.revision
    assert followed.told == [(before, "")]
    followed.write(FILE.replace("1h", "2h"))
    await until(lambda: followed.adopted)
    await until(lambda: followed.told[-1] == (followed.revision, ""))
    assert followed.revision != before
    assert in_force() == {followed.revision}


async def test_a_change_of_words_only_disturbs_nobody(followed: Followed) -> None:
    followed.write(FILE + "# a comment\n")
    await until(lambda: len(followed.told) > 1)
    assert followed.adopted == []


async def test_a_file_with_errors_changes_nothing_and_is_told_with_its_place(
    followed: Followed, capsys: pytest.CaptureFixture[str]
) -> None:
    before = followed.revision
    followed.write(FILE.replace("ttl: 1h", "ttl: soon"))
    await until(lambda: followed.told[-1][1])
    in_use, refused = followed.told[-1]
    assert in_use == before
    assert "topology.yaml:6:" in refused
    assert followed.adopted == []
    await asyncio.sleep(0.3)
    assert capsys.readouterr().out.count("the topology has an error") == 1
    followed.write(FILE)
    await until(lambda: followed.told[-1] == (before, ""))


async def test_a_file_that_is_gone_for_a_moment_or_for_good_changes_nothing(followed: Followed) -> None:
    followed.file.unlink()
    await until(lambda: followed.told[-1][1])
    assert followed.adopted == []
    followed.write(FILE.replace("1h", "3h"))
    await until(lambda: followed.adopted)


async def test_what_the_broker_lacks_is_told_once_and_tried_until_it_is_there(
    followed: Followed, capsys: pytest.CaptureFixture[str]
) -> None:
    followed.lacking = "large"
    followed.write(FILE.replace("1h", "2h"))
    await until(lambda: followed.attempts > 2)
    assert "'large' is not declared" in followed.told[-1][1]
    assert capsys.readouterr().out.count("can't be taken over") == 1
    followed.lacking = ""
    await until(lambda: followed.adopted)
    await until(lambda: followed.told[-1] == (followed.revision, ""))


async def test_a_profile_s_file_that_comes_and_goes_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "_LOOK_EVERY_S", 0.02)
    followed = Followed(tmp_path / "topology.yaml")
    running = asyncio.ensure_future(followed.reloader.run())
    over = tmp_path / "topology.dev.yaml"
    over.write_text("queues: {small: {ttl: 5h}}\n")
    await until(lambda: len(followed.adopted) == 1)
    assert followed.adopted[0].topology.queues["small"].ttl == load_with(followed.settings).topology.queues["small"].ttl
    over.unlink()
    await until(lambda: len(followed.adopted) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_without_watching_it_looks_when_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "_LOOK_EVERY_S", 0.02)
    followed = Followed(tmp_path / "topology.yaml", watch=False)
    running = asyncio.ensure_future(followed.reloader.run())
    followed.write(FILE.replace("1h", "2h"))
    await asyncio.sleep(0.3)
    assert followed.adopted == []
    followed.reloader.ask()
    await until(lambda: followed.adopted)
    followed.reloader.ask()
    await until(lambda: len(followed.told) > 2)
    assert len(followed.adopted) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_file_that_is_still_being_written_is_left_to_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_LOOK_EVERY_S", 0.3)
    followed = Followed(tmp_path / "topology.yaml")
    running = asyncio.ensure_future(followed.reloader.run())
    with followed.file.open("w") as file:
        for line in FILE.replace("1h", "4h").splitlines(keepends=True):
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            await asyncio.sleep(0.05)
    await until(lambda: followed.adopted)
    assert [refused for _, refused in followed.told if refused] == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def in_force() -> set[str]:
    """Revisions that the metric says are in force."""
    (metric,) = [each for each in REGISTRY.collect() if each.name == "pipeline_topology_info"]
    return {sample.labels["revision"] for sample in metric.samples if sample.value == 1}
