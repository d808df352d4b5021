"""The messages of an AsyncAPI document: payloads, headers, bindings, examples; and the schemas they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipeline.describe.references import keys_for, reference
from pipeline.describe.schemas import Schema, UntitledFields
from pipeline.messages import message as headers

AMQP_BINDING = "0.3.0"
_SCHEMA_REFERENCE = "#/components/schemas/{model}"
_HEADERS = "MessageHeaders"
_JSON = "application/json"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Described:
    """A message as documents show it.

    Attributes:
        name: unique within the document.
        examples: payloads.
        amqp: whether it goes over the broker, with headers, rather than over the WebSocket.
    """

    name: str
    model: type[BaseModel]
    examples: Sequence[Any] = field(default=())
    amqp: bool = True


class Payloads:
    """The messages of a document, in their order, by keys that other parts refer to."""

    def __init__(self, messages: Sequence[Described]) -> None:
        self._messages = messages
        self._keys = keys_for(each.name for each in messages)
        models = dict.fromkeys(each.model for each in messages)
        self._references, shared = models_json_schema(
            [(model, "validation") for model in models],
            ref_template=_SCHEMA_REFERENCE,
            schema_generator=UntitledFields,
        )
        self._schemas: dict[str, Schema] = shared.get("$defs", {})

    def key(self, name: str) -> str:
        return self._keys[name]

    def components(self) -> dict[str, Object]:
        """`messages` and `schemas`, the latter by name."""
        schemas = {**self._schemas, **({_HEADERS: _headers()} if any(each.amqp for each in self._messages) else {})}
        return {
            "messages": {self._keys[each.name]: self._message(each) for each in self._messages},
            "schemas": dict(sorted(schemas.items())),
        }

    def in_channel(self, names: Sequence[str]) -> dict[str, Object]:
        """The `messages` of a channel."""
        return {self._keys[name]: reference("components", "messages", self._keys[name]) for name in names}

    def _message(self, described: Described) -> Object:
        name = described.name
        message: Object = {
            "name": name,
            "title": name,
            "summary": _first_line(described.model),
            "contentType": _JSON,
            "payload": dict(self._references[described.model, "validation"]),
        }
        if described.amqp:
            own = {"type": "object", "properties": {headers.MESSAGE_NAME: {"const": name}}}
            message["headers"] = {"allOf": [reference("components", "schemas", _HEADERS), own]}
            in_body = "correlation_id" in described.model.model_fields
            message["correlationId"] = {
                "description": "The AMQP property correlation_id, which the body repeats"
                if in_body
                else "The AMQP property correlation_id",
                "location": f"$message.{'payload' if in_body else 'header'}#/correlation_id",
            }
            message["bindings"] = {"amqp": {"messageType": name, "bindingVersion": AMQP_BINDING}}
        if described.examples:
            message["examples"] = [_example(described, payload) for payload in described.examples]
        return message


def _example(described: Described, payload: Any) -> Object:
    shown: Object = {"payload": payload}
    return {"headers": {headers.MESSAGE_NAME: described.name}, **shown} if described.amqp else shown


def _first_line(model: type[BaseModel]) -> str:
    return cleandoc(model.__doc__ or model.__name__).partition("\n")[0]


def _headers() -> Schema:
    """Headers of ours. Other programs need not send any: the routing key names the message then."""
    described: Mapping[str, tuple[str, str]] = {
        headers.MESSAGE_NAME: ("string", "The message's name; without it the routing key is taken for that"),
        headers.ATTEMPT: ("integer", "1 for the first attempt"),
        headers.LAST_ERROR_CODE: ("string", "Why the last attempt failed, while it waits for the next one"),
        headers.ORIGINAL_EXCHANGE: ("string", "Where it was first published, after a retry or a replay"),
        headers.ORIGINAL_ROUTING_KEY: ("string", "The routing key of its first publication"),
        headers.REPLAYED_AT: ("string", "When it was sent back from a dead-letter queue, RFC 3339"),
        headers.TRACEPARENT: ("string", "W3C trace context"),
        headers.ERROR_CODE: ("string", "Of a dead letter: the stable code of what was wrong"),
        headers.ERROR_CLASS: ("string", "Of a dead letter: the class of the error"),
        headers.ERROR_MESSAGE: ("string", "Of a dead letter: what was wrong, in words"),
        headers.ERROR_STAGE: ("string", "Of a dead letter: the stage that gave it up"),
        headers.FAILED_AT: ("string", "Of a dead letter: when, RFC 3339"),
    }
    properties = {name: {"type": kind, "description": text} for name, (kind, text) in described.items()}
    return {"type": "object", "description": "AMQP headers; none is required", "properties": properties}
