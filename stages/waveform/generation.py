"""The steps of the stage: find the file and what is known of its content, draw it in the pool, keep it and answer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, Transient
from pipeline.stage import Completed, Emit, Failed, StageContext
from stages.analysis.audio import RATE
from stages.analysis.reader import Reader
from stages.answers import Stopwatch, answered, refused
from stages.content import Content, content_of
from stages.contracts import WaveformComplete, WaveformRequest
from stages.media import damaged, opened
from stages.paths import audio_file
from stages.recordings import Recordings
from stages.waveform.peaks import Peaks, Waveform

KIND = "waveform"
ANSWER = "waveform.generate.complete"
COMPLETED = "waveform_complete"
VERSION = "1"
"""Changes whenever the same file may get another waveform."""

Document = dict[str, Any]
"""recording_id, xxh128, version, points, duration_seconds, and peaks: low and high (int8, full scale is 127) and rms
(uint8, full scale is 255) of each point, in Base64. Of the mean of the channels at 22 050 Hz."""

_STEREO_GAIN = 2**-0.5
"""FFmpeg mixes two channels to one of the same power; their mean stays within full scale."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A request and the file it is about.

    Attributes:
        content: None where the file changes as fast as it is read, and nothing is to be kept of it.
    """

    request: WaveformRequest
    path: Path
    content: Content | None
    stopwatch: Stopwatch


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What has come of it."""

    canvas: Canvas
    waveform: Waveform


async def recall(request: WaveformRequest, context: StageContext) -> Canvas | list[Emit | Completed]:
    """The answer, where the waveform of the same content is known, of whichever recording; else what to draw.

    Raises:
        Permanent: UNKNOWN_RECORDING, and what `stages.paths.audio_file` says of the file.
        Transient: FILE_UNREADABLE when the file system fails, CANCELLED when the work was called off.
    """
    stopwatch = Stopwatch()
    recording = await Recordings(context.state).known(request.recording_id)
    path = await asyncio.to_thread(audio_file, recording["path"], context.roots)
    content = await content_of(path, context)
    known = None if content is None else await _known(request.recording_id, content, context)
    if known is None:
        return Canvas(request, path, content, stopwatch)
    await _put(known | {"recording_id": request.recording_id}, context)
    return _answers(request, known, stopwatch, context)


def draw(canvas: Canvas, context: StageContext) -> Drawn:
    """Decode the whole file, in pieces, over damage where there is some.

    Raises:
        Permanent: DECODE_ERROR, UNSUPPORTED_FORMAT, FILE_NOT_FOUND, FILE_UNREADABLE.
        Transient: FILE_UNREADABLE when the file system fails, CANCELLED when the work was called off.
    """
    peaks = Peaks()
    with opened(canvas.path) as container:
        reader = Reader(container, context)
        gain = _STEREO_GAIN if container.streams.audio[0].codec_context.layout.nb_channels == 2 else 1.0
        expected = (reader.duration or 0.0) * RATE
        for piece in reader.pieces():
            peaks.add(piece * np.float32(gain))
            if context.cancelled:
                raise Transient("the work was called off", ErrorCode.CANCELLED)
            if expected:
                context.progress(min(1.0, peaks.samples / expected), "drawing")
    if peaks.samples == 0 or reader.good_packets <= reader.damaged_packets:
        raise damaged(canvas.path)
    return Drawn(canvas, peaks.waveform())


async def keep(drawn: Drawn, context: StageContext) -> list[Emit | Completed]:
    """Store the waveform and answer.

    Raises: Transient, FILE_UNREADABLE, where the file has been changed meanwhile.
    """
    canvas, waveform = drawn.canvas, drawn.waveform
    if canvas.content is not None and not await canvas.content.is_still_in(canvas.path):
        raise Transient("The file was changed while it was read", ErrorCode.FILE_UNREADABLE)
    document: Document = {
        "recording_id": canvas.request.recording_id,
        "xxh128": None if canvas.content is None else canvas.content.xxh128,
        "version": VERSION,
        "points": waveform.low.size,
        "duration_seconds": round(waveform.samples / RATE, 3),
        "peaks": {name: _text(getattr(waveform, name)) for name in ("low", "high", "rms")},
    }
    await _put(document, context)
    return _answers(canvas.request, document, canvas.stopwatch, context)


def failed(request: WaveformRequest, failure: Failed, context: StageContext) -> Emit:
    """`success: false`, with the reason."""
    return refused(ANSWER, WaveformComplete, request, context, failure, recording_id=request.recording_id)


def _answers(
    request: WaveformRequest, document: Mapping[str, Any], stopwatch: Stopwatch, context: StageContext
) -> list[Emit | Completed]:
    found = {name: document[name] for name in ("points", "duration_seconds")}
    emit = answered(ANSWER, WaveformComplete, request, context, stopwatch, recording_id=request.recording_id, **found)
    return [emit, Completed(COMPLETED, found)]


async def _known(recording_id: str, content: Content, context: StageContext) -> Document | None:
    """The waveform of this content: the recording's own, or another's."""
    for each in [recording_id, *await context.state.find(KIND, "xxh128", content.xxh128)]:
        document = await context.state.get(KIND, each)
        if document is not None and (document["xxh128"], document["version"]) == (content.xxh128, VERSION):
            return document
    return None


async def _put(document: Document, context: StageContext) -> None:
    xxh128 = document["xxh128"]
    index = {} if xxh128 is None else {"xxh128": xxh128}
    await context.state.put(KIND, document["recording_id"], document, index=index)


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
