"""How long a file is, for the marks that are made in it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from stages.media import audio_stream, opened, stated_seconds

_UNINDEXED = frozenset({"mp3", "aac"})
"""Formats whose files need not say how long they are: it is estimated from the bit rate."""


def duration_of(path: Path, *, at_least: float = 0.0) -> float | None:
    """Seconds of the file's audio; None where nothing says.

    Args:
        at_least: what is believed of it. Where it seems to be shorter and that may be an estimate, packets are counted.
    Raises: as `stages.media.opened`; Permanent, UNSUPPORTED_FORMAT, without audio.
    """
    with opened(path) as container:
        stream = audio_stream(container)
        stated = stated_seconds(container, stream)
        if stated is None or stated > at_least or container.format.name not in _UNINDEXED:
            return stated
        return _counted(container, stream) or stated


def _counted(container: InputContainer, stream: AudioStream) -> float:
    end = 0.0
    with suppress(av.error.InvalidDataError):
        for packet in container.demux(stream):
            if packet.pts is not None and packet.time_base is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end
