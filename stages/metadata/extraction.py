"""The steps of the stage: find the file, read it in a process of the pool, store what was found and answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import ErrorCode, Transient
from pipeline.stage import Completed, Emit, StageContext
from stages.answers import Stopwatch, answered
from stages.contracts import MetadataExtractionComplete, MetadataExtractionRequest
from stages.media import opened, refuse_noise
from stages.metadata.covers import store_cover
from stages.metadata.fields import fields_of
from stages.metadata.pictures import NotAPicture, Picture, picture
from stages.metadata.tag_reader import read_tags
from stages.metadata.technical import technical_data
from stages.paths import TEMPORARY, audio_file
from stages.recordings import Recordings

KIND = "metadata"
ANSWER = "metadata.extract.complete"
COMPLETED = "metadata_extraction_complete"


@dataclass(frozen=True, slots=True)
class Located:
    """A request and the file it is about.

    Attributes:
        path: real, readable, inside the library.
        hashes: sha256_hash and xxh128_hash of its content; None where the catalog does not know this content.
    """

    request: MetadataExtractionRequest
    path: Path
    size: int
    hashes: Mapping[str, str | None]
    stopwatch: Stopwatch


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was found in the file.

    Attributes:
        parts: id3_tags and audio_analysis, those that were asked for.
        warnings: what was not readable of the tags.
    """

    located: Located
    parts: Mapping[str, dict[str, Any]]
    cover: Picture | None = None
    warnings: tuple[str, ...] = field(default=())


async def locate(request: MetadataExtractionRequest, context: StageContext) -> Located:
    """The recording's file.

    Raises:
        Permanent: UNKNOWN_RECORDING, and what `stages.paths.audio_file` says of the file.
        Transient: where the file system fails.
    """
    stopwatch = Stopwatch()
    recording = await Recordings(context.state).known(request.recording_id)
    path = await asyncio.to_thread(audio_file, recording["path"], context.roots)
    size = (await asyncio.to_thread(path.stat)).st_size
    is_known = recording["size_bytes"] in (size, None)
    hashes = {name: recording[name] if is_known else None for name in ("sha256_hash", "xxh128_hash")}
    return Located(request, path, size, hashes, stopwatch)


def read(located: Located, context: StageContext) -> Extracted:
    """Read tags and headers. Broken tags are survived, with warnings; a file that is no audio is not.

    Raises: Permanent: UNSUPPORTED_FORMAT, DECODE_ERROR, FILE_NOT_FOUND, FILE_UNREADABLE; Transient.
    """
    wanted = located.request.extraction_types
    parts: dict[str, dict[str, Any]] = {}
    cover, warnings = None, list[str]()
    context.progress(0.1, "reading")
    with opened(located.path, metadata_errors="surrogateescape") as container:
        tags = read_tags(located.path, container)
        if "audio_analysis" in wanted:
            parts["audio_analysis"] = technical_data(located.path, container, tags)
        if "id3_tags" in wanted:
            parts["id3_tags"], warnings = fields_of(tags)
            cover, refused = _cover(tags.pictures)
            warnings += refused
    with opened(located.path) as container:
        refuse_noise(located.path, container)
    context.progress(0.9, "storing")
    return Extracted(located, parts, cover, tuple(warnings))


def _cover(pictures: list[bytes]) -> tuple[Picture | None, list[str]]:
    """The first that is one, and what is wrong with those before it."""
    warnings: list[str] = []
    for data in pictures:
        try:
            return picture(data), warnings
        except NotAPicture as error:
            warnings.append(f"cover: passed over, {error}")
    return None, warnings


async def store(extracted: Extracted, context: StageContext) -> list[Emit | Completed]:
    """Keep the cover and the document, and answer. What is known of the same content stays."""
    located = extracted.located
    request = located.request
    document: dict[str, Any] = {
        "recording_id": request.recording_id,
        "file_path": str(located.path),
        "size_bytes": located.size,
        **located.hashes,
        **extracted.parts,
        "extracted_at": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
    if "id3_tags" in extracted.parts:
        document["cover"] = await _stored(extracted.cover, context)
        document["warnings"] = list(extracted.warnings)
    before = await context.state.get(KIND, request.recording_id)
    if before is not None and _same_content(before, document):
        document = before | document
    cover = document.get("cover")
    await context.state.put(KIND, request.recording_id, document, index={"cover": cover["sha256"]} if cover else None)
    found: dict[str, Any] = dict(extracted.parts)
    if "id3_tags" in found:
        found |= {"cover": document["cover"], "warnings": document["warnings"]}
    emit = answered(
        ANSWER,
        MetadataExtractionComplete,
        request,
        context,
        located.stopwatch,
        recording_id=request.recording_id,
        **found,
    )
    return [emit, Completed(COMPLETED, {name: _shown(part) for name, part in found.items()})]


def _shown(part: Any) -> Any:
    """A part without what may be long: dashboards show a line, and get the rest from the document."""
    if not isinstance(part, Mapping):
        return part
    return {name: value for name, value in part.items() if name not in ("other", "lyrics", "comment")}


async def _stored(cover: Picture | None, context: StageContext) -> dict[str, Any] | None:
    if cover is None:
        return None
    try:
        return await asyncio.to_thread(store_cover, cover, context.data_dir)
    except OSError as error:
        if error.errno in TEMPORARY:
            raise Transient("The cover cannot be stored just now", ErrorCode.DEPENDENCY_UNAVAILABLE) from error
        raise


def _same_content(before: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    return document["xxh128_hash"] is not None and before.get("xxh128_hash") == document["xxh128_hash"]
