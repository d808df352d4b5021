"""Generated files on their way to clients: inside the data folder only, revalidated by their ETag."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

LARGEST_BYTES = 32 * 1024 * 1024
_RESERVED = frozenset('<>:"/\\|?*')
_LONGEST_STEM_BYTES = 180


class TooLarge(Exception):
    """The file is larger than LARGEST_BYTES."""


async def read_file(path: Path) -> tuple[bytes, str]:
    """The content and its SHA-256. Raises OSError, TooLarge."""
    return await asyncio.to_thread(_read, path)


def _read(path: Path) -> tuple[bytes, str]:
    with path.open("rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise TooLarge
    return content, hashlib.sha256(content).hexdigest()


def revalidated(
    request: Request, content: bytes | str, media_type: str, etag: str, headers: Mapping[str, str]
) -> Response:
    """The content, or 304 where the client has it.

    Source: RFC 9110, section 13.1.2: If-None-Match compares weakly.
    """
    headers = {"ETag": f'"{etag}"', "Cache-Control": "no-cache", **headers}
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def _matches(condition: str, etag: str) -> bool:
    wanted = [each.strip().removeprefix("W/") for each in condition.split(",")]
    return "*" in wanted or f'"{etag}"' in wanted


def attachment(stem: str, suffix: str) -> str:
    """A Content-Disposition that saves under this name: no path, no control character, in ASCII and in UTF-8.

    Source: RFC 6266, section 4; RFC 8187.
    """
    cleaned = "".join(each for each in stem if each.isprintable() and each not in _RESERVED)
    shortened = cleaned.encode("utf-8", "ignore")[:_LONGEST_STEM_BYTES].decode("utf-8", "ignore").strip(" .")
    name = f"{shortened or 'download'}{suffix}"
    plain = "".join(each if each.isascii() and each != "%" else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
