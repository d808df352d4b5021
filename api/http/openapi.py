"""/openapi.json: what the routes say of themselves, and each message of the contract with its own schema."""

from __future__ import annotations

import copy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.messages import PATH
from api.services import Services
from pipeline.describe.schemas import UntitledFields

_DESCRIPTION = """
A music library as a pipeline of messages. What is asked for here becomes a message; the answer, `202`, has a `job_id`
to follow it by: poll `GET /v1/jobs/{job_id}`, or subscribe to it on the WebSocket `/v1/ws`.

Every error has one form: `error` says what happened, `error_code` is stable, `fix` says what to do about it.
"""
_TAGS = {
    "recordings": "What the library holds, and what may be asked for one recording",
    "tracklists": "What is played in a mix, and the CUE sheets made from it",
    "CUE files": "Generated sheets: download, validation, conversion",
    "renames": "Renames that were done, feedback on them, patterns in names",
    "jobs": "What became of a request",
    "export": "The whole library in one file",
    "messages": "The messages of the contract as their publishers write them",
    "dead letters": "What could not be processed",
    "queues": "The broker's side",
    "service": "Health, metrics, version",
}
_MODEL = "#/components/schemas/message.{model}"


def describe(app: FastAPI, services: Services) -> None:
    """Make the application describe itself in full, when it is first asked."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_document(app, services))
        return made

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, services: Services) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="Recordings, their analysis, tracklists, CUE sheets and renames",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
    )
    _spell_messages_out(document, services)
    return document


def _spell_messages_out(document: dict[str, Any], services: Services) -> None:
    """In the place of one path for all messages, one for each, with what its body has to be."""
    general = document["paths"].pop(PATH)["post"]
    schemas = document["components"]["schemas"]
    for name in services.topology.messages:
        schema = services.model_of(name).model_json_schema(schema_generator=UntitledFields, ref_template=_MODEL)
        for part, definition in schema.pop("$defs", {}).items():
            schemas[f"message.{part}"] = definition
        operation = copy.deepcopy(general)
        operation |= {
            "summary": name,
            "description": schema.pop("description", ""),
            "operationId": f"publish_{name.replace('.', '_')}",
            "parameters": [],
            "requestBody": {"required": True, "content": {"application/json": _content(schema, name, services)}},
        }
        document["paths"][PATH.replace("{message_name}", name)] = {"post": operation}


def _content(schema: dict[str, Any], name: str, services: Services) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    bodies = services.examples.get(name, ())
    if bodies:
        content["examples"] = {str(number): {"value": body} for number, body in enumerate(bodies, start=1)}
    return content
