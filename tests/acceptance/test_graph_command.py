"""`pipeline graph`: pictures of the topology, with figures where a broker answers."""

from __future__ import annotations

from xml.etree import ElementTree

import pydot
import pytest

from pipeline.servers.process import free_ports
from tests.acceptance.commands import Commands, eventually


def test_it_prints_mermaid_without_a_broker(commands: Commands) -> None:
    drawn = commands.run("graph")
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.startswith("flowchart LR\n")
    assert "analysis_queue" in drawn.stdout
    assert not drawn.stderr


def test_the_ending_of_the_file_says_what_is_written(commands: Commands) -> None:
    assert commands.run("graph", "--out", "it.svg").returncode == 0
    assert commands.run("graph", "--out", "it.dot").returncode == 0
    assert ElementTree.parse(commands.folder / "it.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert pydot.graph_from_dot_file(str(commands.folder / "it.dot"))
    refused = commands.run("graph", "--out", "not/there.svg")
    assert refused.returncode == 1
    assert "not/there.svg" in refused.stderr


def test_focus_draws_what_a_queue_is_joined_to(commands: Commands) -> None:
    drawn = commands.run("graph", "--focus", "analysis_queue").stdout
    assert len(drawn.splitlines()) == 1 + 3 + 2
    refused = commands.run("graph", "--focus", "analysis_que")
    assert refused.returncode == 1
    assert "analysis_queue" in refused.stderr


@pytest.mark.rabbitmq
@pytest.mark.redis
def test_what_waits_on_the_broker_is_in_the_picture(commands: Commands, servers: dict[str, str]) -> None:
    assert commands.run("apply", "--yes", **servers).returncode == 0
    commands.run("publish", "metadata.extract", '{"recording_id": "a", "file_path": "/a.flac"}', **servers)

    def drawn() -> str | None:
        text = commands.run("graph", "--focus", "metadata.extract", **servers).stdout
        return text if "1 message " in text else None

    assert "0 consumers" in eventually("the message is in the picture", drawn)
    assert "1 message " not in commands.run("graph", "--no-live", **servers).stdout


def test_a_broker_that_does_not_answer_is_told_and_the_picture_drawn(commands: Commands) -> None:
    port = free_ports(1)[0]
    silent = {
        "RABBITMQ_URL": f"amqp://guest:guest@127.0.0.1:{port}/",
        "RABBITMQ_MANAGEMENT_URL": f"http://127.0.0.1:{port}",
    }
    drawn = commands.run("graph", **silent)
    assert drawn.returncode == 0
    assert "Without figures" in drawn.stderr
    assert drawn.stdout.startswith("flowchart LR\n")
