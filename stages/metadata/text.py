"""Text from files, made fit to be stored and shown: no control characters, no more of it than is of use."""

from __future__ import annotations

import re
import unicodedata

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""Stands where bytes were no text in the encoding that was stated for them."""

_LINE_ENDS = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
# Cc: control characters. Cs: halves of UTF-16 pairs. Cf: what is invisible and can reorder what stands beside it,
# but for the two that scripts and emoji are joined with. Co, Cn: private and unassigned.
_DROPPED = frozenset({"Cc", "Cs", "Cf", "Co", "Cn"})
_WINDOWS = re.compile("[\x80-\x9f]")
_JOINERS = frozenset("\u200c\u200d")


def cleaned(text: str, limit: int, *, lines: bool = False) -> str:
    """The text without control and formatting characters, trimmed, of at most `limit` characters.

    Args:
        lines: whether line ends are kept, as `\\n`; else they become blanks.
    """
    # What is dropped may be most of it, but a text of many megabytes is not looked at to its end.
    text = _LINE_ENDS.sub("\n" if lines else " ", text[: 8 * limit]).replace("\t", " ")
    kept = (each for each in text if each == "\n" or each in _JOINERS or unicodedata.category(each) not in _DROPPED)
    return _BLANKS.sub(" ", "".join(kept)).strip()[:limit].rstrip()


def decoded(text: str) -> str:
    """The text that was meant, where it was read in an encoding that its bytes are not in.

    Windows-1252 is what nearly all such bytes are: those that were no UTF-8, and were escaped as surrogates; and
    those taken for ISO 8859-1, where the characters of Windows-1252 would be control characters.
    """
    try:
        if _WINDOWS.search(text):
            return text.encode("latin-1").decode("cp1252", errors="replace")
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode("cp1252", errors="replace") if _escaped(text) else text
    return text


def _escaped(text: str) -> bool:
    """Whether all surrogates in it are escaped bytes."""
    return all("\udc80" <= each <= "\udcff" for each in text if "\ud800" <= each <= "\udfff")
