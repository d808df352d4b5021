"""Regular expressions of RabbitMQ's permissions: made of names, and read back into them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

NOTHING = r"^\z"
# Compiled, in bytes: the most that RabbitMQ's regular expressions (PCRE) can be. Tried on 3.10.8.
LARGEST = 65_535
_PER_PATTERN, _PER_NAME, _PER_BYTE = 16, 3, 2
_SPECIAL = frozenset(r"\^$.|?*+()[]{}")
_GENERATED = re.compile(r"\^\(\?:(.*)\)\\z", re.DOTALL)
_LITERAL = re.compile(r"\\x([0-9a-f]{2})|\\([\\^$.|?*+()\[\]{}])|([^\\^$.|?*+()\[\]{}])", re.DOTALL)


def pattern_of(names: Iterable[str]) -> str:
    r"""A regular expression of RabbitMQ's that matches these names and no others.

    It ends in `\z`, since `$` matches before a line feed at the end too.
    """
    escaped = ["".join(map(_escaped, name)) for name in sorted(set(names))]
    return f"^(?:{'|'.join(escaped)})\\z" if escaped else NOTHING


def names_in(pattern: str) -> frozenset[str] | None:
    """The names that a pattern made by `pattern_of` matches; None for any other pattern."""
    if pattern in (NOTHING, "^$", ""):
        return frozenset()
    generated = _GENERATED.fullmatch(pattern)
    if generated is None:
        return None
    names, name, at = set(), "", 0
    while at < len(generated[1]):
        if generated[1][at] == "|":
            names.add(name)
            name, at = "", at + 1
        elif literal := _LITERAL.match(generated[1], at):
            name += chr(int(literal[1], 16)) if literal[1] else literal[2] or literal[3]
            at = literal.end()
        else:
            return None
    return frozenset(names | {name})


def size_of(names: Collection[str]) -> int:
    """How large the pattern for these names is, compiled."""
    return _PER_PATTERN + sum(_PER_NAME + _PER_BYTE * len(name.encode()) for name in names)


def _escaped(character: str) -> str:
    if character in _SPECIAL:
        return f"\\{character}"
    return f"\\x{ord(character):02x}" if character < " " else character
