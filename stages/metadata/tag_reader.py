"""Tags as two readers find them: tinytag, which knows each format's own names, and FFmpeg, which gives up on less.

What one cannot read, the other may: a tag with one broken field still gives all the others.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from av.container import InputContainer
from av.stream import Disposition
from tinytag import TinyTag, TinyTagException, UnsupportedFormatError

from stages.metadata.text import UNREADABLE, decoded

_MOST_TAG_BYTES = 64 * 1024 * 1024
_PACKETS_BEFORE_PICTURES = 64

# What FFmpeg reports beside tags: how the container is built, players' private data.
_NOT_TAGS = re.compile(
    r"(id3v2priv|itun(smpb|norm|pgap)|majorbrand|minorversion|compatiblebrands|handlername|vendorid)"
)
_PUNCTUATION = re.compile(r"[\W_]+")


@dataclass(slots=True)
class RawTags:
    """Everything that was found, uncleaned.

    Attributes:
        values: by squeezed name; each in the order found, none twice.
        names: the name as it is written, by the squeezed one.
        pictures: bytes of what claims to be one, front covers first.
        warnings: what could not be read.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    pictures: list[bytes] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, values: Iterable[str]) -> None:
        self.names.setdefault(squeezed(name), name)
        kept = self.values.setdefault(squeezed(name), [])
        kept.extend(dict.fromkeys(value for value in map(decoded, values) if value.strip() and value not in kept))


def squeezed(name: str) -> str:
    """A name by its letters and digits, in lower case: `Album Artist`, `album_artist` and `ALBUMARTIST` are one."""
    return _PUNCTUATION.sub("", name.lower().removeprefix("wm/"))


def read_tags(path: Path, container: InputContainer) -> RawTags:
    """The tags and pictures of an open audio file. What is broken is passed over, and warned of."""
    tags = _by_tinytag(path)
    also = RawTags()
    for name, value in _container_tags(container):
        also.add(name, [value])
    for name, values in also.values.items():
        known = tags.values.get(name)
        if not known or any(UNREADABLE in value for value in known):
            tags.values[name] = values
            tags.names.setdefault(name, also.names[name])
    if not tags.pictures:
        tags.pictures = _attached_pictures(container)
    return tags


def _by_tinytag(path: Path) -> RawTags:
    for with_pictures in (True, False):
        try:
            with path.open("rb") as file:
                found = TinyTag.get(
                    file_obj=cast(BinaryIO, _Bounded(file)), tags=True, duration=False, image=with_pictures
                )
        except UnsupportedFormatError:
            return RawTags()
        except TinyTagException:
            continue
        tags = _taken_over(found)
        if not with_pictures:
            tags.warnings.append("pictures: not readable, the rest of the tags is")
        return tags
    return RawTags(warnings=["tags: broken; given is what is readable of them"])


def _taken_over(found: TinyTag) -> RawTags:
    tags = RawTags()
    for name, values in found.as_dict().items():
        if isinstance(values, list):
            tags.add(name, values)
    front = [found.images.front_cover] if found.images.front_cover is not None else []
    others = (image for images in found.images.as_dict().values() for image in images)
    tags.pictures = list(dict.fromkeys(image.data for image in (*front, *others)))
    return tags


def _container_tags(container: InputContainer) -> Iterator[tuple[str, str]]:
    """The container's own tags; in Ogg they are its audio stream's."""
    streams = container.streams.audio[:1] if container.format.name == "ogg" else ()
    for source in (container.metadata, *(stream.metadata for stream in streams)):
        for name, value in source.items():
            if not _NOT_TAGS.match(squeezed(name)):
                yield name, value


def _attached_pictures(container: InputContainer) -> list[bytes]:
    """Those FFmpeg has found; it hands them out before the audio."""
    attached = {stream.index for stream in container.streams.video if stream.disposition & Disposition.attached_pic}
    pictures: list[bytes] = []
    if not attached:
        return pictures
    for count, packet in enumerate(container.demux()):
        if packet.stream_index in attached:
            pictures.append(bytes(packet))
        if len(pictures) == len(attached) or count >= _PACKETS_BEFORE_PICTURES:
            break
    return pictures


class _Bounded:
    """A file whose reads are no longer than what is there, and no more than a bound in all.

    A size stated in a broken tag may be anything; Python would set that much memory aside.
    """

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._allowed = _MOST_TAG_BYTES

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._file.tell())
        count = left if count < 0 else min(count, left)
        self._allowed -= count
        if self._allowed < 0:
            raise ValueError("more tags than are read")
        return self._file.read(count)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
