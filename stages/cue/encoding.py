"""From the bytes of a sheet to its text, whatever wrote them."""

from __future__ import annotations

import codecs

_BYTE_ORDERS = {
    codecs.BOM_UTF8: ("utf-8", None),
    codecs.BOM_UTF16_LE: ("utf-16-le", "UTF-16"),
    codecs.BOM_UTF16_BE: ("utf-16-be", "UTF-16"),
}
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def decoded(content: bytes | str) -> tuple[str, str | None]:
    """The text, and the encoding it was read as where that is not UTF-8.

    UTF-8 with or without a byte order mark; UTF-16 with one, or known by the zeros in its first command; else
    Windows-1252, as programs of western Europe wrote, with Latin-1 for the five bytes that it does not have.
    """
    if isinstance(content, str):
        return content.removeprefix(_MARK), None
    for mark, (encoding, told) in _BYTE_ORDERS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace"), told
    if len(content) > 1 and 0 in content[:2] and content[:2] != b"\0\0":
        return content.decode("utf-16-le" if content[1] == 0 else "utf-16-be", "replace"), "UTF-16"
    for encoding, told in (("utf-8", None), ("cp1252", "Windows-1252")):
        try:
            return content.decode(encoding), told
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1"), "Latin-1"
