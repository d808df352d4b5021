"""The messages and steps of the topology that is broken."""

from __future__ import annotations

import asyncio
from enum import StrEnum

from pydantic import BaseModel

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.stage import Emit, StageContext

PARTS = 2
ORDERED = "ordered"  # beside those two, what becomes of the job where the order is kept
ORDER = "verify.order"
EFFECTS = "effect"
_WORK_S = 0.01  # ten times as long at most


class Kind(StrEnum):
    """What becomes of a job's parts."""

    STEADY = "steady"
    FLAKY = "flaky"  # fails at its first attempt
    BAD = "bad"  # fails for good


class Job(BaseModel):
    """What is sent.

    Attributes:
        number: counts the jobs of a key from 0.
    """

    job: str
    key: str
    number: int
    kind: Kind


class Part(Job):
    """One of the two that a job becomes."""

    part: int

    @property
    def name(self) -> str:
        return part_name(self.job, self.part)


def part_name(job: str, part: int | str) -> str:
    """What a part is called in the account and in the state store's index."""
    return f"{job}/{part}"


def names_of(body: Job, origin: str) -> list[str]:
    """The parts that a message is about: all that a job becomes in the stage whose queue it comes from."""
    if isinstance(body, Part):
        return [body.name]
    return [part_name(body.job, part) for part in ((ORDERED,) if origin.startswith(ORDER) else range(PARTS))]


def all_names(job: Job) -> list[str]:
    """All parts of a job."""
    return [*names_of(job, ""), *names_of(job, ORDER)]


async def enter(job: Job) -> list[Emit]:
    """One message in, two out."""
    return [Emit("verify.part", Part(**job.model_dump(), part=part)) for part in range(PARTS)]


async def work(part: Part, context: StageContext) -> Emit:
    """Takes a moment; fails as the job's kind says."""
    await _be(part, context)
    return Emit("verify.worked", part)


async def order(job: Job, context: StageContext) -> Emit:
    """The same, where the jobs of a key are to be worked on in their order."""
    await _be(job, context)
    return Emit("verify.ordered", job)


async def count(part: Part, context: StageContext) -> Emit:
    """Writes a document under the id of the message: two messages for one part would be two documents."""
    await context.state.put(EFFECTS, context.envelope.message_id or "", {"part": part.name}, index={"part": part.name})
    return Emit("verify.counted", part)


async def _be(job: Job, context: StageContext) -> None:
    await asyncio.sleep(_WORK_S * (1 + job.number % 10))
    if job.kind is Kind.BAD:
        raise Permanent("This one is bad", ErrorCode.ANALYSIS_ERROR)
    if job.kind is Kind.FLAKY and context.envelope.attempt == 1:
        raise Transient("The first attempt fails")
