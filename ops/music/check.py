"""Runs `pipeline up` on a folder, asks for everything about every file, and says what was found and what failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pipeline.servers.process import end, free_ports

_ENDED = ("completed", "failed", "cancelled")
_SETTINGS = ("RABBITMQ_", "REDIS_", "API_", "PIPELINE_", "LIBRARY_")
_PROJECT = Path(__file__).parents[2]


@dataclass(slots=True)
class Finding:
    """What became of one file.

    Attributes:
        results: of its analysis: bpm, key, energy, where they were found.
        metadata: of its tags and headers.
        problems: what failed, with its error code; empty for a file with which all went well.
    """

    path: Path
    results: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def check(folder: Path, files: Sequence[Path], data_dir: Path, *, seconds: float) -> list[Finding]:
    """A finding for each file, in their order. Ends by itself: what is not done in time is a problem of its file.

    Args:
        folder: the library, in which the files are.
        data_dir: for the pipeline's own files, and its log.
        seconds: for all of it.
    """
    deadline = time.monotonic() + seconds
    findings = {str(file.relative_to(folder)): Finding(file) for file in files}
    with _pipeline(folder, data_dir) as api:
        for name, recording in _until_ended(api, findings, deadline):
            finding = findings[name]
            finding.results = recording["results"] or {}
            _note(finding, "analysis", recording)
            job = _asked(api, f"/v1/recordings/{recording['recording_id']}/metadata", deadline)
            _note(finding, "metadata", job)
            if job["status"] == "completed":
                finding.metadata = api.get(f"/v1/recordings/{recording['recording_id']}").json()["metadata"]
    return list(findings.values())


def _until_ended(
    api: httpx.Client, findings: dict[str, Finding], deadline: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Recordings by their files, each once its analysis has ended."""
    waiting = set(findings)
    while waiting and time.monotonic() < deadline:
        shown = {item["path"]: item for item in api.get("/v1/recordings", params={"limit": 500}).json()["items"]}
        ended = sorted(name for name in waiting & shown.keys() if shown[name]["status"] in _ENDED)
        waiting.difference_update(ended)
        for name in ended:
            yield name, shown[name]
        time.sleep(0.2)
    for name in waiting:
        findings[name].problems.append("analysis: NOT_DONE it did not end in time")


def _asked(api: httpx.Client, path: str, deadline: float) -> dict[str, Any]:
    """The job that a POST starts, once it has ended or the time is up."""
    answer = api.post(path, json={})
    if answer.is_error:
        return {"status": "failed", "error": {"error_code": f"HTTP_{answer.status_code}", "message": answer.text}}
    where = answer.headers["location"]
    while time.monotonic() < deadline:
        found = api.get(where)
        if found.is_success and found.json()["status"] in _ENDED:
            job: dict[str, Any] = found.json()
            return job
        time.sleep(0.05)
    return {"status": "failed", "error": {"error_code": "NOT_DONE", "message": "it did not end in time"}}


def _note(finding: Finding, work: str, standing: dict[str, Any]) -> None:
    if standing["status"] != "completed":
        error = standing["error"] or {}
        finding.problems.append(f"{work}: {error.get('error_code')} {error.get('message')}")


@contextmanager
def _pipeline(folder: Path, data_dir: Path) -> Iterator[httpx.Client]:
    """`pipeline up` on the embedded engines, and a client of its API; ended at the end."""
    data_dir.mkdir(parents=True, exist_ok=True)
    port = free_ports(1)[0]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    environment |= {
        "PYTHONPATH": str(_PROJECT),
        "PIPELINE_TOPOLOGY": str(_PROJECT / "topology.yaml"),
        "PIPELINE_DATA_DIR": str(data_dir),
        "PIPELINE_LOG_LEVEL": "error",
        "API_PORT": str(port),
    }
    command = [sys.executable, "-m", "pipeline", "up", str(folder)]
    with (data_dir / "up.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as api:
            _wait_until_ready(api, process, data_dir / "up.log")
            yield api
    finally:
        end(process.pid)
        process.wait(timeout=30)


def _wait_until_ready(api: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            if api.get("/health/ready").is_success:
                return
        except httpx.HTTPError:
            pass
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"`pipeline up` did not start; it said:\n{log.read_text(errors='replace')[-2000:]}")
