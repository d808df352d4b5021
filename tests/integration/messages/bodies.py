"""The contract document's example bodies, made to speak of what is really there.

What is replaced, and nothing else:
- the folders `/data/music` and `/path/to` by a folder of the test's own inside the library;
- `uuid-string` by the id of something real where the field refers to something, else by a fresh UUID;
- `sha256-hash` and `xxhash` by the hashes of the file that the body names.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

Body = dict[str, Any]
_FOLDERS = ("/data/music", "/path/to")


def fitted(body: Body, folder: Path, ids: Mapping[str, str]) -> Body:
    """The body for a folder.

    Args:
        ids: field name to what stands there instead of `uuid-string`.
    """
    named = next((each for each in _texts(body) if each.startswith(f"{_FOLDERS[0]}/")), "")
    return _fitted(body, folder, ids, Path(_in(folder, named)))  # type: ignore[no-any-return]


def _fitted(value: Any, folder: Path, ids: Mapping[str, str], file: Path, field: str = "") -> Any:
    match value:
        case dict():
            return {name: _fitted(each, folder, ids, file, name) for name, each in value.items()}
        case list():
            return [_fitted(each, folder, ids, file, field) for each in value]
        case "uuid-string":
            return ids.get(field) or str(uuid.uuid4())
        case "sha256-hash" if file.is_file():
            return hashlib.sha256(file.read_bytes()).hexdigest()
        case "xxhash" if file.is_file():
            return xxhash.xxh3_128(file.read_bytes()).hexdigest()
        case str():
            return _in(folder, value)
    return value


def _in(folder: Path, text: str) -> str:
    for example in _FOLDERS:
        if text == example or text.startswith(f"{example}/"):
            return f"{folder}{text[len(example) :]}"
    return text


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def place_song(song: Path, path: Path) -> Path:
    """A copy of the song with a tag of its own at the end, so that no two copies are the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(song, path)
    title = uuid.uuid4().hex[:30].encode()
    with path.open("ab") as file:
        file.write(b"TAG" + title.ljust(30, b"\0") + b"\0" * 94 + b"\xff")
    return path
