"""The audio that a sheet is about: where it is, and how long it really is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from pipeline.errors import Permanent
from pipeline.stage import StageContext
from stages.media import audio_stream, damaged, opened, refuse_noise, stated_seconds
from stages.paths import audio_file, inside_roots
from stages.recordings import KIND as RECORDING

_PACKETS_BETWEEN_REPORTS = 4096
_COUNTS_ANEW_SECONDS = 1.0
"""A packet this much before the end of the one before it begins a stream that counts anew, as in joined files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutAudio:
    """What waits for its audio to be opened.

    Attributes:
        audio_path: the audio's, which need not be there.
        needs_audio: whether the work fails without it; else it is noted why.
        seconds: how long the audio is, once it was opened.
        not_opened: why it could not be.
    """

    audio_path: Path
    needs_audio: bool = True
    seconds: float | None = None
    not_opened: str | None = None


T = TypeVar("T", bound=AboutAudio)


async def audio_of(recording_id: str, named: str | None, told: str, context: StageContext) -> Path:
    """Where the audio is: as the request names it, else where the recording is now, else where it was.

    Args:
        told: the path that the tracklist or the sheet remembers.
    Raises: Permanent, PATH_NOT_ALLOWED, where the request names a path outside of the library; StateUnavailable.
    """
    if named is not None:
        return await asyncio.to_thread(inside_roots, named, context.roots)
    recording = await context.state.get(RECORDING, recording_id)
    return Path(told if recording is None else recording["path"])


def open_audio(waiting: T, context: StageContext) -> T:
    """Open the audio of what waits for it, in a process of the pool.

    Raises: what `stages.paths.audio_file` and `measured_seconds` raise, Permanent where it needs its audio.
    """
    try:
        seconds = measured_seconds(audio_file(waiting.audio_path, context.roots), context)
    except Permanent as refused:
        if waiting.needs_audio:
            raise
        return replace(waiting, not_opened=refused.reason)
    return replace(waiting, seconds=seconds)


def measured_seconds(path: Path, context: StageContext) -> float:
    """How long a file is by its packets: headers are estimated, or were written before the file was cut off.

    Raises: Permanent, UNSUPPORTED_FORMAT or DECODE_ERROR; Transient when the file system fails.
    """
    with opened(path) as container:
        refuse_noise(path, container)
    with opened(path) as container:
        seconds = _end(container, audio_stream(container), context)
    if seconds <= 0:
        raise damaged(path)
    return seconds


def _end(container: InputContainer, stream: AudioStream, context: StageContext) -> float:
    """Seconds at the end of the last packet."""
    base = float(stream.time_base or 0)
    stated = stated_seconds(container, stream)
    before = end = 0.0
    for number, packet in enumerate(_packets(container, stream)):
        at = end if packet.pts is None else before + packet.pts * base
        if at < end - _COUNTS_ANEW_SECONDS:
            before = at = end
        end = max(end, at + (packet.duration or 0) * base)
        if stated and number % _PACKETS_BETWEEN_REPORTS == 0:
            context.progress(0.8 * min(1.0, end / stated), "measuring the audio")
    return end


def _packets(container: InputContainer, stream: AudioStream) -> Iterator[av.Packet[AudioStream]]:
    """Up to the end, or to where the container itself is broken."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.error.InvalidDataError:
        return
