"""Waveforms are drawn as they are, however narrow."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.waveform import Waveform, narrowed, read_waveform, svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


def document(low: list[int], high: list[int], rms: list[int]) -> dict[str, Any]:
    encoded = {
        name: base64.b64encode(bytes(value % 256 for value in values)).decode()
        for name, values in (("low", low), ("high", high), ("rms", rms))
    }
    return {"peaks": encoded}


def drawn(text: str) -> list[list[tuple[float, int, int]]]:
    """The bars of each path: x, top, bottom."""
    root = ET.fromstring(text)
    paths = []
    for path in root.iter(f"{NAMESPACE}path"):
        bars, x, at = [], 0.0, 0
        for command, dx, dy, height in re.findall(r"([Mm])([\d.]+) ?(-?\d+)v(\d+)", path.attrib["d"]):
            x, top = (float(dx), int(dy)) if command == "M" else (x + float(dx), at + int(dy))
            at = top + int(height)
            bars.append((x, top, at))
        paths.append(bars)
    return paths


def test_document_is_read_as_fractions_of_full_scale() -> None:
    wave = read_waveform(document([0, -127, -128], [0, 127, 64], [0, 255, 51]))
    assert wave == Waveform([0.0, -1.0, -1.0], [0.0, 1.0, 64 / 127], [0.0, 1.0, 0.2])


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"peaks": None},
        {"peaks": "AAAA"},
        {"peaks": {"low": "AA==", "high": "AA=="}},
        {"peaks": {"low": "AA==", "high": "AA==", "rms": "!"}},
        document([], [], []),
        document([0, 0], [0], [0]),
    ],
)
def test_document_without_a_whole_waveform_is_refused(damaged: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="waveform"):
        read_waveform(damaged)


def test_bars_stand_around_the_middle_side_by_side() -> None:
    swing, loudness = drawn(svg(Waveform([-1.0, 0.0, -0.5], [1.0, 0.0, 0.25], [0.5, 0.0, 0.25]), "Waveform"))
    assert swing == [(0.5, 0, 128), (1.5, 64, 65), (2.5, 48, 96)]
    assert loudness == [(0.5, 32, 96), (1.5, 64, 65), (2.5, 48, 80)]


def test_picture_takes_the_colour_of_the_text_around_it_and_any_size() -> None:
    root = ET.fromstring(svg(Waveform([0.0] * 4, [0.0] * 4, [0.0] * 4), "Waveform of 1 min 2 s"))
    assert root.attrib["stroke"] == "currentColor"
    assert root.attrib["viewBox"] == "0 0 4 128"
    assert root.attrib["preserveAspectRatio"] == "none"
    assert root.attrib["aria-label"] == "Waveform of 1 min 2 s"


PARTS = st.lists(st.tuples(st.floats(-1, 0), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=300).map(
    lambda parts: Waveform(*(list(each) for each in zip(*parts, strict=True)))
)


@given(PARTS, st.integers(1, 400))
def test_narrowing_leaves_no_extreme_and_no_loudness_out(wave: Waveform, columns: int) -> None:
    narrow = narrowed(wave, columns)
    assert len(narrow.low) == len(narrow.high) == len(narrow.rms) == min(columns, len(wave.rms))
    assert (min(narrow.low), max(narrow.high)) == (min(wave.low), max(wave.high))
    assert all(min(wave.rms) - 1e-9 <= rms <= max(wave.rms) + 1e-9 for rms in narrow.rms)
    if len(wave.rms) % columns == 0:
        power = sum(rms * rms for rms in narrow.rms) / len(narrow.rms)
        assert power == pytest.approx(sum(rms * rms for rms in wave.rms) / len(wave.rms), abs=1e-9)


@given(PARTS)
def test_every_bar_is_inside_the_picture(wave: Waveform) -> None:
    for bars in drawn(svg(wave, "Waveform")):
        assert [x for x, _, _ in bars] == [index + 0.5 for index in range(len(wave.rms))]
        assert all(0 <= top < bottom <= 129 for _, top, bottom in bars)
