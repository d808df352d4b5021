"""A client's buffer that a test opens and shuts, in place of a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from api.socket.frames import Frame


class GatedWriter:
    """A client's buffer that a test opens and shuts."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closed: tuple[int, bool] | None = None
        self.writable = True
        self.on_paused: Callable[[], None] = lambda: None
        self.on_writable: Callable[[], None] = lambda: None

    @property
    def sequences(self) -> list[tuple[str, int]]:
        messages = [json.loads(frame.text) for frame in self.frames]
        return [(message["recording_id"], message["sequence"]) for message in messages]

    def write(self, frames: Sequence[Frame]) -> None:
        assert self.writable
        assert self.closed is None
        self.frames.extend(frames)

    def close(self, code: int, reason: str, *, stalled: bool = False) -> None:
        self.closed = (code, stalled)

    def shut(self) -> None:
        if self.writable:
            self.writable = False
            self.on_paused()

    def open(self) -> None:
        if not self.writable:
            self.writable = True
            self.on_writable()
