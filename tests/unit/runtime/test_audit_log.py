"""A line for each delivery, and nothing of what is in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Permanent, PipelineError, Transient
from pipeline.runtime.assembly import WorkerOptions
from pipeline.runtime.audit import Audit
from pipeline.runtime.worker import Worker
from tests.unit.runtime.conftest import Answer, Order, Rig, eventually


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def steps(order: Order, context: Any) -> Answer:
    if order.number == 1:
        raise Permanent("a secret word", "DECODE_ERROR")
    if order.number == 2 and context.envelope.attempt == 1:
        raise Transient("a secret word")
    return Answer(number=order.number)


@pytest.fixture
async def audited(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """A rig whose workers tell `rig.audit`."""
    made = rig.worker

    def worker(*functions: Any, **options: Any) -> Worker:
        made(*functions)
        options = {"hold_s": 0.05, **options}
        audit: Audit = vars(rig)["audit"]
        return Worker(rig.topology, rig.broker, rig.state, rig.resolve, WorkerOptions(**options), audit=audit)

    monkeypatch.setattr(rig, "worker", worker)
    yield rig
    await rig.stop()
    vars(rig)["audit"].close()


def audit(rig: Rig, path: Path, sample: float = 1.0) -> None:
    vars(rig)["audit"] = Audit(path, sample=sample)


async def test_each_delivery_has_a_line_that_says_what_became_of_it(audited: Rig, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit(audited, path)
    await audited.start(steps)
    await audited.publish({"number": 0, "file_path": "/a secret place"}, id="good", correlation_id="chain")
    await audited.publish({"number": 1}, id="bad")
    await audited.publish({"number": 2}, id="later")
    await eventually(lambda: len(lines(path)) == 3)
    await audited.wait_for_retry()
    await audited.publish({"number": 0}, id="good")
    await eventually(lambda: len(lines(path)) == 5)
    written = lines(path)
    assert sorted((line["message_id"], line["attempt"], line["outcome"], line["error_code"]) for line in written) == [
        ("bad", 1, "dead_lettered", "DECODE_ERROR"),
        ("good", 1, "completed", None),
        ("good", 1, "duplicate", None),
        ("later", 1, "retried", "DEPENDENCY_UNAVAILABLE"),
        ("later", 2, "completed", None),
    ]
    first = next(line for line in written if line["outcome"] == "completed" and line["message_id"] == "good")
    assert (first["stage"], first["queue"], first["message"], first["correlation_id"]) == (
        "work",
        "orders",
        "order",
        "chain",
    )
    assert first["seconds"] > 0
    assert first["time"].endswith("Z")
    assert "secret" not in path.read_text()


async def test_a_sample_holds_whole_chains_and_every_failure(audited: Rig, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit(audited, path, 0.5)
    await audited.start(steps)
    for number in range(60):
        await audited.publish({"number": 10}, id=f"m{number}", correlation_id=f"chain{number % 20}")
    await audited.publish({"number": 1}, id="bad")
    for _ in range(60):
        await audited.take("answers")
    await audited.stop()
    written = lines(path)
    chains = [line["correlation_id"] for line in written if line["outcome"] == "completed"]
    assert 0 < len(set(chains)) < 20
    assert {chains.count(each) for each in chains} == {3}
    assert [line["message_id"] for line in written if line["outcome"] == "dead_lettered"] == ["bad"]


async def test_of_an_empty_sample_only_failures_are_written(audited: Rig, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit(audited, path, 0.0)
    await audited.start(steps)
    await audited.publish({"number": 10}, id="good")
    await audited.publish({"number": 1}, id="bad")
    await audited.take("answers")
    await audited.take("the.orders.dlq")
    await audited.stop()
    assert [line["message_id"] for line in lines(path)] == ["bad"]


async def test_a_file_that_is_moved_away_is_made_anew(audited: Rig, tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.log", tmp_path / "audit.log.1"
    audit(audited, path)
    await audited.start(steps)
    await audited.publish({"number": 10}, id="one")
    await eventually(lambda: len(lines(path)) == 1)
    path.rename(moved)
    await audited.publish({"number": 10}, id="two")
    await eventually(path.exists)
    await eventually(lambda: [line["message_id"] for line in lines(path)] == ["two"])
    assert [line["message_id"] for line in lines(moved)] == ["one"]


def test_lines_can_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    Audit(Path("-")).close()
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        Audit(tmp_path / "missing" / "audit.log")
    assert caught.value.where == str(tmp_path / "missing" / "audit.log")


async def test_a_full_disk_is_told_once_and_work_goes_on(audited: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    audit(audited, Path("/dev/full"))
    await audited.start(steps)
    for number in range(3):
        await audited.publish({"number": 10}, id=f"m{number}")
    for _ in range(3):
        await audited.take("answers")
    await audited.stop()
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("the audit log can't be written") == 1
    assert "Traceback" not in printed.out + printed.err
