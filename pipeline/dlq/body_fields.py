"""Bodies as JSON: shown, one field set, and which fields an edit has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_MOST_FIELDS = 100
_WHOLE = "(body)"
_ABSENT = object()


def pretty(body: bytes) -> str:
    """Indented where it is JSON, else the text. Raises UnicodeDecodeError for what is no text."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False) + "\n"
    except (ValueError, RecursionError):
        return body.decode()


def compact(text: str) -> bytes:
    """Without the spaces where it is JSON, else as it is."""
    try:
        return _encoded(json.loads(text))
    except (ValueError, RecursionError):
        return text.encode()


def with_field(body: bytes, path: str, value: str) -> bytes:
    """The body with one field set: `tracks.0.title`, to a value in JSON, or else to the text.

    What is on the way has to be there; the last name of an object may be new. Raises ValueError, which quotes nothing
    of the body.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("The body is not JSON; give all of it") from None
    names = path.split(".")
    place = document
    for name in names[:-1]:
        place = _child(place, name, path)
    last = names[-1]
    if isinstance(place, list) and last.isdecimal() and int(last) < len(place):
        place[int(last)] = _value(value)
    elif isinstance(place, dict) and last:
        place[last] = _value(value)
    else:
        raise ValueError(f"The body has no place for {path}")
    return _encoded(document)


def changed_fields(old: bytes, new: bytes) -> tuple[str, ...]:
    """Paths whose values differ, at most 100; `(body)` where either is not JSON. Empty where they mean the same."""
    if old == new:
        return ()
    try:
        differences = _differences(json.loads(old), json.loads(new), "")
        return tuple(path for path, _ in zip(differences, range(_MOST_FIELDS), strict=False))
    except (ValueError, RecursionError):
        return (_WHOLE,)


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in {**old, **new}]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(old, new, strict=True))]
    else:
        # 1 and true are equal in Python, and not in JSON.
        if type(old) is not type(new) or old != new:
            yield path or _WHOLE
        return
    for name, before, after in pairs:
        yield from _differences(before, after, f"{path}.{name}" if path else name)


def _child(place: Any, name: str, path: str) -> Any:
    if isinstance(place, dict) and name in place:
        return place[name]
    if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
        return place[int(name)]
    raise ValueError(f"The body has no place for {path}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
