"""Draws a waveform: how far it swings, and in it how loud it is."""

from __future__ import annotations

import base64
import binascii
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_HALF = 64
_PEAK_SCALE, _RMS_SCALE = 127, 255


@dataclass(frozen=True, slots=True)
class Waveform:
    """Equally long parts of a recording, in order.

    Attributes:
        low, high: the lowest and the highest sample of each, -1 to 1.
        rms: root mean square of each, 0 to 1.
    """

    low: Sequence[float]
    high: Sequence[float]
    rms: Sequence[float]


def read_waveform(document: Mapping[str, Any]) -> Waveform:
    """From a document of the state store: int8 and uint8 values in Base64. Raises ValueError if it is damaged."""
    try:
        low, high, rms = (
            array(code, base64.b64decode(document["peaks"][name], validate=True))
            for name, code in (("low", "b"), ("high", "b"), ("rms", "B"))
        )
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError("the document holds no waveform") from error
    if not len(low) == len(high) == len(rms) > 0:
        raise ValueError("the document holds no whole waveform")
    return Waveform(
        [max(-1.0, value / _PEAK_SCALE) for value in low],
        [value / _PEAK_SCALE for value in high],
        [value / _RMS_SCALE for value in rms],
    )


def narrowed(wave: Waveform, columns: int) -> Waveform:
    """At most `columns` parts, each of several: their extremes, and their root mean square. Nothing is left out."""
    count = len(wave.rms)
    if count <= columns:
        return wave
    spans = [slice(*edges) for edges in pairwise(index * count // columns for index in range(columns + 1))]
    return Waveform(
        [min(wave.low[span]) for span in spans],
        [max(wave.high[span]) for span in spans],
        [math.sqrt(sum(rms * rms for rms in wave.rms[span]) / len(wave.rms[span])) for span in spans],
    )


def svg(wave: Waveform, label: str) -> str:
    """A bar for each part, in the colour of the text around it, stretched to any size.

    Args:
        label: what is read out in its place; plain words.
    """
    swing = [
        (round(_HALF - high * _HALF), round(_HALF - low * _HALF)) for low, high in zip(wave.low, wave.high, strict=True)
    ]
    loudness = [(round(_HALF - rms * _HALF), round(_HALF + rms * _HALF)) for rms in wave.rms]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(wave.rms)} {2 * _HALF}" preserveAspectRatio="none" '
        f'role="img" aria-label="{label}" fill="none" stroke="currentColor" stroke-width=".8">'
        f'<path stroke-opacity=".5" d="{_bars(swing)}"/><path d="{_bars(loudness)}"/></svg>\n'
    )


def _bars(spans: Sequence[tuple[int, int]]) -> str:
    """A path of vertical lines from top to bottom, at least 1 high; each begins 1 to the right of the one before."""
    pieces: list[str] = []
    at = 0
    for top, bottom in spans:
        height = max(1, bottom - top)
        step = f"M.5 {top}" if not pieces else f"m1 {top - at}".replace(" -", "-")
        pieces.append(f"{step}v{height}")
        at = top + height
    return "".join(pieces)
