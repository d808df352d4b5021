"""Errors over HTTP: always `{"error", "error_code", "fix"}`, never a traceback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.http.json_response import Json
from pipeline.errors import (
    BrokerError,
    ErrorCode,
    NoSuchQueue,
    Permanent,
    PipelineError,
    StateUnavailable,
    Unreachable,
    Unroutable,
)


class Reason(BaseModel):
    """One thing that is wrong with a request."""

    field: str
    problem: str


class ProblemBody(BaseModel):
    """The form of every error."""

    error: str = Field(description="What happened, one sentence", examples=['No recording has the id "nothing"'])
    error_code: str = Field(description="Stable, for programs", examples=["UNKNOWN_RECORDING"])
    fix: str = Field(description="What to do about it; may be empty", examples=["GET /v1/recordings lists them"])
    reasons: list[Reason] = Field(default=[], description="The fields that are wrong, where there are several")


_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: ErrorCode.MESSAGE_TOO_LARGE}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_DESCRIPTIONS = {
    400: "The body is not what its content type says",
    401: "Nothing says who asks, or what says so is not valid",
    403: "The request comes from another site, or its token does not allow it",
    404: "There is nothing under this id",
    409: "What is there is not in a state for this",
    410: "The recording's file was deleted",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    421: "The Host header names another site",
    422: "The request is not valid; `reasons` names the fields",
    500: "Something went wrong in the service",
    501: "The topology has no such message",
    503: "The broker or the state store does not answer",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route says in OpenAPI of the errors it may answer with."""
    return {status: {"model": ProblemBody, "description": _DESCRIPTIONS[status]} for status in statuses}


class Problem(Exception):
    """A refusal that its caller can act on.

    Args:
        reasons: where several things are wrong, each with `field` and `problem`.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        error: str,
        error_code: str,
        fix: str = "",
        reasons: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self._headers = headers
        self.body: dict[str, Any] = {"error": error, "error_code": error_code, "fix": fix}
        if reasons:
            self.body["reasons"] = [dict(reason) for reason in reasons]

    def response(self) -> Json:
        return Json(self.body, self.status, headers=self._headers)


def validation_reasons(errors: Sequence[Mapping[str, Any]], *, skip: int = 0) -> list[dict[str, str]]:
    """pydantic's errors as fields and problems, without the values that were sent."""
    return [
        {"field": ".".join(str(part) for part in error["loc"][skip:]) or "body", "problem": str(error["msg"])}
        for error in errors
    ]


def install(app: FastAPI) -> None:
    """Answer every kind of failure in the same form."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(NoSuchQueue, _no_such_queue)
    app.add_exception_handler(Permanent, _refused)
    for away in (StateUnavailable, BrokerError, PipelineError, TimeoutError):
        app.add_exception_handler(away, _dependency)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(request: Request, error: Exception) -> Json:
    assert isinstance(error, Problem)
    return error.response()


async def _http(request: Request, error: Exception) -> Json:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "REQUEST_REFUSED")
    fix = "See /openapi.json for what there is" if error.status_code in (404, 405) else ""
    response = Problem(error.status_code, str(error.detail), code, fix).response()
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(_methods_of(request))
    return response


def _methods_of(request: Request) -> list[str]:
    """Those that the path takes; each of its routes only knows its own."""
    bare = {"type": "http", "path": request.scope["path"], "root_path": "", "headers": [], "query_string": b""}
    return [
        method
        for method in _METHODS
        if any(route.matches({**bare, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


async def _invalid_request(request: Request, error: Exception) -> Json:
    assert isinstance(error, RequestValidationError)
    reasons = validation_reasons(error.errors(), skip=1)
    return Problem(
        422, "The request is not valid", ErrorCode.INVALID_MESSAGE, "Correct the fields named in `reasons`", reasons
    ).response()


async def _no_such_queue(request: Request, error: Exception) -> Json:
    return Problem(404, str(error), "NO_SUCH_QUEUE", "Run `pipeline apply` if the topology declares it").response()


async def _refused(request: Request, error: Exception) -> Json:
    assert isinstance(error, Permanent)
    status = 413 if error.error_code == ErrorCode.MESSAGE_TOO_LARGE else 422
    return Problem(status, error.reason, error.error_code, "Correct the message and send it again").response()


async def _dependency(request: Request, error: Exception) -> Json:
    if isinstance(error, Unroutable):
        fix = "Run `pipeline plan` and `pipeline apply`: the broker does not hold the topology's bindings"
        return Problem(503, "No queue receives this message", ErrorCode.UNROUTABLE, fix).response()
    if isinstance(error, PipelineError) and not isinstance(error, Unreachable):
        return Problem(400, error.what, "REQUEST_REFUSED", error.fix).response()
    what = "The state store" if isinstance(error, StateUnavailable) else "A server behind the API"
    return Problem(
        503, f"{what} does not answer", ErrorCode.DEPENDENCY_UNAVAILABLE, "See GET /health/ready, then try again"
    ).response()


async def _unexpected(request: Request, error: Exception) -> Json:
    return Problem(
        500, "Something went wrong in the service", ErrorCode.INTERNAL_ERROR, "See the service's log"
    ).response()
