"""`pipeline status --follow`: what happens, a line each."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from ops.audio import write_track
from tests.acceptance.commands import Commands, answers, eventually


def lines(commands: Commands) -> list[str]:
    return commands.log("status").read_text().splitlines()


def test_events_are_shown_as_they_happen_and_ctrl_c_ends_it(commands: Commands, tmp_path: Path) -> None:
    folder = tmp_path / "Music"
    folder.mkdir()
    commands.start("up", str(folder))
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    following = commands.start("status", "--follow", "--status", "completed", "--stage", "analysis", "--output", "json")
    everything = commands.start("status", "--follow")
    names = ["one.flac", "two.flac"]
    for name in names:
        write_track(folder / name, bpm=128.0, key="C major", seconds=8.0, seed=3 + names.index(name))

    def shown() -> list[str]:
        return [each for each in lines(commands) if "completed" in each and "one.flac" in each]

    eventually("a line about the end of one file", shown)
    found = [json.loads(each) for each in lines(commands) if each.startswith("{")]
    assert found
    assert {(each["data"]["status"], each["data"]["stage"]) for each in found} == {("completed", "analysis")}
    for process in (following, everything):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert not any("Traceback" in each for each in lines(commands))


def test_without_an_api_it_says_how_to_start_one(commands: Commands) -> None:
    refused = commands.run("status", "--follow")
    assert refused.returncode == 69
    assert "pipeline up" in refused.stderr


def test_choosing_without_following_is_refused(commands: Commands) -> None:
    refused = commands.run("status", "--stage", "analysis")
    assert refused.returncode == 1
    assert "--follow" in refused.stderr
