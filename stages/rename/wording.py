"""Words of names and tags, made comparable."""

from __future__ import annotations

import re
import unicodedata

_NO_WORD = re.compile(r"[^\w]+|_+")


def plain(text: str) -> str:
    """Only its letters and digits, without accents and case, words parted by single blanks."""
    if text.isascii():
        return _NO_WORD.sub(" ", text.lower()).strip()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return _NO_WORD.sub(" ", "".join(each for each in decomposed if not unicodedata.combining(each))).strip()
