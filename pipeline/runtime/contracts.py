"""Message names and the pydantic models behind them: bodies are validated once, straight from their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from pipeline.errors import ErrorCode, Permanent, PipelineError
from pipeline.topology.model import MessageContract, Topology
from pipeline.topology.values import Reference

_CONTENT_TYPES = frozenset({None, "", "application/json", "text/json"})
# Those in which JSON can be read as it is. What is compressed is not unpacked: a kilobyte may hold a gigabyte.
_CONTENT_ENCODINGS = frozenset({"", "identity", "utf-8", "utf8", "us-ascii", "ascii"})
_SHOWN_ERRORS = 5
# Messages of these may quote the value, as may those of a model's own validators.
_QUOTING_ERRORS = {
    *("value_error", "assertion_error", "union_tag_invalid", "get_attribute_error", "iteration_error", "mapping_type"),
    *("uuid_parsing", "url_parsing", "url_syntax_violation"),
}
_PLAIN_ERRORS = frozenset(get_args(ErrorType)) - _QUOTING_ERRORS


@dataclass(frozen=True, slots=True)
class Contract:
    """One message: its model, and where and how it is published.

    Attributes:
        exchange: the broker's name for it.
        droppable: fields that may be absent, and are when they are None and nobody set them.
    """

    name: str
    model: type[BaseModel]
    exchange: str
    routing_key: str
    priority: int | None
    max_size: int
    droppable: frozenset[str]

    def decode(self, body: bytes, content_type: str | None = None, content_encoding: str | None = None) -> BaseModel:
        """The validated body. Raises Permanent, whose reason names fields but holds no values."""
        if len(body) > self.max_size:
            raise Permanent(
                f"{self.name} has {len(body)} bytes; at most {self.max_size} are taken", ErrorCode.MESSAGE_TOO_LARGE
            )
        if content_type not in _CONTENT_TYPES and not _is_json(content_type):
            raise Permanent(f"{self.name} is not JSON by its content type", ErrorCode.INVALID_MESSAGE)
        if content_encoding is not None and content_encoding.lower() not in _CONTENT_ENCODINGS:
            raise Permanent(
                f"{self.name} is encoded as {printable(content_encoding, 40)!r}, which is not unpacked",
                ErrorCode.INVALID_MESSAGE,
            )
        try:
            valid: BaseModel = self.model.__pydantic_validator__.validate_json(body)
        except ValidationError as invalid:
            raise Permanent(f"{self.name}: {_summary(invalid)}", ErrorCode.INVALID_MESSAGE) from None
        return valid

    def encode(self, body: BaseModel) -> bytes:
        """The body as JSON. Raises Permanent if it is larger than a consumer would take."""
        unset = {name for name in self.droppable - body.model_fields_set if getattr(body, name) is None}
        encoded = body.__pydantic_serializer__.to_json(body, exclude=unset or None)
        if len(encoded) > self.max_size:
            raise Permanent(
                f"{self.name} would have {len(encoded)} bytes; at most {self.max_size} are taken",
                ErrorCode.MESSAGE_TOO_LARGE,
            )
        return encoded


class Contracts:
    """All messages of a topology. Models are resolved when first asked for, so a worker loads what its stages use."""

    def __init__(self, topology: Topology, resolve: Callable[[Reference], Any]) -> None:
        self._resolve = resolve
        self.adopt(topology)

    def adopt(self, topology: Topology) -> None:
        """Go by another revision of the topology from now on."""
        self._topology = topology
        self._known: dict[str, Contract] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._topology.messages

    def __getitem__(self, name: str) -> Contract:
        """Raises Permanent for an unknown name, PipelineError if what the topology names is not a pydantic model."""
        contract = self._known.get(name)
        if contract is None:
            declared = self._topology.messages.get(name)
            if declared is None:
                raise Permanent(f"No message is called {printable(name, 80)!r}", ErrorCode.UNKNOWN_MESSAGE)
            contract = self._known[name] = self._contract(name, declared)
        return contract

    def _contract(self, name: str, declared: MessageContract) -> Contract:
        model = self._resolve(declared.model)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise PipelineError(f"{declared.model} is not a pydantic model", where=f"messages.{name}.model")
        return Contract(
            name=name,
            model=model,
            exchange=self._topology.exchange_name(declared.exchange),
            routing_key=name if declared.routing_key is None else declared.routing_key,
            priority=declared.priority,
            max_size=declared.max_size,
            droppable=frozenset(key for key, field in model.model_fields.items() if _defaults_to_none(field)),
        )

    def names_of(self, model: type[BaseModel], among: Iterable[str]) -> list[str]:
        """Which of the messages `among` have this model."""
        return [name for name in among if self[name].model is model]

    def models(self, names: Iterable[str]) -> dict[str, type[BaseModel]]:
        return {name: self[name].model for name in names}


def printable(text: str, limit: int) -> str:
    """Text from outside, fit for a log line or a header: control characters replaced, at most `limit` long."""
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def wrong_fields(invalid: ValidationError) -> tuple[tuple[str, str], ...]:
    """Paths, empty for the whole, and what is wrong there, without the values."""
    errors = invalid.errors(include_url=False, include_context=False, include_input=False)
    return tuple((_path(error), _problem(error)) for error in errors)


def _is_json(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type in _CONTENT_TYPES or media_type.endswith("+json")


def _defaults_to_none(field: Any) -> bool:
    return not field.is_required() and field.default_factory is None and field.default is None


def _summary(invalid: ValidationError) -> str:
    errors = invalid.errors(include_url=False, include_context=False, include_input=False)
    shown = "; ".join(map(_one, errors[:_SHOWN_ERRORS]))
    return shown if len(errors) <= _SHOWN_ERRORS else f"{shown}; and {len(errors) - _SHOWN_ERRORS} more"


def _one(error: ErrorDetails) -> str:
    path, what = _path(error), _problem(error)
    return f"{path}: {what}" if path else what


def _path(error: ErrorDetails) -> str:
    return ".".join(str(part) if isinstance(part, int) else printable(part, 60) for part in error["loc"])


def _problem(error: ErrorDetails) -> str:
    return error["msg"] if error["type"] in _PLAIN_ERRORS else f"is not valid ({error['type']})"
