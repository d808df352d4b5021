"""What names may be made of, so that two of them never make the same key or index entry."""

from __future__ import annotations


def segment(name: str) -> str:
    """A name as a part of a key, before a colon. Raises ValueError if it is empty or has a colon or NUL in it."""
    if not name or ":" in name or "\0" in name:
        raise ValueError(f"{name!r} cannot name a kind, an index, a stage or a group: it is empty or has ':' or NUL")
    return name


def entry(name: str, value: str) -> str:
    """An index entry. Raises ValueError if the name is no segment or the value has NUL in it."""
    if "\0" in value:
        raise ValueError(f"a value of the index {name!r} has NUL in it")
    return f"{segment(name)}\0{value}"
