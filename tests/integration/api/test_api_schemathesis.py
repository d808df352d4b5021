"""Schemathesis reads /openapi.json and tries what it promises, and what it rules out, on the real server."""

from __future__ import annotations

import asyncio
import re
import sys
import uuid
from pathlib import Path

import pytest

from pipeline.state.store import RedisStore
from tests.api_plane import RunningApi, running_api
from tests.filled_library import IDS, fill

_LARGER_THAN_ANY_MESSAGE = 413
_CONFIG = f"""
[checks]
negative_data_rejection.expected-statuses = [400, 403, 404, {_LARGER_THAN_ANY_MESSAGE}, 415, 422]
"""
_DEADLINE_S = 240


async def _run(api: RunningApi, folder: Path, config: str) -> tuple[int | None, str]:
    (folder / "schemathesis.toml").write_text(config)
    arguments = [
        *("run", f"{api.url}/openapi.json", "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"),
        *("--generation-deterministic", "--max-examples", "12", "--workers", "1", "--no-color"),
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", *arguments),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode()


def operations_tested(output: str) -> int:
    found = re.search(r"Selected: (\d+)/\1\n\s+Tested: \1\n", output)
    assert found, output
    return int(found[1])


@pytest.mark.timeout(_DEADLINE_S + 30)
async def test_schemathesis_finds_nothing_where_ids_are_guessed(tmp_path: Path) -> None:
    async with running_api(data_dir=tmp_path) as api:
        await fill(api, tmp_path)
        status, output = await _run(api, tmp_path, _CONFIG)
    assert status == 0, output
    assert operations_tested(output) > 50


@pytest.mark.redis
@pytest.mark.timeout(_DEADLINE_S + 30)
async def test_schemathesis_finds_nothing_where_ids_are_known(tmp_path: Path, redis_url: str) -> None:
    known = {**IDS, "queue": "analysis_queue.dlq"}
    config = _CONFIG + "[parameters]\n" + "".join(f'"path.{name}" = "{value}"\n' for name, value in known.items())
    store = RedisStore(redis_url, f"api-{uuid.uuid4().hex[:8]}")
    async with running_api(state=store, data_dir=tmp_path) as api:
        await fill(api, tmp_path)
        status, output = await _run(api, tmp_path, config)
    assert status == 0, output
    assert operations_tested(output) > 50
