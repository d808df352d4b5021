"""The audio that a sheet is about: where it is, and how long."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.stage import StageContext
from stages.media import audio_stream, opened, refuse_noise, stated_seconds
from stages.paths import audio_file


class AboutAudio(Protocol):
    """What waits for its audio to be opened."""

    @property
    def audio_path(self) -> Path: ...

    def with_seconds(self, seconds: float | None) -> AboutAudio: ...


T = TypeVar("T", bound=AboutAudio)


def measured_seconds(path: Path) -> float | None:
    """How long a file is by what its headers say, if it is audio; None where they do not.

    Raises: Permanent, UNSUPPORTED_FORMAT or DECODE_ERROR; Transient when the file system fails.
    """
    with opened(path) as container:
        refuse_noise(path, container)
        return stated_seconds(container, audio_stream(container))


def open_audio(waiting: T, context: StageContext) -> T:
    """Open the audio of what waits for it, in a process of the pool.

    Raises: what `stages.paths.audio_file` and `measured_seconds` raise.
    """
    seconds = measured_seconds(audio_file(waiting.audio_path, context.roots))
    return waiting.with_seconds(seconds)  # type: ignore[return-value]
