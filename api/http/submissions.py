"""Requests of the contract that the API publishes for a client, and the answer that says how to follow them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError

from api.http.json_response import Json
from api.plane import plane_of
from api.problems import Problem, documented, validation_reasons
from pipeline.errors import ErrorCode

_REQUESTED_BY = "api"


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Annotates an integer as JSON Schema has it: 7.0 is one, "7" and true are not."""


class Wish(BaseModel):
    """Base of the bodies that clients send: nothing is converted, nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Accepted(BaseModel):
    """The broker has taken the request; the work on it is followed by `job_id`."""

    message: str = Field(description="The message that was published", examples=["tracklist.generate"])
    message_id: str = Field(examples=["5b1c3a1e-7d1e-4b7c-9a55-0f2f1f0a9c11"])
    correlation_id: str = Field(description="In every answer to it", examples=["0d9b7e1a-64c5-4d0e-b0b7-6e3a7b7b9f10"])
    job_id: str | None = Field(
        description="What to follow: `GET /v1/jobs/{job_id}`, or `subscribe` with it as recording_id on `/v1/ws`. "
        "An analysis is followed by its recording's id; null where there is nothing to follow",
        examples=["9f0d2c1b-2a6e-4b57-8c77-0a3f6d1f2e21"],
    )
    recording_id: str | None = Field(description="The recording it is about, where it is about one")


ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": Accepted,
        "description": "Published; the broker has confirmed it",
        "headers": {
            "Location": {"description": "`/v1/jobs/{job_id}`, where there is one", "schema": {"type": "string"}}
        },
    },
    **documented(400, 403, 404, 413, 422, 501, 503),
}
"""`responses` of a route that submits."""


async def submit(
    request: Request,
    message: str,
    fields: Mapping[str, Any],
    *,
    job: str | None = "job_id",
    follow: str | None = None,
    identity: str | None = None,
    recording_id: str | None = None,
) -> Json:
    """Build a message's body, publish it, and answer 202 once the broker has confirmed it.

    Args:
        fields: of the body, beside its ids, its time and its correlation_id.
        job: the body's field for the id of the job; None where the work is no job.
        follow: what is followed where the work is no job; None: nothing.
        identity: id of message, correlation and job, where asking again must not be another message.
    Raises: Problem, 422 or 501; what `Services.publish` raises.
    """
    services = plane_of(request).services
    if message not in services.topology.messages:
        raise Problem(
            501, f"The topology has no message {message}", ErrorCode.UNKNOWN_MESSAGE, "Declare it in topology.yaml"
        )
    model = services.model_of(message)
    message_id, correlation_id, new_job = (identity or str(uuid.uuid4()) for _ in range(3))
    job_id = new_job if job is not None else follow
    own = {"message_id": message_id, "timestamp": datetime.now(UTC), "requested_by": _REQUESTED_BY}
    body = {key: value for key, value in own.items() if key in model.model_fields}
    body |= {"correlation_id": correlation_id, **fields}
    if recording_id is not None:
        body["recording_id"] = recording_id
    if job is not None:
        body[job] = job_id
    await services.publish(message, _validated(message, model, body), message_id)
    return accepted(
        message=message,
        message_id=message_id,
        correlation_id=correlation_id,
        job_id=job_id,
        recording_id=recording_id,
    )


def accepted(*, job_id: str | None, **fields: str | None) -> Json:
    """The answer with the fields of Accepted."""
    headers = {} if job_id is None else {"Location": f"/v1/jobs/{quote(job_id, safe='')}"}
    return Json({"job_id": job_id, **fields}, 202, headers=headers)


def _validated(message: str, model: type[BaseModel], body: Mapping[str, Any]) -> BaseModel:
    """Raises Problem, 422, also for what is valid but cannot be written as JSON in UTF-8."""
    try:
        valid = model.model_validate(body)
        valid.model_dump_json()
    except ValidationError as error:
        reasons = validation_reasons(error.errors(include_url=False, include_input=False))
    except PydanticSerializationError:
        reasons = [{"field": "body", "problem": "A text in it is not valid Unicode"}]
    else:
        return valid
    raise Problem(
        422,
        f"That does not make a valid {message}",
        ErrorCode.INVALID_MESSAGE,
        "Correct the fields named in `reasons`",
        reasons,
    )
