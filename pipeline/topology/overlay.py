"""A profile's file over the topology: what it says replaces, adds, or removes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document
from pipeline.topology.document import Path as Keys

_PROFILE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_V = TypeVar("_V")


def overlay_of(file: Path, profile: str) -> Path:
    """`topology.prod.yaml` beside `topology.yaml`."""
    return file.with_name(f"{file.stem}.{profile}{file.suffix}")


def profiles_of(file: Path) -> list[str]:
    """The profiles that have a file beside this one."""
    found = (
        each.name[len(file.stem) + 1 : -len(file.suffix)] for each in file.parent.glob(f"{file.stem}.*{file.suffix}")
    )
    return sorted(name for name in found if _PROFILE.fullmatch(name))


def overlay(base: Document, over: Document) -> tuple[Document, list[Diagnostic]]:
    """One document of two.

    Mappings are merged key by key; any other value of `over` replaces that of `base`, lists included; a key without a
    value (`key:`, `key: null`) is removed. Everything keeps its place in its own file.
    """
    merge = _Merge(base, over)
    value = merge.merged(base.value, over.value, ())

    def kept(path: Keys) -> bool:
        return not any(path[:length] in merge.replaced for length in range(1, len(path) + 1))

    def taken(path: Keys) -> bool:
        return any(path[:length] in merge.taken for length in range(1, len(path) + 1))

    def joined(of: Callable[[Document], dict[Keys, _V]]) -> dict[Keys, _V]:
        ours = {path: each for path, each in of(base).items() if kept(path)}
        return ours | {path: each for path, each in of(over).items() if taken(path)}

    document = Document(
        source=base.source,
        value=value,
        keys=joined(lambda each: each.keys),
        values=joined(lambda each: each.values),
        secret=joined(lambda each: each.secret),
        overlaid={path: source for path, source in base.overlaid.items() if kept(path)}
        | dict.fromkeys(merge.taken, over.source),
    )
    return document, merge.diagnostics


class _Merge:
    def __init__(self, base: Document, over: Document) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.replaced: set[Keys] = set()
        self.taken: set[Keys] = set()
        self._over = over

    def merged(self, ours: dict[str, Any], theirs: dict[str, Any], path: Keys) -> dict[str, Any]:
        result = dict(ours)
        for key, value in theirs.items():
            at = (*path, key)
            if value is None:
                if result.pop(key, None) is None:
                    detail = f'There is no "{key}" to be removed.'
                    self.diagnostics.append(self._over.diagnostic("T017", at, at_key=True, detail=detail))
                self.replaced.add(at)
            elif isinstance(value, dict) and isinstance(ours.get(key), dict):
                result[key] = self.merged(ours[key], value, at)
            else:
                result[key] = value
                self.replaced.add(at)
                self.taken.add(at)
        return result
