"""`/v1/messages`: any message of the contract, as its publisher writes it."""

from __future__ import annotations

import json
import uuid
from difflib import get_close_matches

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError

from api.http.json_response import Json
from api.plane import plane_of
from api.problems import Problem, documented, validation_reasons
from api.socket.frames import quotable
from pipeline.errors import ErrorCode

PREFIX = "/v1/messages/"
PATH = f"{PREFIX}{{message_name}}"

_EXACT = 2**53

router = APIRouter(tags=["messages"])


class Published(BaseModel):
    """The broker has confirmed it."""

    message_id: str
    message: str


@router.post(PATH, status_code=202, responses={202: {"model": Published}, **documented(403, 404, 413, 415, 422, 503)})
async def publish_message(request: Request, message_name: str) -> Json:
    """Validate a message of the contract, publish it, and answer once the broker has confirmed it."""
    services = plane_of(request).services
    contract = services.topology.messages.get(message_name)
    if contract is None:
        near = get_close_matches(message_name, services.topology.messages, n=1)
        fix = f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(services.topology.messages)}"
        raise Problem(404, f'No message is named "{quotable(message_name)}"', ErrorCode.UNKNOWN_MESSAGE, fix)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "The body has to be JSON", ErrorCode.INVALID_MESSAGE, "Send Content-Type: application/json")
    body = await _read(request, contract.max_size)
    try:
        message = services.model_of(message_name).model_validate_json(_with_integers(body), strict=True)
    except ValidationError as error:
        raise Problem(
            422,
            f"The body is not a valid {message_name}",
            ErrorCode.INVALID_MESSAGE,
            "Correct the fields named in `reasons`",
            validation_reasons(error.errors(include_url=False, include_input=False)),
        ) from None
    message_id = str(uuid.uuid4())
    await services.publish(message_name, message, message_id)
    return Json({"message_id": message_id, "message": message_name}, 202)


def _with_integers(body: bytes) -> bytes:
    """The same JSON with 7.0 written as 7: JSON Schema takes both for an integer. What is not JSON stays as it is."""
    try:
        return json.dumps(json.loads(body, parse_float=_number), allow_nan=False).encode()
    except (ValueError, RecursionError):
        return body


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


async def _read(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            fix = f"Send at most {most} bytes, or raise max_size in the topology"
            raise Problem(413, "The body is too large", ErrorCode.MESSAGE_TOO_LARGE, fix)
    return bytes(body)
