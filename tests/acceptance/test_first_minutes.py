"""From nothing to a pipeline that runs; what is set; what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.servers.process import free_ports
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.redis import PrivateRedis
from tests.acceptance.commands import ROOT, Commands, answers, eventually


def test_a_new_pipeline_runs_at_once(commands: Commands) -> None:
    made = commands.run("init", "hello")
    assert made.returncode == 0
    folder = commands.folder / "hello"
    own = {"PIPELINE_TOPOLOGY": str(folder / "topology.yaml")}
    assert "name: hello" in (folder / "topology.yaml").read_text()
    assert commands.run("lint", **own).stdout == "no errors.\n"
    assert commands.run("test", **own).returncode == 0
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout
    commands.start("up", **own)
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    assert commands.run("publish", "greet.request", '{"name": "Ada"}', **own).returncode == 0
    assert commands.run("publish", "greet.request", '{"name": " "}', **own).returncode == 0

    def greeted() -> bool:
        status = json.loads(commands.run("status", "-o", "json", **own).stdout)
        waiting = {queue["name"]: queue["messages"] for queue in status["queues"]}
        return waiting["greeted"] == 1 and status["dead_letters"] == 1

    assert eventually("one is greeted, one is refused", greeted)


def test_the_lines_that_init_prints_are_the_commands_that_follow(commands: Commands) -> None:
    said = commands.run("init", "my pipeline").stderr
    assert "cd 'my pipeline'\n" in said
    for command in ("pipeline test", "pipeline up", "pipeline publish greet.request", "pipeline status"):
        assert command in said
    assert "name: my-pipeline" in (commands.folder / "my pipeline" / "topology.yaml").read_text()


def test_init_overwrites_nothing(commands: Commands) -> None:
    (commands.folder / "greeting.py").write_text("mine")
    refused = commands.run("init", ".")
    assert refused.returncode == 1
    assert "has a file greeting.py already" in refused.stderr
    assert [path.name for path in commands.folder.iterdir()] == ["greeting.py"]


def test_init_says_where_it_cannot_write(commands: Commands) -> None:
    (commands.folder / "file").touch()
    refused = commands.run("init", "file/below")
    assert refused.returncode == 1
    assert "can't be written" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_pipeline_with_a_source_wants_a_folder(commands: Commands) -> None:
    refused = commands.run("up")
    assert refused.returncode == 1
    assert "pipeline up DIR" in refused.stderr


def test_a_pipeline_without_a_source_refuses_folders(commands: Commands) -> None:
    assert commands.run("init", ".").returncode == 0
    refused = commands.run("up", ".", PIPELINE_TOPOLOGY="topology.yaml")
    assert refused.returncode == 1
    assert "has no source" in refused.stderr


def test_config_says_what_is_set_and_where_and_hides_passwords(commands: Commands) -> None:
    settings = {
        "RABBITMQ_URL": "amqp://me:s3cret@one/v,amqp://me:s3cret@two/v",
        "REDIS_URL": "redis://:s3cret@localhost/0",
        "RABBITMQ_EXCHANGE": "s3cret",
    }
    shown = commands.run("config", "--show-origin", **settings)
    assert shown.returncode == 0
    assert "s3cret" not in shown.stdout
    assert "amqp://me:***@one/v,amqp://me:***@two/v" in shown.stdout
    listed = json.loads(commands.run("config", "-o", "json", **settings).stdout)
    found = {each["name"]: (each["value"], each["origin"]) for each in listed}
    assert found["API_HOST"] == ("127.0.0.1", "default")
    assert found["REDIS_URL"] == ("redis://:***@localhost/0", "environment")
    assert found["RABBITMQ_EXCHANGE"] == ("***", "environment")
    unset = json.loads(commands.run("config", "-o", "json").stdout)
    assert {"name": "RABBITMQ_EXCHANGE", "value": "file_rename", "origin": "default"}.items() <= unset[-1].items()
    named = json.loads(commands.run("-t", str(ROOT / "topology.yaml"), "config", "-o", "json").stdout)
    assert [each["origin"] for each in named if each["name"] == "PIPELINE_TOPOLOGY"] == ["command line"]


def examined(commands: Commands, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the worst finding about each thing."""
    ended = commands.run("doctor", "-o", "json", **settings)
    assert "Traceback" not in ended.stderr
    findings: dict[str, dict[str, Any]] = {}
    for each in json.loads(ended.stdout):
        if each["about"] not in findings or each["verdict"] == "problem":
            findings[each["about"]] = each
    return ended.returncode, findings


def test_doctor_without_servers_is_content(commands: Commands) -> None:
    code, findings = examined(commands)
    assert code == 0
    assert {each["verdict"] for each in findings.values()} <= {"good", "warning"}
    assert findings["servers"]["verdict"] == "good"
    assert "0 stages" not in findings["topology"]["what"]


def test_doctor_tells_every_problem_of_this_machine_with_its_fix(commands: Commands) -> None:
    (commands.folder / "topology.yaml").write_text("version: 1\nname: x\nstages: {a: {from: {nowhere: b}, run: [c]}}\n")
    (commands.folder / "file").touch()
    settings = {
        "PIPELINE_TOPOLOGY": str(commands.folder / "topology.yaml"),
        "PIPELINE_DATA_DIR": str(commands.folder / "file" / "data"),
        "LIBRARY_ROOTS": str(commands.folder / "missing"),
        "REDIS_URL": "redis://localhost/0",
    }
    code, findings = examined(commands, **settings)
    assert code == 1
    problems = {about for about, each in findings.items() if each["verdict"] == "problem"}
    assert problems == {"topology", "data folder", "library", "servers"}
    assert all(findings[about]["fix"] for about in problems)


def test_doctor_tells_servers_that_do_not_answer(commands: Commands) -> None:
    amqp, management, redis = free_ports(3)
    settings = {
        "RABBITMQ_URL": f"amqp://someone:s3cret@127.0.0.1:{amqp}/",
        "RABBITMQ_MANAGEMENT_URL": f"http://someone:s3cret@127.0.0.1:{management}",
        "REDIS_URL": f"redis://:s3cret@127.0.0.1:{redis}/0",
    }
    code, findings = examined(commands, **settings)
    assert code == 1
    for about in ("rabbitmq", "management", "redis"):
        assert findings[about]["verdict"] == "problem"
        assert findings[about]["fix"]
    assert "s3cret" not in json.dumps(findings)


@pytest.mark.rabbitmq
@pytest.mark.redis
def test_doctor_knows_whether_the_broker_is_provisioned(commands: Commands, servers: dict[str, str]) -> None:
    code, findings = examined(commands, **servers)
    assert code == 1
    assert findings["provisioned"]["fix"] == "Look at `pipeline plan`, run `pipeline apply`"
    assert commands.run("apply", "--yes", **servers).returncode == 0
    code, findings = examined(commands, **servers)
    assert (code, findings["provisioned"]["verdict"]) == (0, "good")
    assert findings["rabbitmq version"]["verdict"] == findings["redis version"]["verdict"] == "good"


@pytest.mark.rabbitmq
@pytest.mark.redis
def test_doctor_tells_alarms_wrong_passwords_and_a_redis_that_forgets(
    commands: Commands, own_rabbitmq: PrivateRabbitMQ, own_redis: PrivateRedis
) -> None:
    settings = {
        "RABBITMQ_URL": own_rabbitmq.url,
        "RABBITMQ_MANAGEMENT_URL": own_rabbitmq.management_url,
        "REDIS_URL": own_redis.url,
    }
    own_rabbitmq.control("set_vm_memory_high_watermark", "0.00001")
    for key, value in (("maxmemory-policy", "allkeys-lru"), ("appendonly", "no")):
        subprocess.run(["redis-cli", "-u", own_redis.url, "config", "set", key, value], check=True, capture_output=True)

    def alarm() -> bool:
        return examined(commands, **settings)[1].get("node", {}).get("verdict") == "problem"

    assert eventually("the memory alarm", alarm)
    code, findings = examined(commands, **settings)
    assert code == 1
    assert findings["redis eviction"]["verdict"] == "problem"
    assert findings["redis persistence"]["verdict"] == "warning"
    wrong = {**settings, "RABBITMQ_URL": own_rabbitmq.url.replace("guest:guest", "guest:wrong")}
    assert examined(commands, **wrong)[1]["rabbitmq"]["verdict"] == "problem"


def test_doctor_is_readable(commands: Commands, tmp_path: Path) -> None:
    shown = commands.run("doctor", LIBRARY_ROOTS=str(tmp_path / "missing"))
    assert shown.returncode == 1
    assert f"✗ library: {tmp_path / 'missing'} is not a folder\n    Correct LIBRARY_ROOTS" in shown.stdout
    assert "1 problem." in shown.stdout
