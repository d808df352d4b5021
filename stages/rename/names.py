"""What a file may be called: a base name that every file system holds, and that says the same on each of them."""

from __future__ import annotations

import unicodedata

from pathvalidate import FileNameSanitizer

from pipeline.errors import ErrorCode, Permanent
from stages.formats import FILE_TYPES
from stages.metadata.text import cleaned

LONGEST_BYTES = 255
"""Of UTF-8: what ext4, XFS, Btrfs and APFS hold. NTFS, exFAT and SMB hold as many UTF-16 units, and so no less."""

_LONGEST_TEXT = 4096
# What FAT, NTFS and SMB refuse, by what people write instead.
_REPLACED = str.maketrans({"/": "-", "\\": "-", ":": "-", "|": "-", "*": "_", "<": "(", ">": ")", '"': "'", "?": None})
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_RESERVED = FileNameSanitizer(platform="universal", additional_reserved_names=["CONIN$", "CONOUT$"])
_LONGEST_RESERVED = 7
_ZERO_WIDTH_JOINER = "\u200d"


def safe_name(suggested: str, current: str, *, preserve_extension: bool = True) -> str:
    """The name to give to the file that is called `current`.

    Characters that some file system cannot hold are replaced, names that Windows reserves get an underscore, a name
    that is too long is cut in its stem. NFC. Safe names stay as they are.

    Args:
        preserve_extension: keep that of `current`, whatever was suggested; else the suggested one must be of audio.
    Raises: Permanent: INVALID_NAME for what is no base name, or nothing is left of; UNSUPPORTED_FORMAT for an
        extension that is not of audio.
    """
    _refuse_paths(suggested)
    stem, extension = split(suggested.strip())
    if preserve_extension:
        extension = split(current)[1]
    elif not extension:
        raise Permanent("The suggested name does not end like one of an audio file", ErrorCode.UNSUPPORTED_FORMAT)
    stem = safe_stem(stem, LONGEST_BYTES - len(extension.encode()))
    if not stem:
        raise Permanent("Nothing of the suggested name can be kept", ErrorCode.INVALID_NAME)
    return stem + extension


def safe_stem(text: str, limit: int) -> str:
    """The text as the part of a name before its extension, of at most `limit` bytes; empty where nothing is left."""
    text = unicodedata.normalize("NFC", cleaned(text.translate(_REPLACED), _LONGEST_TEXT)).strip(" .")
    # Windows looks at what is before the first dot, and passes over blanks at its end.
    root, dot, rest = text.partition(".")
    bare = root.rstrip(" ")
    if 0 < len(bare) <= _LONGEST_RESERVED and (allowed := str(_RESERVED.sanitize(bare, "_"))) != bare:
        text = allowed + dot + rest
    return shortened(text, limit).strip(" .")


def shortened(text: str, limit: int) -> str:
    """The beginning of the text, of at most `limit` bytes of UTF-8, that does not end within a visible character."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    most = len(encoded[:limit].decode(errors="ignore"))
    end = most
    while end > 0 and _continues(text, end):
        end -= 1
    return text[: end or most]


def split(name: str) -> tuple[str, str]:
    """The stem, and the extension with its dot where it is one of audio: what is after the dot in `Vol. 2` is not."""
    stem, dot, extension = name.rpartition(".")
    return (stem, dot + extension) if dot and extension.lower() in FILE_TYPES else (name, "")


def folded(name: str) -> str:
    """Names that are the same by this are one and the same on file systems that are insensitive to case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def backup_name(name: str, number: int) -> str:
    """`track.mp3.bak`, `track.mp3.bak.2`, ...: of no audio type, so the library does not take it in."""
    suffix = ".bak" if number == 1 else f".bak.{number}"
    return shortened(name, LONGEST_BYTES - len(suffix)) + suffix


def _refuse_paths(suggested: str) -> None:
    if "/" in suggested or "\\" in suggested:
        raise Permanent(
            "The suggested name has a path in it; files are renamed in their folder", ErrorCode.INVALID_NAME
        )
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in suggested):
        raise Permanent("The suggested name has control characters in it", ErrorCode.INVALID_NAME)
    if not suggested.strip(" ."):
        raise Permanent("The suggested name is empty, or nothing but dots", ErrorCode.INVALID_NAME)


def _continues(text: str, index: int) -> bool:
    """Whether the code point at `index` belongs to the visible character of the one before.

    Source: the rules of Unicode Standard Annex 29, section 3.1.1, that matter in names.
    """
    character, before = text[index], text[index - 1]
    if unicodedata.category(character)[0] == "M" or character == _ZERO_WIDTH_JOINER or before == _ZERO_WIDTH_JOINER:
        return True
    if "\U0001f3fb" <= character <= "\U0001f3ff":  # skin tones
        return True
    if "\u1160" <= character <= "\u11ff":  # vowels and finals of Hangul
        return True
    return _is_flag_half(character) and _is_flag_half(before) and _flag_halves_before(text, index) % 2 == 1


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_halves_before(text: str, index: int) -> int:
    count = 0
    while count < index and _is_flag_half(text[index - 1 - count]):
        count += 1
    return count
