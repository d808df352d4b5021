"""What would become of a message if its queue got it back: told before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.dlq.queues import DeadLetterQueue
from pipeline.messages.message import Message


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message would be dead-lettered at once. Names fields, and holds no values of theirs.

    Attributes:
        fields: paths in the body, and what is wrong there; empty where it is not about fields.
    """

    reason: str
    fields: Sequence[tuple[str, str]] = ()


# None: as far as can be told without running its stage, the message would be taken.
Validate = Callable[[DeadLetterQueue, Message], Refusal | None]
