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
    DeadLetter,
    Defaults,
    Exchange,
    ExchangeBinding,
    MessageContract,
    Queue,
    QueueBinding,
    QueueDefaults,
    RoutePublish,
    RouteTest,
    Topology,
)
from pipeline.topology.section import Section
from pipeline.topology.stages import All, Batch, Dependency, Process, RetryPolicy, Source, Stage, StageDefaults
from pipeline.topology.users import EnvironmentPassword, FilePassword, User, UserLimits, VhostLimits

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
    (("dependencies", "*"), Dependency),
    (("sources", "*"), Source),
    (("stages", "*"), Stage),
    (("stages", "*", "batch"), Batch),
    (("stages", "*", "run", "*"), All),
    (("stages", "*", "run", "*"), Process),
    (("stages", "*", "run", "*", "process", "*"), All),
    (("users", "*"), User),
    (("users", "*", "password"), EnvironmentPassword),
    (("users", "*", "password"), FilePassword),
    (("users", "*", "limits"), UserLimits),
    (("limits",), VhostLimits),
    (("tests", "*"), RouteTest),
    (("tests", "*", "publish"), RoutePublish),
)
_MOST_ROUNDS = 4
# What pydantic misses, in the file's terms.
_WANTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_LONGEST = 200


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
    near = _near(name, candidates)
    return f'Did you mean "{near[0]}"?' if near else ""


def _near(name: object, candidates: Iterable[str]) -> list[str]:
    """The one candidate that is like the name, or none."""
    return get_close_matches(str(name)[:_LONGEST], list(candidates), n=1)


def _part(document: Document, errors: list[ErrorDetails]) -> Topology | None:
    """What is left without wrong entries, then without those that lack something for it."""
    rest = deepcopy(document.value)
    for _ in range(_MOST_ROUNDS):
        paths = [(_path(document, error), error["type"] == "missing") for error in errors]
        _remove(rest, [path[:-1] if missing else path for path, missing in paths])
        try:
            return Topology.model_validate(rest)
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
    return None


def _remove(rest: Any, paths: Iterable[Path]) -> None:
    """Take out the keys that the paths lead to, or through where they end in a list."""
    for path in paths:
        keys = path
        while keys and isinstance(keys[-1], int):
            keys = keys[:-1]
        holder = rest
        for part in keys[:-1]:
            holder = holder.get(part, {}) if isinstance(holder, dict) else holder[part]
        if keys and isinstance(holder, dict):
            holder.pop(keys[-1], None)


def _diagnostics(document: Document, errors: list[ErrorDetails]) -> Iterator[Diagnostic]:
    by_path: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        by_path.setdefault(_path(document, error), []).append(error)
    # What contains another error was taken for one branch of a union, whose other branches only refuse it.
    containing = {path[:length] for path in by_path for length in range(len(path))}
    misspelt = {
        (*path[:-1], field)
        for path, (error, *_) in by_path.items()
        if error["type"] == "extra_forbidden"
        for field in _near(path[-1], _fields(path[:-1]))
    }
    for path, found in by_path.items():
        missing = all(error["type"] == "missing" for error in found)
        if path not in containing and not (missing and path in misspelt):
            yield _diagnostic(document, path, found)


def _path(document: Document, error: ErrorDetails) -> Path:
    """The error's place in the file: pydantic's, without the branches of unions, which are no keys."""
    path: Path = ()
    for part in error["loc"]:
        if (*path, part) in document.values or (error["type"] == "missing" and part == error["loc"][-1]):
            path = (*path, part)
    return path


def _diagnostic(document: Document, path: Path, errors: list[ErrorDetails]) -> Diagnostic:
    """One diagnostic for a place, where each branch of a union may have an error."""
    # The branch that says more than what type it wants.
    error = next((each for each in errors if each["type"] not in _WANTED), errors[0])
    match error["type"]:
        case "extra_forbidden":
            fields = _fields(path[:-1])
            suggestion = suggest(path[-1], fields) or _known(fields)
            return document.diagnostic(
                "T101", path, at_key=True, detail=f'"{path[-1]}" is no key.', suggestion=suggestion
            )
        case "missing":
            return document.diagnostic("T102", path, at_key=True, detail=f'"{path[-1]}" is missing.')
        case "literal_error" if path == ("version",):
            return document.diagnostic("T011", path, detail="It is not version 1.", suggestion="Write `version: 1`.")
    detail, suggestion = _invalid(document, path, error["input"], errors, error)
    # A password that was written down is not shown, so the finding is at its key.
    return document.diagnostic("T103", path, at_key=path[-1:] == ("password",), detail=detail, suggestion=suggestion)


def _invalid(
    document: Document, path: Path, value: Any, errors: list[ErrorDetails], error: ErrorDetails
) -> tuple[str, str]:
    """What is wrong with a value and what to write: detail and suggestion."""
    shown = _shown(document, path, value)
    if error["type"] in _WANTED:
        wanted = " or ".join(dict.fromkeys(_WANTED.get(each["type"], "") for each in errors))
        plain = isinstance(value, bool | int | float) and "text" in wanted
        return f"{shown} is not {wanted}.", "Put it in quotes." if plain else ""
    if expected := str((error.get("ctx") or {}).get("expected", "")):
        choices = expected.replace(" or ", ", ").replace("'", "").split(", ")
        return f"{shown} is none of: {', '.join(choices)}.", suggest(value, choices)
    message = error["msg"].removeprefix("Value error, ").replace(repr(value), shown)
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST // 2]}…{message[-_LONGEST // 2 :]}"
    return f"{message[:1].upper()}{message[1:]}.", ""


def _shown(document: Document, path: Path, value: Any) -> str:
    if value is None and path not in document.secret:
        return "An empty value"
    if isinstance(value, list | dict):
        return "A list" if isinstance(value, list) else "A mapping"
    return document.quoted(str(value).lower() if isinstance(value, bool) else value, *path)


def _fields(path: Path) -> list[str]:
    """The keys that a section may have."""
    sections = [section for pattern, section in _SECTIONS if _matches(pattern, path)]
    return [info.alias or name for section in sections for name, info in section.model_fields.items()]


def _matches(pattern: tuple[str, ...], path: tuple[Any, ...]) -> bool:
    return len(pattern) == len(path) and all(want in ("*", part) for want, part in zip(pattern, path, strict=True))


def _known(fields: list[str]) -> str:
    return f"There are: {', '.join(fields)}." if fields else ""
