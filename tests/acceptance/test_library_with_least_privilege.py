"""The whole library, each of its services under a user of its own, with what the README gives them and no more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from ops.audio import write_track
from tests.acceptance.commands import ROOT, Commands, answers, eventually, fetch

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

_USERS = """
users:
  worker: {name: "${PREFIX}-worker", stages: all, password: {env: SERVICE_PASSWORD}}
  watcher: {name: "${PREFIX}-watcher", sources: watcher, password: {env: SERVICE_PASSWORD}}
  api: {name: "${PREFIX}-api", publishes: all, dead_letters: all, password: {env: SERVICE_PASSWORD}}
"""
_PASSWORD = uuid4().hex


@pytest.fixture
def prefix(servers: dict[str, str]) -> Iterator[str]:
    prefix = f"library-{uuid4().hex[:8]}"
    yield prefix
    with httpx.Client(base_url=f"{servers['RABBITMQ_MANAGEMENT_URL']}/api", timeout=30) as management:
        for user in ("worker", "watcher", "api"):
            management.delete(f"/users/{prefix}-{user}").raise_for_status()


@pytest.mark.timeout(240)
def test_every_service_does_its_work_under_its_own_user(
    commands: Commands, servers: dict[str, str], prefix: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "topology.yaml", tmp_path)
    (tmp_path / "topology.secured.yaml").write_text(_USERS)
    music = tmp_path / "Music"
    music.mkdir()
    write_track(music / "song.flac", bpm=128.0, key="C major", seconds=15.0, seed=3)
    (music / "broken.flac").write_bytes(b"fLaC, but no more than that")
    settings = {
        **servers,
        "PREFIX": prefix,
        "PIPELINE_TOPOLOGY": str(tmp_path / "topology.yaml"),
        "PIPELINE_PROFILE": "secured",
        "API_ANONYMOUS": "true",
    }
    # The services are given their URL, and none of the passwords that only plan and apply look for.
    assert commands.run("apply", "--yes", **settings, SERVICE_PASSWORD=_PASSWORD).returncode == 0

    def as_user(name: str) -> dict[str, str]:
        url = urlsplit(servers["RABBITMQ_URL"])
        netloc = f"{prefix}-{name}:{_PASSWORD}@{url.netloc.rpartition('@')[2]}"
        without_management = {key: value for key, value in settings.items() if key != "RABBITMQ_MANAGEMENT_URL"}
        return {**without_management, "RABBITMQ_URL": url._replace(netloc=netloc).geturl()}

    commands.start("run", **as_user("worker"), LIBRARY_ROOTS=str(music))
    commands.start("api", **as_user("api"), LIBRARY_ROOTS=str(music))
    commands.start("watch", str(music), **as_user("watcher"))
    eventually("the API", lambda: answers(f"{commands.api}/health/ready"))
    statuses = eventually("both files are done", lambda: _ended(commands), seconds=120)
    assert statuses == {"song.flac": "completed", "broken.flac": "failed"}
    letters = fetch(f"{commands.api}/v1/dlq/analysis_queue")["items"]
    assert [letter["error_code"] for letter in letters] == ["DECODE_ERROR"]
    replayed = httpx.post(f"{commands.api}/v1/dlq/analysis_queue/replay", json={"limit": 5}, timeout=30)
    assert (replayed.status_code, replayed.json()["replayed"]) == (200, 1)
    eventually("it is a dead letter again", lambda: fetch(f"{commands.api}/v1/dlq/analysis_queue")["items"])
    song = next(each for each in fetch(f"{commands.api}/v1/recordings")["items"] if each["path"].endswith("song.flac"))
    asked = httpx.post(f"{commands.api}/v1/recordings/{song['recording_id']}/metadata", timeout=30)
    assert asked.status_code == 202
    job = f"{commands.api}/v1/jobs/{asked.json()['job_id']}"
    eventually("the tags", lambda: fetch(job)["status"] == "completed")
    for service in ("run", "api", "watch"):
        assert "ACCESS_REFUSED" not in commands.log(service).read_text()
    status = commands.run("status", "--output", "json", **as_user("watcher"))
    assert json.loads(status.stdout)["dead_letters"] >= 1


def _ended(commands: Commands) -> dict[str, str] | None:
    items = fetch(f"{commands.api}/v1/recordings")["items"]
    found = {Path(each["path"]).name: each["status"] for each in items}
    return found if len(found) == 2 and set(found.values()) <= {"completed", "failed"} else None
