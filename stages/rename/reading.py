"""How the name of one file may be read: its parts, and what stands between them.

A skeleton is the name with its parts replaced by their classes: `<number> - <text> - <text> (<remix>)`. What a part is
can often not be told from one name alone (`311 - Down`): then there are several readings, and those of the other names
decide (see `stages.rename.patterns`). All of it takes linear time in the length of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CLASS = re.compile(r"<(\w+)>")

_LONGEST_NAME = 1024
_MOST_PARTS = 6
_MOST_BRACKETS = 4
_LONGEST_IN_BRACKETS = 100

_BLANKS = re.compile(r"\s+")
_DASH = re.compile(r" [-\u2013\u2014] ")
_NUMBER_FIRST = re.compile(r"(?:(\d)-(?=\d\d))?(\d{1,3}|[A-H]\d)(\. ?|\) ?| |-)(?=[^\s\d-])")
_FEATURED = re.compile(r"\b(?:feat|ft|featuring|with)\b", re.IGNORECASE)
_REMIX = re.compile(
    r"\b(?:re-?mix(?:ed)?|mix|edit|version|dub|bootleg|re-?work|re-?fix|vip|flip|mash-?up|instrumental|a ?cc?app?ella"
    r"|remaster(?:ed)?|live|extended|original|cover|acoustic|demo)\b",
    re.IGNORECASE,
)
_JUNK = re.compile(
    r"(?:official|lyrics?|hd|hq|4k|free|www\.)[^()\[\]]*|(?:music|audio) ?video|audio|\d{2,3} ?k(?:bps)?"
    r"|[\w.-]+\.(?:com|net|org|ru|info)",
    re.IGNORECASE,
)
# A class, and what a whole part of it looks like, in the order in which they are tried.
_CLASSES = (
    ("bpm", re.compile(r"\d{2,3}(?:[.,]\d{1,2})? ?bpm", re.IGNORECASE)),
    ("year", re.compile(r"19[3-9]\d|20[0-4]\d")),
    ("number", re.compile(r"\d{1,3}|[A-H]\d|\d{2,3}\.\d{1,2}")),
    ("key", re.compile(r"(?:0?[1-9]|1[0-2])[ABab]|(?:0?[1-9]|1[0-2])[dm]|[A-G][#b♯♭]?(?: ?m(?:in|aj)?| minor| major)")),
    ("catalog", re.compile(r"[A-Z]{2,10}[ -]?\d{2,6}[A-Z]{0,3}")),
)
_CERTAIN = re.compile(r"0\d{1,2}|(?:0?[1-9]|1[0-2])[ABab]|\d{2,3}(?:[.,]\d{1,2})? ?bpm", re.IGNORECASE)
_CAMELOT = re.compile(r"(?:0?[1-9]|1[0-2])[ABab]")
SLOWEST, FASTEST = 60, 220


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a name.

    Attributes:
        skeleton: literals, and classes in angle brackets.
        values: of the classes, in their order.
        certain: it needs no other names that are alike.
        words: what stands between words: a blank, an underscore, or nothing where none are to be told apart.
    """

    skeleton: str
    values: tuple[str, ...]
    certain: bool
    words: str


def readings(stem: str) -> list[Reading]:
    """The ways to read a name without its extension, the likeliest first. None for a name without any structure."""
    text, words = _normalised(stem)
    head, middle, tail = _without_brackets(text)
    bracketed = bool(head or tail)
    found: list[Reading] = []
    for split in _splits(middle, words):
        parts, literals, certain = split.parts, split.literals, split.certain
        kinds = ["number"] * split.numbers + [_class_of(part) for part in parts[split.numbers :]]
        sure = [True] * split.numbers + _certainties(parts, kinds)[split.numbers :]
        if len(parts) > 1 or bracketed:
            enough = all(sure) or kinds.count("text") > 1
            found.append(_assembled(head, parts, kinds, literals, tail, certain and enough, words))
        plain = [kind if known else "text" for kind, known in zip(kinds, sure, strict=True)]
        if plain != kinds and (len(parts) > 1 or bracketed):
            found.append(_assembled(head, parts, plain, literals, tail, certain, words))
    return [each for each in dict.fromkeys(found) if "<text>" in each.skeleton]


def is_junk(text: str) -> bool:
    """Whether what stands in brackets tells of a download, not of the music."""
    return _JUNK.fullmatch(text) is not None


def is_remix(text: str) -> bool:
    """Whether what stands in brackets tells which version of the music it is."""
    return _REMIX.search(text) is not None and _FEATURED.search(text) is None


def _normalised(stem: str) -> tuple[str, str]:
    stem = stem[:_LONGEST_NAME].strip()
    words = " " if " " in stem else "_" if "_" in stem else ""
    return _BLANKS.sub(" ", stem.replace("_", " ") if words == "_" else stem).strip(), words


Part = tuple[str, str, str, str]
"""What stands before a bracketed value, its class, the value, and what stands behind it."""


def _without_brackets(text: str) -> tuple[list[Part], str, list[Part]]:
    """What is in brackets at the beginning and at the end, and what is between."""
    head: list[Part] = []
    if text[:1] in ("[", "("):
        close = text.find("]" if text[0] == "[" else ")")
        inner, rest = text[1:close].strip(), text[close + 1 :]
        kind = _class_of(inner) if 0 < close <= _LONGEST_IN_BRACKETS else "text"
        if kind == "text" and text[0] == "[" and 1 < close <= _LONGEST_IN_BRACKETS and rest.strip():
            kind = "label"
        if kind != "text" and rest.strip():
            after = " - " if rest.startswith(" - ") else " " if rest.startswith(" ") else ""
            head.append((text[0], kind, inner, text[close] + after))
            text = rest[len(after) :]
    tail: list[Part] = []
    while len(tail) < _MOST_BRACKETS and text[-1:] in ("]", ")"):
        opening = "[" if text[-1] == "]" else "("
        begin = text.rfind(opening, -_LONGEST_IN_BRACKETS)
        inner = text[begin + 1 : -1].strip()
        found = _class_in_brackets(inner, opening)
        if begin < 1 or found is None:
            break
        before = " " if text[begin - 1] == " " else ""
        tail.insert(0, (before + opening, found, inner, text[-1]))
        text = text[: begin - len(before)].rstrip()
    return head, text, tail


def _class_in_brackets(inner: str, opening: str) -> str | None:
    """None for what belongs to the text before the bracket."""
    if not inner or any(each in inner for each in "()[]"):
        return None
    kind = _class_of(inner)
    if kind == "number" and not is_tempo(inner):
        return None  # that of a copy
    if kind != "text":
        return kind
    if is_remix(inner):
        return "remix"
    if is_junk(inner):
        return "note"
    return "label" if opening == "[" and _FEATURED.search(inner) is None else None


@dataclass(frozen=True, slots=True)
class _Split:
    """A way to part a text.

    Attributes:
        literals: what stands between the parts.
        certain: there is no other.
        numbers: how many parts at the beginning are numbers.
    """

    parts: list[str]
    literals: list[str]
    certain: bool
    numbers: int = 0


def _splits(text: str, words: str) -> Iterator[_Split]:
    first = _NUMBER_FIRST.match(text)
    if first is not None:
        disc, number, literal = first.groups()
        leading, literals = ([disc, number], ["-", literal]) if disc else ([number], [literal])
        certain = number.startswith("0") or disc is not None or literal in (". ", ") ")
        for rest in _plain_splits(text[first.end() :], words, tight=literal == "-"):
            yield _Split(leading + rest.parts, literals + rest.literals, certain and rest.certain, len(leading))
        if certain:
            return
    yield from _plain_splits(text, words, tight=False)


def _plain_splits(text: str, words: str, *, tight: bool) -> Iterator[_Split]:
    """`tight`: a dash without blanks parted it before."""
    dashes = _DASH.findall(text)
    if dashes:
        parts = [part.strip() for part in _DASH.split(text)]
        if _are_parts(parts):
            yield _Split(parts, dashes, certain=True)
        return
    parts = [part.strip() for part in text.split("-")]
    if len(parts) > 1 and _are_parts(parts):
        dated = len(parts) > 2 and _class_of(parts[-1]) == "year"
        yield _Split(parts, ["-"] * (len(parts) - 1), certain=tight or dated or words == "_")
        if tight:
            return
    yield _Split([text], [], certain=True)


def _are_parts(parts: Sequence[str]) -> bool:
    return len(parts) <= _MOST_PARTS and all(any(each.isalnum() for each in part) for part in parts)


def _class_of(part: str) -> str:
    if len(part) > 20:
        return "text"
    return next((kind for kind, pattern in _CLASSES if pattern.fullmatch(part)), "text")


def _certainties(parts: Sequence[str], kinds: Sequence[str]) -> list[bool]:
    """For each part, whether it is certainly of its class."""
    keyed = any(_CAMELOT.fullmatch(part) for part in parts)
    last = len(parts) - 1
    return [
        kind == "text"
        or _CERTAIN.fullmatch(part) is not None
        or (kind == "number" and keyed and is_tempo(part))
        or (kind == "year" and index == last > 1)
        for index, (part, kind) in enumerate(zip(parts, kinds, strict=True))
    ]


def is_tempo(value: str) -> bool:
    """Whether a number may be one of beats per minute."""
    try:
        return SLOWEST <= float(value.replace(",", ".")) <= FASTEST and not value.startswith("0")
    except ValueError:
        return False


def _assembled(
    head: Sequence[Part],
    parts: Sequence[str],
    kinds: Sequence[str],
    literals: Sequence[str],
    tail: Sequence[Part],
    certain: bool,
    words: str,
) -> Reading:
    middle = "".join(f"<{kind}>{literal}" for kind, literal in zip(kinds, [*literals, ""], strict=True))
    around = ["".join(f"{before}<{kind}>{after}" for before, kind, _, after in each) for each in (head, tail)]
    values = (*(each[2] for each in head), *parts, *(each[2] for each in tail))
    return Reading(around[0] + middle + around[1], values, certain, words)
