"""Sheets as large as the reader takes them, made to cost it much."""

from __future__ import annotations

import pytest

from stages.cue.parse import LARGEST, parse
from stages.cue.profiles import PROFILES
from stages.cue.validate import validate


@pytest.mark.parametrize(
    "line",
    [
        "REM A b",
        "INDEX 01 00:00:00",
        "INDEX 02 00:00:00",
        "TRACK 01 AUDIO",
        'FILE "a.wav" WAVE',
        "TRACK 01 AUDIO\nINDEX 00 00:00:00\nFILE x MP3",
        "FLAGS " + "A " * 2000,
        "TITLE " + '"' * 4000,
        "\0" * 4000,
        "INDEX " + "9" * 4000 + " 00:00:00",
        "INDEX 01 " + "9" * 4000 + ":00:00",
    ],
)
def test_a_sheet_as_large_as_may_be_is_read_and_checked(line: str) -> None:
    lines = min(48_000, (LARGEST - 100) // (len(line) + 1)) // (line.count("\n") + 1)
    parsed = parse('FILE "a.wav" WAVE\nTRACK 01 AUDIO\n' + f"{line}\n" * lines)
    told = validate(parsed, audio_seconds=1.0, profile=PROFILES["cdj"]).as_json()
    assert told["is_valid"] is False
    assert len(told["errors"]) <= 101
    assert len(told["warnings"]) <= 101
