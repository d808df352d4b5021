"""The audio that a sheet is about: where it is, and how long."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

import av

from pipeline.stage import StageContext
from stages.media import damaged, opened
from stages.paths import audio_file


class AboutAudio(Protocol):
    """What waits for its audio to be opened."""

    @property
    def audio_path(self) -> Path: ...

    def with_seconds(self, seconds: float) -> AboutAudio: ...


T = TypeVar("T", bound=AboutAudio)


def measured_seconds(path: Path) -> float:
    """How long a file is, by what it says of itself; decoding its start proves that it is audio.

    Raises: Permanent, UNSUPPORTED_FORMAT or DECODE_ERROR; Transient when the file system fails.
    """
    with opened(path) as container:
        streams = container.streams.audio
        if not streams:
            raise damaged(path)
        stream = streams[0]
        if next(container.decode(stream), None) is None:
            raise damaged(path)
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        if container.duration:
            return float(container.duration / av.time_base)
    raise damaged(path)


def open_audio(waiting: T, context: StageContext) -> T:
    """Open the audio of what waits for it, in a process of the pool.

    Raises: what `stages.paths.audio_file` and `measured_seconds` raise.
    """
    seconds = measured_seconds(audio_file(waiting.audio_path, context.roots))
    return waiting.with_seconds(seconds)  # type: ignore[return-value]
