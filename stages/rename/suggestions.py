"""Better names: what a file's tags say, else what its name says, in the pattern that suits the library best."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

from stages.rename.names import LONGEST_BYTES, folded, safe_stem, split
from stages.rename.patterns import Found, Pattern
from stages.rename.reading import is_junk, is_remix
from stages.rename.roles import TEXTS, Fields, alike
from stages.rename.scores import PRIOR
from stages.rename.wording import plain

# Patterns that need no example in the library, and how much of one they count as.
_USUAL = ((Pattern("{artist} - {title}"), 0.05), (Pattern("{title}"), 0.001))
_INESSENTIAL = frozenset({"note", "remix"})
_WORD = re.compile(r"[^\W\d_]+|\d+")
_GENERIC_WORDS = (
    "audio track untitled unknown artist song recording new file music title no name voice copy side disc disk cd "
    "download mp tmp temp test output"
)
_GENERIC = frozenset(_GENERIC_WORDS.split())
_HASH = re.compile(r"[0-9a-f]{8,}")
_BRACKETS = re.compile(r"[(\[]([^()\[\]]{1,100})[)\]]")

_AGREES, _AGREES_IN_PART = 0.9, 0.5
_SURE, _GENERIC_SURE, _DOUBTFUL, _BY_NAME, _BY_LOOKS = 0.95, 0.8, 0.3, 0.6, 0.5
_PARTLY_BY_NAME = 0.9
_MOST = 0.99


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A better name.

    Attributes:
        index: of the path, in the list that was looked at.
        name: with its extension, fit for `rename.request`.
        confidence: 0 to 1.
        pattern: that it is made by; None where only the writing is mended.
    """

    index: int
    name: str
    confidence: float
    reason: str
    pattern: str | None


def suggestions(
    paths: Sequence[str], tags: Sequence[Fields | None], found: Sequence[Found], scores: Mapping[str, float]
) -> list[Suggestion]:
    """Better names for those files that have one, in the order of the paths.

    Args:
        tags: the fields that each file's tags have, None where none are known.
        found: the patterns in the names.
        scores: what people think of patterns, by their text, 0 to 1.
    """
    ranked = _ranked(found, len(paths), scores)
    parsed = {index: (each.pattern, fields) for each in found for index, fields in each.members.items()}
    taken: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, name = os.path.split(path)
        taken[folder].add(folded(name))
    made = []
    for index, path in enumerate(paths):
        pattern, own = parsed.get(index, (None, {}))
        suggestion = _suggestion(index, os.path.basename(path), tags[index], pattern, own, ranked, scores)
        if suggestion is not None:
            made.append(_apart(suggestion, path, taken[os.path.dirname(path)]))
    return made


def _ranked(found: Sequence[Found], total: int, scores: Mapping[str, float]) -> list[Pattern]:
    """Patterns, the one that names are best made by first: many names have it, and people like it."""
    weights: defaultdict[Pattern, float] = defaultdict(float)
    for pattern, share in (*((each.pattern, len(each.members) / total) for each in found), *_USUAL):
        weights[pattern] += share * scores.get(pattern.text, PRIOR)
    return sorted(weights, key=lambda pattern: (-weights[pattern], pattern.text))


def _suggestion(
    index: int,
    name: str,
    tags: Fields | None,
    own_pattern: Pattern | None,
    own: Fields,
    ranked: Sequence[Pattern],
    scores: Mapping[str, float],
) -> Suggestion | None:
    stem, extension = split(name)
    told = dict(tags or {})
    if own.get("remix") and "title" in told and plain(own["remix"]) not in plain(told["title"]):
        told["title"] += f" ({own['remix']})"
    # Texts are as the tags write them, all else as the name does: `8A` and `Am` are the same key.
    texts = {field: value for field, value in told.items() if field in TEXTS}
    fields = _usable(told | {field: _spaced(value) for field, value in own.items()} | texts)
    kept = {
        field for field, value in own.items() if field not in _INESSENTIAL and not _is_contradicted(value, texts, field)
    }
    pattern = next((each for each in ranked if _makes(each, fields, kept)), None)
    if pattern is None or (own_pattern is None and not told):
        return _mended(index, stem, extension)
    better = _filled(pattern, fields)
    if better != stem:
        better = safe_stem(better, LONGEST_BYTES - len(extension.encode()))
    if better in ("", stem):
        return None
    confidence, reason = _judged(stem, better, told, fields, pattern)
    liking = 0.8 + 0.4 * scores.get(pattern.text, PRIOR)
    return Suggestion(index, better + extension, round(min(_MOST, confidence * liking), 2), reason, pattern.text)


def _makes(pattern: Pattern, fields: Fields, kept: set[str]) -> bool:
    """Whether the pattern can be filled, and leaves out nothing that the name says now."""
    wanted = set(pattern.fields)
    return "note" not in wanted and kept <= wanted and all(fields.get(each) for each in wanted)


def _is_contradicted(value: str, texts: Fields, field: str) -> bool:
    """Whether the tags have another text for a field, so that what the name has in its place is something else."""
    return field in texts and not alike(value, texts[field])


def _spaced(text: str) -> str:
    """With blanks between the words."""
    return text if " " in text else text.replace("_", " ")


def _usable(fields: Fields) -> dict[str, str]:
    """Values as they can stand in a name; what version it is, apart from the title, where the title says it."""
    usable = {field: " ".join(value.split()) for field, value in fields.items()}
    before, bracket, last = usable.get("title", "").rpartition("(")
    if bracket and before and last.endswith(")") and is_remix(last[:-1]):
        usable["remix"] = last[:-1]
    return usable


def _filled(pattern: Pattern, fields: Fields) -> str:
    title, remix = fields.get("title", ""), fields.get("remix")
    if remix:
        bare = title.removesuffix(f"({remix})").rstrip()
        title = bare if "remix" in pattern.fields else f"{bare} ({remix})"
    return pattern.rendered({**fields, "title": title})


def _judged(stem: str, better: str, told: Fields, fields: Fields, pattern: Pattern) -> tuple[float, str]:
    """How sure the suggestion is, and why, in words."""
    if not told:
        return _BY_NAME, "From the name alone, written as most others are"
    from_tags = all(each in told or each == "remix" for each in pattern.fields)
    factor = 1.0 if from_tags else _PARTLY_BY_NAME
    said = plain(stem)
    if is_generic(said):
        return _GENERIC_SURE * factor, "The name says nothing of the music; the tags do"
    agreement = fuzz.token_set_ratio(said, plain(better)) / 100
    if agreement >= _AGREES:
        return _SURE * factor, "The tags say the same as the name"
    if agreement >= _AGREES_IN_PART:
        return (0.4 + 0.5 * agreement) * factor, "The tags agree with the name in part"
    return _DOUBTFUL * factor, "The tags say something else than the name"


def is_generic(words: str) -> bool:
    """Whether a name, in plain words, would do for any file: `track 01`, `untitled`, a hash."""
    if _HASH.fullmatch(words.replace(" ", "")):
        return True
    return all(word.isdigit() or word in _GENERIC for word in _WORD.findall(words))


def _mended(index: int, stem: str, extension: str) -> Suggestion | None:
    """The same words without what is not of the music, with blanks between them."""
    text = _BRACKETS.sub(lambda found: "" if is_junk(found[1].strip()) else found[0], stem)
    text = safe_stem(_spaced(text.strip()), LONGEST_BYTES - len(extension.encode()))
    if not text or text == stem:
        return None
    return Suggestion(index, text + extension, _BY_LOOKS, "From the name alone, its writing mended", None)


def _apart(suggestion: Suggestion, path: str, taken: set[str]) -> Suggestion:
    """With a number where another file of the folder has the name, or is to get it."""
    name, number = suggestion.name, 1
    own = folded(os.path.basename(path))
    while folded(name) in taken and folded(name) != own:
        number += 1
        stem, extension = split(suggestion.name)
        ending = f" ({number}){extension}"
        name = safe_stem(stem, LONGEST_BYTES - len(ending.encode())) + ending
    taken.add(folded(name))
    if number == 1:
        return suggestion
    reason = f"{suggestion.reason}; another file has or gets the same name"
    return Suggestion(suggestion.index, name, round(suggestion.confidence / 2, 2), reason, suggestion.pattern)


def described(suggestion: Suggestion, path: str, recording_id: str | None) -> dict[str, Any]:
    """A suggestion as it is answered."""
    return {
        "file_path": path,
        "recording_id": recording_id,
        "suggested_name": suggestion.name,
        "confidence": suggestion.confidence,
        "reason": suggestion.reason,
        "pattern": suggestion.pattern,
    }
