"""What log lines do to a terminal: nothing, whatever is in the ids of somebody else's messages."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from pipeline.telemetry import configure_logging

HOSTILE = "id\x1b[2J\r\n2026-01-01 [info] all is well\u202e\x07"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_terminal_gets_one_line_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=False)
    structlog.get_logger().warning("delivery failed for good", message_id=HOSTILE, attempt=1)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert [each for each in ("\x1b[2J", "\r", "\u202e", "\x07") if each in said] == []
    assert "all is well" in said
    assert "attempt" in said


def test_a_file_gets_one_line_of_json_with_the_id_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=True)
    structlog.get_logger().warning("delivery failed for good", message_id=HOSTILE)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.isascii()
    assert json.loads(said)["message_id"] == HOSTILE
