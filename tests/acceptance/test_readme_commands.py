"""Every command of the README is run, as it stands there, with only names of folders and servers put in."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.audio import write_track
from tests.acceptance.commands import ROOT, Commands, answers, eventually

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)


def commands_in(start: str) -> Iterator[str]:
    """Commands of the README's shell blocks that begin so, without their comments."""
    for line in "\n".join(BLOCKS).splitlines():
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
    listed = [shlex.split(each.replace("~/Music", str(music)))[1:] for each in commands_in("pipeline ")]
    assert [each[0] for each in listed] == ["plan", "apply", "run", "api", "watch"]
    assert commands.run(*listed[0], **servers).returncode == 2
    assert commands.run(*listed[1], **servers).returncode == 0
    assert commands.run(*listed[0], **servers).returncode == 0
    started = [commands.start(*each, **servers) for each in listed[2:]]
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    eventually("the song is done", lambda: "completed" in commands.run("status", **servers).stdout)
    assert all(process.poll() is None for process in started)


def test_every_command_of_the_readme_is_one_that_a_test_runs() -> None:
    known = ("make demo", "pipeline ", "export RABBITMQ_URL=")
    lines = [line.partition("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
    assert [line for line in lines if line and not line.startswith(known)] == []


def test_every_command_of_the_table_exists(commands: Commands) -> None:
    shown = commands.run("--help").stdout
    for row in re.findall(r"^\| `pipeline .*", README, flags=re.MULTILINE):
        for name in re.findall(r"`(?:pipeline )?([a-z]+)[^`]*`", row.split("|")[1]):
            assert name in shown or name in commands.run("dlq", "--help").stdout
