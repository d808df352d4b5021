"""Which part of a name is what: artist, title, album, ...; for all names of one skeleton together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz

from stages.rename.reading import CLASS, SLOWEST, Reading, is_tempo
from stages.rename.wording import plain

Fields = Mapping[str, str]
"""artist, title, album, label, remix, year, track, disc, bpm, key, catalog, note; those that there are."""

_TIGHT = re.compile(r">-<")
_MOST_VOTERS = 200
_SAME = 90.0
_MOST_DISTINCT, _FEW_DISTINCT, _FEWEST_TO_COUNT = 0.9, 0.5, 4

# What the texts of a name are, in their order, by how many they are and which of them is the title.
_TEXTS: Mapping[tuple[int, int], tuple[str, ...]] = {
    (1, 0): ("title",),
    (2, 1): ("artist", "title"),
    (2, 0): ("title", "artist"),
    (3, 2): ("artist", "album", "title"),
    (3, 1): ("artist", "title", "label"),
    (3, 0): ("title", "artist", "album"),
    (4, 3): ("artist", "album", "label", "title"),
    (4, 2): ("artist", "album", "title", "label"),
    (4, 1): ("artist", "title", "album", "label"),
    (4, 0): ("title", "artist", "album", "label"),
}
_TITLE_BY_DEFAULT = {1: 0, 2: 1, 3: 2, 4: 3}
_TITLE_OF_RELEASES = {1: 0, 2: 1, 3: 1, 4: 1}
TEXTS = ("artist", "title", "album", "label")
"""Fields that are free text, in the order in which names have them."""

_VOTED = {"text": TEXTS, "number": ("track", "bpm", "disc")}


def roles_of(skeleton: str, members: Sequence[tuple[Reading, Fields | None]]) -> tuple[str, ...] | None:
    """What each class of the skeleton is; None where there are more texts than can be told apart.

    Args:
        members: readings of names by this skeleton, with what the files' tags say, where they have any.
    Returns: names of fields; `note` alone may be there twice.
    """
    kinds = CLASS.findall(skeleton)
    columns = list(zip(*(reading.values for reading, _ in members), strict=True))
    roles: list[str | None] = [None] * len(kinds)
    for column, role in _voted(kinds, members).items():
        roles[column] = role
    for column, kind in enumerate(kinds):
        if roles[column] is None and kind != "text":
            role = _role_of_number(column, kinds, columns, roles) if kind == "number" else kind
            if role not in roles:
                roles[column] = role
    texts = [column for column, kind in enumerate(kinds) if kind == "text"]
    default = _TEXTS.get((len(texts), _title_column(skeleton, kinds, texts, columns)))
    if default is None:
        return None
    for column, role in zip(texts, default, strict=True):
        if roles[column] is None and role not in roles:
            roles[column] = role
    for column, kind in enumerate(kinds):
        if roles[column] is None:
            left = [each for each in TEXTS if each not in roles]
            roles[column] = left[0] if kind == "text" and left else "note"
    return tuple(role or "note" for role in roles)


def _voted(kinds: Sequence[str], members: Sequence[tuple[Reading, Fields | None]]) -> dict[int, str]:
    """What the files' tags say that the columns are, where most of them agree."""
    voters = [(reading, told) for reading, told in members if told][:_MOST_VOTERS]
    votes: Counter[tuple[int, str]] = Counter()
    for reading, told in voters:
        for column, (kind, value) in enumerate(zip(kinds, reading.values, strict=True)):
            for role in _VOTED.get(kind, ()):
                votes[column, role] += role in told and _agree(kind, value, told[role])
    roles: dict[int, str] = {}
    for (column, role), count in votes.most_common():
        if count * 2 > len(voters) and column not in roles and role not in roles.values():
            roles[column] = role
    return roles


def _agree(kind: str, value: str, told: str) -> bool:
    if kind == "number":
        return value.lstrip("0") == told.lstrip("0")
    return alike(value, told)


def alike(one: str, other: str) -> bool:
    """Whether two texts are the same but for their writing, or a slip of it."""
    return fuzz.ratio(plain(one), plain(other)) >= _SAME


def _role_of_number(
    column: int, kinds: Sequence[str], columns: Sequence[Sequence[str]], roles: Sequence[str | None]
) -> str:
    values = columns[column]
    numbers = [index for index, kind in enumerate(kinds) if kind == "number"]
    if sum(map(is_tempo, values)) >= 0.9 * len(values) and ("key" in kinds or _are_no_run(values)):
        return "bpm"
    following = numbers[numbers.index(column) + 1 :]
    return "disc" if following and following[0] == column + 1 and "track" not in roles else "track"


def _are_no_run(values: Sequence[str]) -> bool:
    """Whether numbers are not those of tracks, each of which is there once, one after the other."""
    numbers = [float(each.replace(",", ".")) for each in values]
    in_a_row = len(set(numbers)) == len(numbers) and max(numbers) - min(numbers) + 1 <= len(numbers)
    return min(numbers) >= SLOWEST and (len(numbers) == 1 or not in_a_row)


def _title_column(skeleton: str, kinds: Sequence[str], texts: Sequence[int], columns: Sequence[Sequence[str]]) -> int:
    """Which of the texts is the title, as is usual; unless it is one of few and another is not."""
    released = _TIGHT.search(skeleton) is not None or kinds[-1] in ("year", "catalog")
    usual = (_TITLE_OF_RELEASES if released else _TITLE_BY_DEFAULT).get(len(texts), 0)
    if not texts or len(columns[0]) < _FEWEST_TO_COUNT:
        return usual
    distinct = [len(set(columns[column])) / len(columns[column]) for column in texts]
    if distinct[usual] > _FEW_DISTINCT:
        return usual
    others = [index for index, share in enumerate(distinct) if share >= _MOST_DISTINCT]
    return others[-1] if others else usual
