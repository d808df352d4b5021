"""What all of them do, and how each is measured."""

from __future__ import annotations

import json
import sys
import time
from enum import StrEnum

from pydantic import BaseModel

QUEUE, DONE_EXCHANGE, DONE = "bench.in", "bench", "bench.done"
PREFETCH = 200


class Work(StrEnum):
    """What becomes of a message."""

    CONSUME = "consume"  # validated and acked
    PUBLISH = "publish"  # another published and confirmed, persistent and mandatory, before the ack
    LEDGER = "ledger"  # the same, once only


class Task(BaseModel):
    """500 bytes as JSON."""

    recording_id: str
    file_path: str
    number: int
    padding: str

    @classmethod
    def numbered(cls, number: int) -> Task:
        task = cls(recording_id=f"recording-{number:08}", file_path="/music/song.flac", number=number, padding="")
        return task.model_copy(update={"padding": "x" * (500 - len(task.model_dump_json()))})


class Measured:
    """From the first message to the last."""

    def __init__(self, messages: int) -> None:
        self.left = messages
        self._messages = messages
        self._began: tuple[float, float] | None = None

    def one(self) -> bool:
        """Another is done; whether it was the last."""
        if self._began is None:
            self._began = time.perf_counter(), time.process_time()
        self.left -= 1
        if self.left == 0:
            began, cpu = self._began
            result = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
            sys.stdout.write(json.dumps({"messages": self._messages, **result}) + "\n")
            sys.stdout.flush()
        return self.left == 0


def arguments() -> tuple[Work, int]:
    """Of the command line."""
    return Work(sys.argv[1]), int(sys.argv[2])
