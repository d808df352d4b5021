"""Every command of the README is run, as it stands there, with only names of folders and servers put in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.audio import write_track
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import Message
from pipeline.verify.scenarios import SCENARIOS
from tests.acceptance.commands import ROOT, Commands, answers, eventually

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)


def commands_in(start: str, block: str = "") -> Iterator[str]:
    """Commands of the README's shell blocks that begin so, without their comments; of those that begin with `block`."""
    for line in "\n".join(each for each in BLOCKS if each.startswith(block)).splitlines():
        command = line.partition("#")[0].strip()
        if command.startswith(start):
            yield command


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "Music"
    folder.mkdir()
    write_track(folder / "song.flac", bpm=128.0, key="C major", seconds=15.0, seed=3)
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", list(commands_in("make demo")))
def test_a_make_demo_of_the_readme_ends_with_what_was_found(command: str, music: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("API_", "PIPELINE_"))}
    words = shlex.split(command.replace("~/Music", str(music)))
    words += [] if "DEMO_EXIT=1" in words else ["DEMO_EXIT=1"]
    ended = subprocess.run(
        words, cwd=ROOT, env={**environment, "API_PORT": "0"}, capture_output=True, text=True, timeout=280, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "dashboard: http://localhost:" in ended.stdout
    assert "C major" in ended.stdout
    if "MUSIC=" not in command:
        assert "DECODE_ERROR" in ended.stdout
        assert "dlq replay" in ended.stdout
    shutil.rmtree(ROOT / ".demo", ignore_errors=True)


def test_the_commands_with_rabbitmq_work_in_their_order(
    commands: Commands, servers: dict[str, str], music: Path
) -> None:
    listed = [
        shlex.split(each.replace("~/Music", str(music)))[1:]
        for each in commands_in("pipeline ", "export RABBITMQ_URL=")
    ]
    assert [each[0] for each in listed] == ["plan", "apply", "run", "api", "watch"]
    assert commands.run(*listed[0], **servers).returncode == 2
    assert commands.run(*listed[1], **servers).returncode == 0
    assert commands.run(*listed[0], **servers).returncode == 0
    started = [commands.start(*each, **servers) for each in listed[2:]]
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    eventually("the song is done", lambda: "completed" in commands.run("status", **servers).stdout)
    assert all(process.poll() is None for process in started)


def test_a_pipeline_of_ones_own_is_made_and_run_by_the_commands_in_their_order(commands: Commands) -> None:
    listed = [shlex.split(each)[1:] for each in commands_in("pipeline ", "pipeline init")]
    assert [each[0] for each in listed] == ["init", "test", "up", "publish", "doctor"]
    own = {"PIPELINE_TOPOLOGY": str(commands.folder / "hello" / "topology.yaml")}
    for command in listed:
        if command[0] == "up":
            commands.start(*command, **own)
            eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
        else:
            ended = commands.run(*command, **own)
            assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
    eventually("Ada is greeted", lambda: _waiting(commands, own)["greeted"] == 1)


def _waiting(commands: Commands, settings: dict[str, str]) -> dict[str, int]:
    status = json.loads(commands.run("status", "-o", "json", **settings).stdout)
    return {queue["name"]: queue["messages"] for queue in status["queues"]}


def test_the_commands_for_dead_letters_do_what_is_said_of_them(commands: Commands, servers: dict[str, str]) -> None:
    assert commands.run("apply", "--yes", **servers).returncode == 0
    body = json.dumps({"recording_id": "r1", "file_path": "/music/gone.flac"}).encode()
    for message_id, code, died in (
        ("broken", "DECODE_ERROR", "2026-01-02T03:04:05Z"),
        ("slow", "TIMEOUT", "2026-01-02T03:04:05Z"),
        ("wrong", "FILE_NOT_FOUND", datetime.now(UTC).isoformat()),
    ):
        asyncio.run(_bury(servers["RABBITMQ_URL"], message_id, body, code, died))
    said = []
    for each in commands_in("pipeline dlq"):
        ended = commands.run(*shlex.split(each.replace("MESSAGE_ID", "wrong"))[1:], **servers)
        assert ended.returncode == 0, (each, ended.stderr)
        said.append(ended.stdout)
    groups, shown, would, replayed, edited, purged, told = said
    assert [code for code in ("DECODE_ERROR", "TIMEOUT", "FILE_NOT_FOUND") if code not in groups] == []
    assert '"file_path": "/music/gone.flac"' in shown
    assert "slow" not in shown
    assert would.startswith("1 would be replayed, 2 kept")
    assert replayed.startswith("1 replayed, 2 kept")
    assert edited == "wrong edited and replayed: file_path\n"
    assert purged == "1 purged, 0 kept.\n"
    assert b"broken" in (commands.folder / "old-letters.jsonl").read_bytes()
    assert re.findall(r"(replay|edit|purge) 1 of analysis_queue\.dlq", told) == ["purge", "edit", "replay"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", list(commands_in("pipeline verify")))
def test_a_verification_of_the_readme_finds_nothing_wrong(command: str, commands: Commands) -> None:
    short = ("--minutes", "0.2", "--messages", "300", "--output", "json")
    ended = commands.run(*shlex.split(command)[1:], *short, timeout_s=280)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["sound"]


def test_the_readme_has_what_came_of_every_fault() -> None:
    rows = re.findall(r"^\| ([a-z-]+) \| ([a-z]+) \|", README, flags=re.MULTILINE)
    assert {(fault.name, name) for name, faults in SCENARIOS.items() for fault in faults} <= set(rows)


async def _bury(url: str, message_id: str, body: bytes, code: str, died: str) -> None:
    broker = RabbitMQBroker(url)
    await broker.connect()
    headers = {"x-message-name": "analysis.request", "x-error-code": code, "x-failed-at": died}
    await broker.publish("", "analysis_queue.dlq", Message(body, message_id=message_id, headers=headers))
    await broker.close()


def test_every_command_of_the_readme_is_one_that_a_test_runs() -> None:
    known = ("make demo", "pipeline ", "export RABBITMQ_URL=", "cd hello")
    lines = [line.partition("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
    assert [line for line in lines if line and not line.startswith(known)] == []


def test_every_command_of_the_table_exists(commands: Commands) -> None:
    shown = commands.run("--help").stdout
    for row in re.findall(r"^\| `pipeline .*", README, flags=re.MULTILINE):
        for name in re.findall(r"`(?:pipeline )?([a-z]+)[^`]*`", row.split("|")[1]):
            assert name in shown or name in commands.run("dlq", "--help").stdout
