"""What can go wrong, in three kinds: a user's error, a step's verdict on a message, a broker's answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class ExitCode:
    """Process exit codes; the command line maps every outcome to one of these."""

    DONE = 0
    ERROR = 1
    CHANGES_PENDING = 2
    PARTLY_DONE = 3
    WRONG_USAGE = 64
    UNREACHABLE = 69
    INTERRUPTED = 130


class ErrorCode(StrEnum):
    """The published enumeration of `error_code`: on the WebSocket, in DLQ headers, in the state store."""

    INVALID_MESSAGE = "INVALID_MESSAGE"
    UNKNOWN_MESSAGE = "UNKNOWN_MESSAGE"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    UNROUTABLE = "UNROUTABLE"
    UNKNOWN_RECORDING = "UNKNOWN_RECORDING"
    UNKNOWN_TRACKLIST = "UNKNOWN_TRACKLIST"
    UNKNOWN_CUE_FILE = "UNKNOWN_CUE_FILE"
    UNKNOWN_RENAME = "UNKNOWN_RENAME"
    UNKNOWN_FORMAT = "UNKNOWN_FORMAT"
    NO_TRACKLIST = "NO_TRACKLIST"
    INVALID_CUE = "INVALID_CUE"
    INVALID_NAME = "INVALID_NAME"
    TARGET_EXISTS = "TARGET_EXISTS"
    FOLDER_NOT_WRITABLE = "FOLDER_NOT_WRITABLE"
    PATH_NOT_ALLOWED = "PATH_NOT_ALLOWED"
    FILE_NOT_FOUND = "FILE_NOT_FOUND"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    FILE_EMPTY = "FILE_EMPTY"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    DECODE_ERROR = "DECODE_ERROR"
    AUDIO_TOO_SHORT = "AUDIO_TOO_SHORT"
    ANALYSIS_ERROR = "ANALYSIS_ERROR"
    DEPENDENCY_UNAVAILABLE = "DEPENDENCY_UNAVAILABLE"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    WORKER_CRASHED = "WORKER_CRASHED"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class PipelineError(Exception):
    """Something a user can act on. Shown as one line and a fix, never as a traceback.

    Args:
        what: what happened, one sentence.
        where: file:line:column, queue, URL without credentials; empty when `what` says it.
        fix: what to do about it; empty when there is nothing to do.
    """

    exit_code = ExitCode.ERROR

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        head = f"{self.what} ({self.where})" if self.where else self.what
        return f"{head}. {self.fix}" if self.fix else head


class Unreachable(PipelineError):
    """A server does not answer: RabbitMQ, its management API, Redis."""

    exit_code = ExitCode.UNREACHABLE


class StepError(Exception):
    """A step's verdict on its message. Survives pickling, since steps may run in another process."""

    default_code = ErrorCode.INTERNAL_ERROR

    def __init__(self, reason: str, error_code: str | None = None, **details: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error_code = str(error_code or self.default_code)
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.reason, self.error_code, self.details)


def _rebuild(kind: type[StepError], reason: str, error_code: str, details: dict[str, Any]) -> StepError:
    return kind(reason, error_code, **details)


class Permanent(StepError):
    """Never again: the message goes to the dead-letter queue with this reason."""


class Transient(StepError):
    """Try again later: the message waits in the retry ladder, and is dead-lettered after its last attempt."""

    default_code = ErrorCode.DEPENDENCY_UNAVAILABLE


class BrokerError(Exception):
    """The broker did not do what was asked of it."""


class Unroutable(BrokerError):
    """A mandatory message matched no queue and was returned."""


class NotConfirmed(BrokerError):
    """The broker refused the message (nack), or the connection was lost before its confirm: publish it again."""


class Refused(NotConfirmed):
    """A nack: a queue that the message was to go to is full, or can't store it just now. Nothing is wrong with it."""


class NoSuchQueue(BrokerError):
    """The queue is not declared on the broker."""


class StateUnavailable(Exception):
    """The state store does not answer."""
