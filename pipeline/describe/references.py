"""Keys of an AsyncAPI document, and the references to what stands under them."""

from __future__ import annotations

import re
from collections.abc import Iterable

Reference = dict[str, str]

_NOT_IN_KEYS = re.compile(r"[^\w.-]", re.ASCII)


def keys_for(names: Iterable[str]) -> dict[str, str]:
    """Each name's key: the name with underscores for what keys may not have, numbered where two are alike."""
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = _NOT_IN_KEYS.sub("_", name)
        key, number = plain, 2
        while key in taken:
            key, number = f"{plain}_{number}", number + 1
        taken.add(key)
        keys[name] = key
    return keys


def reference(*path: str) -> Reference:
    """`{"$ref": "#/components/messages/…"}`; keys need no escaping, as `keys_for` makes them."""
    return {"$ref": "/".join(("#", *path))}
