"""What the queues have been doing lately, sampled by this process."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pipeline.errors import PipelineError
from pipeline.graph.live import Flow

EVERY_S = 5.0
_SAMPLES = 120  # ten minutes
_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Attributes:
    at: seconds since 1970.
    flows: by queue, of those that the broker has.
    """

    at: float
    flows: Mapping[str, Flow]


class History:
    """The last ten minutes, a sample every five seconds; there is none of a time when the broker did not answer.

    Args:
        flows: asks the broker. May raise PipelineError.
    """

    def __init__(
        self, flows: Callable[[], Awaitable[Mapping[str, Flow]]], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._flows = flows
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=_SAMPLES)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The oldest first."""
        return tuple(self._samples)

    async def run(self) -> None:
        """For as long as this runs."""
        while True:
            with suppress(PipelineError, TimeoutError):
                async with asyncio.timeout(_ANSWER_S):
                    await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Take a sample. Raises PipelineError."""
        flows = await self._flows()
        self._samples.append(Sample(self._clock(), flows))
