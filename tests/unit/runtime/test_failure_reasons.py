"""Exceptions as data: codes, what may be tried again, and reasons that quote no payload."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest

from pipeline.errors import ErrorCode, NotConfirmed, Permanent, StateUnavailable, Transient, Unroutable
from pipeline.runtime.failure import Failure, OutOfTime, StepFailed, WorkerCrashed, failure_of


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "code", "permanent"),
    [
        (Permanent("no such file", ErrorCode.FILE_NOT_FOUND), ErrorCode.FILE_NOT_FOUND, True),
        (Permanent("no"), ErrorCode.INTERNAL_ERROR, True),
        (Transient("busy"), ErrorCode.DEPENDENCY_UNAVAILABLE, False),
        (TimeoutError(), ErrorCode.TIMEOUT, False),
        (OutOfTime(60), ErrorCode.TIMEOUT, False),
        (ConnectionResetError(errno.ECONNRESET, "reset"), ErrorCode.DEPENDENCY_UNAVAILABLE, False),
        (OSError(errno.EMFILE, "Too many open files"), ErrorCode.DEPENDENCY_UNAVAILABLE, False),
        (StateUnavailable("redis"), ErrorCode.DEPENDENCY_UNAVAILABLE, False),
        (NotConfirmed("nack"), ErrorCode.DEPENDENCY_UNAVAILABLE, False),
        (Unroutable("returned"), ErrorCode.UNROUTABLE, False),
        (WorkerCrashed(), ErrorCode.WORKER_CRASHED, False),
        (FileNotFoundError(errno.ENOENT, "No such file", "/secret"), ErrorCode.INTERNAL_ERROR, False),
        (ValueError("secret"), ErrorCode.INTERNAL_ERROR, False),
        (SystemExit(3), ErrorCode.INTERNAL_ERROR, False),
    ],
)
def test_an_exception_has_a_code_and_a_verdict(error: BaseException, code: str, permanent: bool) -> None:
    failure = failure_of(raised(error))
    assert (failure.error_code, failure.permanent) == (code, permanent)


def test_an_unknown_exception_is_told_by_its_class_and_place_not_by_its_text() -> None:
    def step(payload: dict[str, Any]) -> None:
        json.loads(payload["secret"])

    with pytest.raises(ValueError, match="Expecting value") as caught:
        step({"secret": "not json"})
    failure = failure_of(caught.value)
    assert failure.error_class == "JSONDecodeError"
    assert failure.reason.startswith(f"JSONDecodeError at {__name__}:")
    assert "Expecting" not in failure.reason


def test_an_os_error_tells_what_the_system_says_without_the_path() -> None:
    failure = failure_of(raised(OSError(errno.ENOSPC, "No space left on device", "/home/someone/private.flac")))
    assert failure.reason.startswith("No space left on device at")
    assert "private" not in failure.reason


def test_a_steps_own_words_and_details_are_kept_in_one_clean_line() -> None:
    failure = failure_of(Permanent("line one\nline two" + "x" * 1000, "MY_CODE", file_path="/a"))
    assert failure.error_code == "MY_CODE"
    assert failure.reason.isprintable()
    assert len(failure.reason) <= 300
    assert failure.details == {"file_path": "/a"}


def test_a_failure_in_another_process_is_taken_as_it_was_told_there() -> None:
    failure = Failure("DECODE_ERROR", "Permanent", "broken", permanent=True)
    assert failure_of(StepFailed(failure)) is failure
