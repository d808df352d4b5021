"""Readiness asks its dependencies each time, and remembers since when one fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api import health
from api.health import Readiness
from pipeline.errors import Unreachable


class Dependency:
    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.hangs = False

    async def ping(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.problem is not None:
            raise self.problem


async def failing(readiness: Readiness) -> dict[str, Any]:
    ready, answer = await readiness.check()
    assert not ready
    check: dict[str, Any] = answer["checks"]["broker"]
    return check


async def test_failure_is_shown_with_its_beginning_until_it_is_over() -> None:
    now = 1_700_000_000.0
    broker = Dependency()
    readiness = Readiness({"broker": broker.ping}, clock=lambda: now)
    assert await readiness.check() == (True, {"status": "ready", "checks": {"broker": {"status": "ok"}}})
    broker.problem = Unreachable("RabbitMQ does not answer", where="localhost:5672", fix="Start it")
    first = await failing(readiness)
    now += 60
    assert await failing(readiness) == first
    assert first == {
        "status": "failing",
        "error": "RabbitMQ does not answer",
        "fix": "Start it",
        "since": "2023-11-14T22:13:20.000+00:00",
    }
    broker.problem = None
    assert (await readiness.check())[0]
    broker.problem = Unreachable("RabbitMQ does not answer")
    assert (await failing(readiness))["since"] == "2023-11-14T22:14:20.000+00:00"


async def test_dependency_that_does_not_answer_fails_without_blocking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_TIMEOUT_S", 0.01)
    broker = Dependency()
    broker.hangs = True
    assert "No answer" in (await failing(Readiness({"broker": broker.ping})))["error"]


async def test_unknown_error_shows_its_kind_and_no_text_that_could_hold_a_secret() -> None:
    broker = Dependency()
    broker.problem = ValueError("amqp://user:secret@host")
    shown = await failing(Readiness({"broker": broker.ping}))
    assert shown["error"] == "Failed with ValueError"
    assert "secret" not in str(shown)


async def test_service_that_is_stopping_is_not_ready() -> None:
    readiness = Readiness({"broker": Dependency().ping})
    readiness.draining = True
    assert await readiness.check() == (False, {"status": "stopping", "checks": {"broker": {"status": "ok"}}})
