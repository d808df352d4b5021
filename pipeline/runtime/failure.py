"""What went wrong with a delivery, as data: the same record from the loop, a thread or another process."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from pipeline.errors import ErrorCode, NotConfirmed, Permanent, Refused, StateUnavailable, StepError, Unroutable
from pipeline.runtime.contracts import printable

_REASON_LIMIT = 300
_TEMPORARY = frozenset(
    {
        *(errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC),
        *(errno.EDQUOT, errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN),
        *(errno.EHOSTUNREACH, errno.ENOLCK, errno.ETXTBSY, errno.ENOBUFS, errno.EREMOTEIO),
    }
)


class WorkCancelled(Exception):
    """The recording's work was cancelled while it ran."""


class OutOfTime(TimeoutError):
    """The steps took longer than the stage's timeout."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__(f"Took longer than {seconds:g} s")


class StepFailed(Exception):
    """The steps failed in another process, and this is why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class WorkerCrashed(Exception):
    """The process that ran the steps ended without an answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a delivery failed.

    Attributes:
        error_class: name of the exception's class.
        reason: one short sentence without payload values: a step's own words, or where an exception came from.
        permanent: whether another attempt is pointless.
        counts: whether an attempt is used up by it; not where the broker did not take what the attempt had given.
        details: JSON values for the error event.
        kinds: what a retry policy may call it: its code, then the exception's class and bases, with module and without.
    """

    error_code: str
    error_class: str
    reason: str
    permanent: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    counts: bool = True
    kinds: tuple[str, ...] = ()


def failure_of(error: BaseException) -> Failure:
    """Classify an exception. What is not known to be permanent may be tried again."""
    if isinstance(error, StepFailed):
        return error.failure
    failure = _classified(error)
    return replace(failure, kinds=(failure.error_code, *_kinds(type(error))))


def _kinds(raised: type[BaseException]) -> Iterator[str]:
    for each in raised.__mro__[:-1]:
        yield f"{each.__module__}.{each.__qualname__}"
        yield each.__name__


def _classified(error: BaseException) -> Failure:
    name = type(error).__name__
    if isinstance(error, StepError):
        permanent = isinstance(error, Permanent)
        return Failure(error.error_code, name, printable(error.reason, _REASON_LIMIT), permanent, error.details)
    if isinstance(error, OutOfTime):
        return Failure(ErrorCode.TIMEOUT, "TimeoutError", str(error))
    if isinstance(error, TimeoutError):
        return Failure(ErrorCode.TIMEOUT, name, _where(error, "Timed out"))
    if isinstance(error, Unroutable):
        return Failure(ErrorCode.UNROUTABLE, name, "An output reached no queue; check the topology's bindings")
    if isinstance(error, Refused):
        return Failure(ErrorCode.DEPENDENCY_UNAVAILABLE, name, "The broker refused an output", counts=False)
    if isinstance(error, NotConfirmed):
        reason = printable(f"The broker did not take an output: {error}", _REASON_LIMIT)
        return Failure(ErrorCode.DEPENDENCY_UNAVAILABLE, name, reason)
    if isinstance(error, StateUnavailable):
        return Failure(ErrorCode.DEPENDENCY_UNAVAILABLE, name, "The state store did not answer")
    if isinstance(error, WorkerCrashed):
        return Failure(ErrorCode.WORKER_CRASHED, name, "The process that ran the steps crashed")
    if isinstance(error, ConnectionError) or (isinstance(error, OSError) and error.errno in _TEMPORARY):
        return Failure(ErrorCode.DEPENDENCY_UNAVAILABLE, name, _where(error, error.strerror or name))
    return Failure(ErrorCode.INTERNAL_ERROR, name, _where(error, getattr(error, "strerror", None) or name))


def _where(error: BaseException, what: str) -> str:
    """`KeyError at stages.analysis:41`: an exception's own text is left out, since it may quote the payload."""
    frame = _innermost(error.__traceback__)
    return printable(f"{what} at {frame}" if frame else what, _REASON_LIMIT)


def _innermost(trace: TracebackType | None) -> str:
    """The last frame of a step: in its own module where it has one on the stack, not in a library's."""
    found = ""
    for frame, line in traceback.walk_tb(trace):
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(("pipeline.runtime", "asyncio", "concurrent", "threading")):
            found = found if _is_library(frame.f_code.co_filename) and found else f"{module}:{line}"
    return found


def _is_library(filename: str) -> bool:
    return "site-packages" in filename or "/lib/python" in filename or filename.startswith("<")
