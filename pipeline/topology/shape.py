"""The shape of a document: pydantic's errors at their places in the file, with a "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document, Path
from pipeline.topology.model import (
    All,
    DeadLetter,
    Defaults,
    Exchange,
    ExchangeBinding,
    MessageContract,
    Queue,
    QueueBinding,
    QueueDefaults,
    RetryPolicy,
    RoutePublish,
    RouteTest,
    Section,
    Source,
    Stage,
    StageDefaults,
    Topology,
)

# Which section stands where; "*" is any key or index.
_SECTIONS: tuple[tuple[tuple[str, ...], type[Section]], ...] = (
    ((), Topology),
    (("retries", "*"), RetryPolicy),
    (("defaults",), Defaults),
    (("defaults", "queue"), QueueDefaults),
    (("defaults", "stage"), StageDefaults),
    (("exchanges", "*"), Exchange),
    (("exchanges", "*", "bindings", "*"), ExchangeBinding),
    (("queues", "*"), Queue),
    (("queues", "*", "bindings", "*"), QueueBinding),
    (("queues", "*", "dead_letter"), DeadLetter),
    (("messages", "*"), MessageContract),
    (("sources", "*"), Source),
    (("stages", "*"), Stage),
    (("stages", "*", "run", "*"), All),
    (("tests", "*"), RouteTest),
    (("tests", "*", "publish"), RoutePublish),
)
_MOST_ROUNDS = 4
_UNHELPFUL = ("string_type", "bool_type", "bool_parsing", "model_type")


def validate(document: Document) -> tuple[Topology | None, list[Diagnostic]]:
    """The topology, and what of the document is not of its shape: an error for each place.

    With errors, it is the topology without the entries they are in, so that the rest can still be checked; None
    where that is not one either.
    """
    try:
        return Topology.model_validate(document.value), []
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
    return _part(document, errors), list(_diagnostics(document, errors))


def suggest(name: object, candidates: Iterable[str]) -> str:
    """`Did you mean "x"?`, or nothing."""
    near = get_close_matches(str(name), list(candidates), n=1)
    return f'Did you mean "{near[0]}"?' if near else ""


def _part(document: Document, errors: list[ErrorDetails]) -> Topology | None:
    """What is left without wrong entries, then without those that lack something for it."""
    rest = document.value
    for _ in range(_MOST_ROUNDS):
        paths = [(_path(document, error), error["type"] == "missing") for error in errors]
        rest = _without(rest, [path[:-1] if missing else path for path, missing in paths])
        try:
            return Topology.model_validate(rest)
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
    return None


def _without(value: Any, paths: Iterable[Path]) -> Any:
    """The document's value without the keys that the paths lead to, or through where they end in a list."""
    rest = deepcopy(value)
    for path in paths:
        keys = path
        while keys and isinstance(keys[-1], int):
            keys = keys[:-1]
        holder = rest
        for part in keys[:-1]:
            holder = holder.get(part, {}) if isinstance(holder, dict) else holder[part]
        if keys and isinstance(holder, dict):
            holder.pop(keys[-1], None)
    return rest


def _diagnostics(document: Document, errors: list[ErrorDetails]) -> Iterator[Diagnostic]:
    by_path: dict[Path, ErrorDetails] = {}
    for error in errors:
        path = _path(document, error)
        known = by_path.get(path)
        # Of the branches of a union, the one that says more than "not a string".
        if known is None or (known["type"] in _UNHELPFUL and error["type"] not in _UNHELPFUL):
            by_path[path] = error
    for path, error in by_path.items():
        if error["type"] in _UNHELPFUL and any(other[: len(path)] == path != other for other in by_path):
            continue
        yield _diagnostic(document, path, error)


def _path(document: Document, error: ErrorDetails) -> Path:
    """The error's place in the file: pydantic's, without the branches of unions, which are no keys."""
    path: Path = ()
    for part in error["loc"]:
        if (*path, part) in document.values or (error["type"] == "missing" and part == error["loc"][-1]):
            path = (*path, part)
    return path


def _diagnostic(document: Document, path: Path, error: ErrorDetails) -> Diagnostic:
    match error["type"]:
        case "extra_forbidden":
            suggestion = suggest(path[-1], _fields(path[:-1])) or _known(_fields(path[:-1]))
            return document.diagnostic(
                "T101", path, at_key=True, detail=f'"{path[-1]}" is no key.', suggestion=suggestion
            )
        case "missing":
            return document.diagnostic("T102", path, at_key=True, detail=f'"{path[-1]}" is missing.')
        case "literal_error" if path == ("version",):
            return document.diagnostic("T011", path, detail="It is not version 1.", suggestion="Write `version: 1`.")
    value = "The value" if path in document.secret else f'"{error["input"]}"'
    expected = str((error.get("ctx") or {}).get("expected", ""))
    if expected:
        choices = expected.replace(" or ", ", ").replace("'", "").split(", ")
        detail = f"{value} is none of: {', '.join(choices)}."
        return document.diagnostic("T103", path, detail=detail, suggestion=suggest(error["input"], choices))
    message = error["msg"].removeprefix("Value error, ")
    if path in document.secret:
        message = "The value, which has a variable in it, does not have the right form"
    return document.diagnostic("T103", path, detail=f"{message[:1].upper()}{message[1:]}.")


def _fields(path: Path) -> list[str]:
    """The keys that a section may have."""
    section = next((section for pattern, section in _SECTIONS if _matches(pattern, path)), None)
    if section is None:
        return []
    return [info.alias or name for name, info in section.model_fields.items()]


def _matches(pattern: tuple[str, ...], path: tuple[Any, ...]) -> bool:
    return len(pattern) == len(path) and all(want in ("*", part) for want, part in zip(pattern, path, strict=True))


def _known(fields: list[str]) -> str:
    return f"There are: {', '.join(fields)}." if fields else ""
