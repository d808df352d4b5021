"""`pipeline verify`: the guarantees hold while things are broken, and it notices where they do not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import ExitCode
from pipeline.verify.account import Problem
from pipeline.verify.faults import SINGLE, Fault
from pipeline.verify.site import Site
from pipeline.verify.trial import Scenario, run_trial
from tests.acceptance.commands import ROOT

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis, pytest.mark.timeout(300)]

SEED, JOBS = 5, 1500
_ANSWER_S = 240


class TakeRetries(Fault):
    """Somebody takes messages from the queue in which they wait for their next attempt."""

    name: ClassVar[str] = "take"

    async def inflict(self, site: Site, chance: random.Random) -> str:
        taken = 0
        async with AsyncExitStack() as stack:
            broker = RabbitMQBroker(site.url)
            stack.push_async_callback(broker.close)
            await broker.connect()
            while not taken:
                while (delivery := await broker.get("verify.retry.500ms")) is not None:
                    delivery.ack()
                    taken += 1
        return f"{taken} taken"


@contextmanager
def started(folder: Path, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """`pipeline verify` as a process, whose temporary files are in `folder`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "verify", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "COLUMNS": "120", **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def left_by(folder: Path) -> list[str]:
    """Processes that have to do with a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join([*process.cmdline(), process.cwd()]):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


def test_nothing_is_lost_doubled_or_stuck_whatever_is_broken(tmp_path: Path) -> None:
    arguments = ("--seed", str(SEED), "--minutes", "1", "--messages", str(JOBS), "--output", "json")
    with started(tmp_path, *arguments) as process:
        out, told = process.communicate(timeout=_ANSWER_S)
    report = json.loads(out)
    assert report["sound"], f"{told}\n{report['scenarios'][0]['findings']}"
    assert process.returncode == ExitCode.DONE
    (result,) = report["scenarios"]
    assert result["sent"] == 3 * JOBS <= result["effects"] + result["letters"]
    assert result["letters"] > 0
    inflicted = [each["fault"] for each in result["recoveries"]]
    assert len(set(inflicted)) >= len(SINGLE) // 2
    planned = [each[key] for each in result["planned"] for key in ("fault", "beside") if each[key]]
    assert planned == inflicted
    assert f"--seed {SEED}" in report["repeat"]
    assert list(tmp_path.iterdir()) == []
    assert left_by(tmp_path) == []


async def test_messages_that_somebody_removed_are_reported_as_lost(tmp_path: Path) -> None:
    scenario = Scenario("take", [TakeRetries], seed=1, minutes=0.15, jobs=400)
    result = await run_trial(scenario, tmp_path, lambda line: None)
    assert result.recoveries
    assert {finding.problem for finding in result.findings} == {Problem.LOST}
    assert result.sent == 1200
    assert result.effects + result.letters + len(result.findings) == result.sent


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    with started(tmp_path, "--faults", "broker-kill", "--seed", "1") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("broker-kill"):  # the first one is over: everything is up
                break
        process.send_signal(how)
        process.communicate(timeout=_ANSWER_S)
    assert process.returncode == ExitCode.INTERRUPTED
    assert list(tmp_path.iterdir()) == []
    assert left_by(tmp_path) == []


def test_without_the_servers_it_says_how_to_install_them(tmp_path: Path) -> None:
    with started(tmp_path, PATH=str(tmp_path)) as process:
        _, told = process.communicate(timeout=_ANSWER_S)
    assert process.returncode == ExitCode.UNREACHABLE
    assert "apt-get install" in told
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fault_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with started(tmp_path, "--faults", "worker-kil") as process:
        _, told = process.communicate(timeout=_ANSWER_S)
    assert process.returncode == ExitCode.ERROR
    assert 'Did you mean "worker-kill"?' in told
