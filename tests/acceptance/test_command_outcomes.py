"""What each command's end tells a script and a person: exit codes, and errors that say what to do."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from pipeline.servers.process import free_ports
from tests.acceptance.commands import ROOT, Commands, answers, eventually


def nowhere() -> dict[str, str]:
    """Servers that do not answer."""
    amqp, management, redis = free_ports(3)
    return {
        "RABBITMQ_URL": f"amqp://someone:s3cret@127.0.0.1:{amqp}/",
        "RABBITMQ_MANAGEMENT_URL": f"http://someone:s3cret@127.0.0.1:{management}",
        "REDIS_URL": f"redis://:s3cret@127.0.0.1:{redis}/0",
    }


def test_wrong_usage_exits_64(commands: Commands) -> None:
    assert commands.run("plan", "--no-such-option").returncode == 64
    assert commands.run("no-such-command").returncode == 64


def test_help_names_every_command_and_exits_0(commands: Commands) -> None:
    shown = commands.run("--help")
    assert shown.returncode == 0
    for command in ("lint", "plan", "apply", "route", "test", "run", "api", "watch", "up", "publish", "status", "dlq"):
        assert command in shown.stdout


def test_route_tells_where_a_message_goes_and_when_it_is_given_up(commands: Commands) -> None:
    shown = commands.run("route", "file_events", "file.created")
    assert shown.returncode == 0
    for line in (
        "cataloging.file.events  by file.created",
        "stage catalog takes file.created",
        "after 4 failed attempts, at 2m35s, in cataloging.file.events.dlq",
        "expires after 1d, then in cataloging.file.events.dlq",
    ):
        assert line in shown.stdout
    described = json.loads(commands.run("route", "cue.direct", "no.such.key", "--output", "json").stdout)
    assert (described["message"], described["queues"]) == ("no.such.key", [])


def test_the_topologys_own_tests_hold_and_one_that_does_not_exits_1(commands: Commands, tmp_path: Path) -> None:
    held = commands.run("test")
    assert held.returncode == 0, held.stdout
    assert "failing: in analysis_queue.dlq at 2m35s" in held.stdout
    wrong = tmp_path / "topology.yaml"
    wrong.write_text(
        (ROOT / "topology.yaml").read_text().replace("analysis_queue.dlq: 2m35s", "analysis_queue.dlq: 3m")
    )
    failed = commands.run("test", PIPELINE_TOPOLOGY=str(wrong))
    assert failed.returncode == 1
    assert "ends in analysis_queue.dlq at 2m35s, not at 3m" in failed.stdout


def test_route_through_an_unknown_exchange_names_one_that_is_near(commands: Commands) -> None:
    ended = commands.run("route", "fil_events", "file.created")
    assert ended.returncode == 1
    assert 'Did you mean "file_events"?' in ended.stderr
    assert commands.run("route", "file_events", "x", "--header", "nothing").returncode == 64


def test_run_without_servers_exits_1_and_points_to_up(commands: Commands, tmp_path: Path) -> None:
    for arguments in (["run"], ["api"], ["watch", str(tmp_path)]):
        ended = commands.run(*arguments)
        assert ended.returncode == 1
        assert "pipeline up DIR" in ended.stderr


def test_one_server_without_the_other_is_an_error_that_says_so(commands: Commands, tmp_path: Path) -> None:
    ended = commands.run("up", str(tmp_path), REDIS_URL="redis://127.0.0.1:6379/0")
    assert ended.returncode == 1
    assert "REDIS_URL is set but RABBITMQ_URL is not" in ended.stderr


@pytest.mark.rabbitmq
def test_what_only_rabbitmq_is_needed_for_wants_no_redis(commands: Commands, servers: dict[str, str]) -> None:
    alone = {name: value for name, value in servers.items() if name != "REDIS_URL"}
    assert commands.run("plan", **alone).returncode == 2
    for arguments in (["apply", "--yes"], ["plan"], ["drift"], ["migrate", "--status"], ["dlq", "list"], ["import"]):
        ended = commands.run(*arguments, **alone)
        assert ended.returncode == 0, (arguments, ended.stderr)
    assert "REDIS_URL is not" in commands.run("run", **alone).stderr


def test_a_server_that_does_not_answer_exits_69_without_showing_its_password(commands: Commands) -> None:
    ended = commands.run("plan", **nowhere())
    assert ended.returncode == 69
    assert "127.0.0.1" in ended.stderr
    assert "s3cret" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_that_is_none_is_an_error(commands: Commands) -> None:
    ended = commands.run("up", "/no/such/folder")
    assert ended.returncode == 1
    assert "/no/such/folder is not a folder" in ended.stderr


def test_a_worker_waits_for_its_servers_and_says_so_once(commands: Commands) -> None:
    process = commands.start("run", **nowhere())
    log = commands.log("run")
    eventually("both named", lambda: "The broker" in log.read_text() and "The state store" in log.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    told = log.read_text()
    assert told.count("trying again until it does") == 2
    assert "Traceback" not in told
    assert "s3cret" not in told


def test_a_worker_without_its_queues_says_to_apply(commands: Commands, servers: dict[str, str]) -> None:
    ended = commands.run("run", **servers)
    assert ended.returncode == 1
    assert "pipeline apply" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_pending_plan_exits_2_and_an_applied_one_0(commands: Commands, servers: dict[str, str]) -> None:
    pending = commands.run("plan", **servers)
    assert pending.returncode == 2
    assert "+ queue" in pending.stdout
    assert "analysis_queue" in pending.stdout
    assert commands.run("apply", "--yes", **servers).returncode == 0
    matching = commands.run("plan", **servers)
    assert matching.returncode == 0, matching.stdout
    assert "nothing to do" in matching.stdout


def test_a_queue_with_other_immutable_arguments_is_shown_and_left(commands: Commands, servers: dict[str, str]) -> None:
    vhost = servers["RABBITMQ_URL"].rpartition("/")[2]
    queue = f"{servers['RABBITMQ_MANAGEMENT_URL']}/api/queues/{vhost}/analysis_queue"
    httpx.put(queue, json={"durable": True, "arguments": {"x-max-priority": 5}}, timeout=10).raise_for_status()
    planned = commands.run("plan", **servers)
    assert planned.returncode == 2
    assert "± queue" in planned.stdout
    assert "x-max-priority 5 → 10" in planned.stdout
    assert commands.run("apply", "--yes", "--no-migrate", **servers).returncode == 3
    assert httpx.get(queue, timeout=10).json()["arguments"]["x-max-priority"] == 5


def test_a_wrong_topology_shows_all_errors_with_their_places_and_starts_nothing(
    commands: Commands, tmp_path: Path
) -> None:
    text = (ROOT / "topology.yaml").read_text()
    wrong = text.replace("from: {analysis_queue:", "from: {analysis_quue:").replace("ttl: 24h", "ttl: 24 hours")
    wrong = wrong.replace('run: ["stages.catalog:catalogue"]', 'run: ["stages.catalog:catalog"]')
    file = tmp_path / "wrong.yaml"
    file.write_text(wrong)
    lint = commands.run("--topology", str(file), "lint")
    assert lint.returncode == 1
    assert "T104" in lint.stdout
    assert 'Did you mean "analysis_queue"?' in lint.stdout
    assert "24 hours" in lint.stdout
    line = 1 + next(number for number, each in enumerate(wrong.splitlines()) if "analysis_quue" in each)
    assert f"wrong.yaml:{line}:" in lint.stdout
    (tmp_path / "music").mkdir()
    up = commands.run("--topology", str(file), "up", str(tmp_path / "music"))
    assert up.returncode == 1
    assert "T104" in up.stderr
    assert "dashboard" not in up.stdout


def test_a_name_that_leads_to_no_code_is_shown_at_its_place(commands: Commands, tmp_path: Path) -> None:
    text = (ROOT / "topology.yaml").read_text()
    file = tmp_path / "wrong.yaml"
    file.write_text(text.replace('run: ["stages.catalog:catalogue"]', 'run: ["stages.catalog:catalog"]'))
    lint = commands.run("--topology", str(file), "lint", "--output", "json")
    assert lint.returncode == 1
    errors = [each for each in json.loads(lint.stdout) if each["severity"] == "error"]
    assert [each["code"] for each in errors] == ["T301"]
    assert errors[0]["line"] > 0
    assert "catalogue" in errors[0]["suggestion"]


def test_the_projects_topology_has_no_errors(commands: Commands) -> None:
    lint = commands.run("lint", "--quiet")
    assert lint.returncode == 0, lint.stdout


def test_a_taken_port_is_named_with_its_owner_and_another_is_suggested(commands: Commands, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = commands.run("up", str(tmp_path), API_PORT=str(taken.getsockname()[1]))
    assert ended.returncode == 1
    assert psutil.Process().name() in ended.stderr
    assert "API_PORT=" in ended.stderr


def test_sigterm_drains_and_exits_0_and_ctrl_c_exits_130(commands: Commands, tmp_path: Path) -> None:
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        process = commands.start("up", str(tmp_path))
        eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
        process.send_signal(number)
        assert process.wait(timeout=30) == code
    assert "Traceback" not in commands.log("up").read_text()


def test_plan_compares_with_the_running_pipeline_where_there_is_no_broker(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    commands.start("up", str(tmp_path / "music"))
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    assert commands.run("plan").returncode == 0
    changed = tmp_path / "topology.yaml"
    changed.write_text((ROOT / "topology.yaml").read_text().replace("ttl: 24h", "ttl: 48h"))
    planned = commands.run("--topology", str(changed), "plan")
    assert planned.returncode == 2
    assert "message-ttl 86400000 → 172800000 ms" in planned.stdout
    assert "live" in planned.stdout


def test_plan_without_a_broker_or_a_running_pipeline_exits_69(commands: Commands) -> None:
    ended = commands.run("plan")
    assert ended.returncode == 69
    assert "pipeline up DIR" in ended.stderr


def test_publish_validates_and_status_shows_what_waits(commands: Commands, servers: dict[str, str]) -> None:
    assert commands.run("apply", "--yes", **servers).returncode == 0
    body = json.dumps({"recording_id": "one", "file_path": "/nowhere/one.flac"})
    assert commands.run("publish", "analysis.request", body, **servers).returncode == 0
    refused = commands.run("publish", "analysis.request", '{"recording_id": 5}', **servers)
    assert refused.returncode == 1
    assert "file_path" in refused.stderr
    misspelt = commands.run("publish", "analysis.requst", body, **servers)
    assert 'Did you mean "analysis.request"?' in misspelt.stderr
    status = json.loads(commands.run("status", "--output", "json", **servers).stdout)
    waiting = {queue["name"]: queue["messages"] for queue in status["queues"]}
    assert waiting["analysis_queue"] == 1
    assert status["dead_letters"] == 0
