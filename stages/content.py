"""Which content a file has, to keep what was found out of it under that and under no other."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ErrorCode, Transient
from pipeline.stage import StageContext
from stages.fingerprint import Abandoned, Look, Unsettled, xxh128_of
from stages.paths import unreadable


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file at one moment.

    Attributes:
        xxh128: lower-case hexadecimal.
    """

    xxh128: str
    look: Look

    async def is_still_in(self, path: Path) -> bool:
        """Whether nothing suggests that the file has other content by now."""
        try:
            return Look.of(await asyncio.to_thread(os.stat, path)).same_content(self.look)
        except OSError:
            return False


async def content_of(path: Path, context: StageContext) -> Content | None:
    """What is in a regular file, read in a thread; None where it changes as fast as it is read.

    Raises:
        Permanent: FILE_NOT_FOUND, FILE_UNREADABLE.
        Transient: FILE_UNREADABLE when the file system fails, CANCELLED when the work was called off.
    """
    try:
        look, xxh128 = await asyncio.to_thread(xxh128_of, str(path), abandoned=lambda: context.cancelled)
    except Unsettled:
        return None
    except Abandoned:
        raise Transient("the work was called off", ErrorCode.CANCELLED) from None
    except OSError as error:
        raise unreadable(error, path) from error
    return Content(xxh128, look)
