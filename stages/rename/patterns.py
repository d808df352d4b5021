"""The patterns in the names of many files: `{track} - {artist} - {title}`, found from how the names are alike.

A name alone is often ambiguous, so each may be read in several ways (`stages.rename.reading`), and the ways in which
most names of its folder, and of all folders, can be read win. Which column of a pattern is what is told by the files'
tags where there are any, else by what the columns hold: the title differs from file to file, an album does not.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.rename.names import split
from stages.rename.reading import CLASS, Reading, readings
from stages.rename.roles import Fields, alike, roles_of

_FIELD = re.compile(r"\{(\w+)\}")
_EXAMPLES = 3
_ENOUGH = 2
_SHARE_OF_FOLDER, _SHARE_OF_ALL = 0.3, 0.1
_SMALL_FOLDER = 2
_FAR_MORE = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    """How names are made.

    Attributes:
        text: fields in braces, and what stands between them.
        words: what stands between the words of a field.
    """

    text: str
    words: str = " "

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(_FIELD.findall(self.text))

    def rendered(self, fields: Fields) -> str:
        """The name made of the fields, all of which must be there."""
        return _FIELD.sub(lambda found: fields[found[1]].replace(" ", self.words), self.text)


@dataclass(slots=True)
class Found:
    """A pattern and the names that are made by it.

    Attributes:
        members: for each name, by its place in the list that was looked at, the fields in it.
    """

    pattern: Pattern
    members: dict[int, Fields] = field(default_factory=dict)


def patterns_in(paths: Sequence[str], tags: Sequence[Fields | None] | None = None) -> list[Found]:
    """The patterns in the names of files, those of most names first. No name is in two.

    Args:
        tags: the fields that each file's tags have, None where none are known.
    """
    groups: dict[tuple[str, str], dict[int, Reading]] = defaultdict(dict)
    tags = tags or [None] * len(paths)
    for index, reading in _chosen(paths).items():
        groups[reading.skeleton, "_" if reading.words == "_" else " "][index] = reading
    found: dict[Pattern, Found] = {}
    for (skeleton, words), members in groups.items():
        roles = roles_of(skeleton, [(each, tags[index]) for index, each in members.items()])
        if roles is None:
            continue
        pattern = _pattern(skeleton, roles, words)
        entry = found.setdefault(pattern, Found(pattern))
        entry.members |= {index: dict(zip(roles, each.values, strict=True)) for index, each in members.items()}
    _add_bare_titles(paths, tags, found)
    return sorted(found.values(), key=lambda each: (-len(each.members), each.pattern.text, each.pattern.words))


def pattern_of(name: str) -> Pattern | None:
    """The pattern that one name is made by, as far as it can be told without others."""
    found = patterns_in([name])
    return found[0].pattern if found else None


def _chosen(paths: Sequence[str]) -> dict[int, Reading]:
    """For each name that has a structure, the way to read it."""
    possible = [readings(split(os.path.basename(path))[0]) for path in paths]
    support = _Support([os.path.dirname(path) for path in paths], possible)
    chosen = {index: support.best(index, ways) for index, ways in enumerate(possible) if ways}
    return {index: reading for index, reading in chosen.items() if reading is not None}


class _Support:
    """How many names can be read in a way: in one folder, and in all.

    Args:
        folders: of each name.
        possible: the ways to read each name, the likeliest first.
    """

    def __init__(self, folders: Sequence[str], possible: Sequence[Sequence[Reading]]) -> None:
        self._folders = folders
        self._sizes = Counter(folders)
        self._everywhere: Counter[str] = Counter()
        self._beside: Counter[tuple[str, str]] = Counter()
        self._first: Counter[tuple[str, str]] = Counter()
        self._only: Counter[tuple[str, str]] = Counter()
        for folder, ways in zip(folders, possible, strict=True):
            for place, way in enumerate(ways):
                self._everywhere[way.skeleton] += 1
                self._beside[folder, way.skeleton] += 1
                self._first[folder, way.skeleton] += place == 0
                self._only[folder, way.skeleton] += len(ways) == 1

    def best(self, index: int, ways: Sequence[Reading]) -> Reading | None:
        """The likeliest way that is certain, common or proven, unless a later one is far more common."""
        folder = self._folders[index]
        best: Reading | None = None
        for way in ways:
            if not (way.certain or self._is_common(folder, way) or self._is_proven(folder, way)):
                continue
            if best is None or (self._outweighs(folder, way, best) and not self._is_proven(folder, best)):
                best = way
        return best

    def _is_common(self, folder: str, way: Reading) -> bool:
        if self._everywhere[way.skeleton] < _ENOUGH:
            return False
        if self._sizes[folder] <= _SMALL_FOLDER:
            return self._everywhere[way.skeleton] >= _SHARE_OF_ALL * len(self._folders)
        return self._beside[folder, way.skeleton] >= max(_ENOUGH, _SHARE_OF_FOLDER * self._sizes[folder])

    def _outweighs(self, folder: str, way: Reading, best: Reading) -> bool:
        return self._first[folder, way.skeleton] >= _FAR_MORE * self._beside[folder, best.skeleton]

    def _is_proven(self, folder: str, way: Reading) -> bool:
        """Whether half of the names that can be read so can be read in no other way."""
        only = self._only[folder, way.skeleton]
        return only >= _ENOUGH and 2 * only >= self._beside[folder, way.skeleton]


def _pattern(skeleton: str, roles: Sequence[str], words: str) -> Pattern:
    names = iter(roles)
    text = CLASS.sub(lambda _: "{" + next(names) + "}", skeleton)
    return Pattern(text.replace(" ", words), words)


def _add_bare_titles(paths: Sequence[str], tags: Sequence[Fields | None], found: dict[Pattern, Found]) -> None:
    """Names that are nothing but the title, by the tags."""
    matched = {index for each in found.values() for index in each.members}
    entry = Found(Pattern("{title}"))
    for index, (path, told) in enumerate(zip(paths, tags, strict=True)):
        if index not in matched and told and "title" in told:
            stem = split(os.path.basename(path))[0].replace("_", " ")
            if alike(stem, told["title"]):
                entry.members[index] = {"title": stem}
    if entry.members:
        found[entry.pattern] = entry


def described(found: Found, paths: Sequence[str]) -> dict[str, Any]:
    """A pattern as it is answered."""
    return {
        "pattern": found.pattern.text,
        "word_separator": found.pattern.words,
        "fields": list(found.pattern.fields),
        "count": len(found.members),
        "share": round(len(found.members) / len(paths), 4),
        "examples": [os.path.basename(paths[index]) for index in list(found.members)[:_EXAMPLES]],
    }
