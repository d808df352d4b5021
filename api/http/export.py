"""`/v1/export.csv` and `.json`: the whole library, sent while it is read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field
from starlette.responses import StreamingResponse

from api.http.recordings import File, Recording, shown_file
from api.library.kinds import METADATA, RECORDING
from api.library.metadata import shown_metadata
from api.library.tags import tags_of
from api.plane import Plane, plane_of
from api.problems import documented

router = APIRouter(prefix="/v1", tags=["export"], responses=documented(503))

_CHUNK = 50
_TAGS = (
    *("title", "artist", "album", "albumartist", "genre", "year", "date", "track", "disc"),
    *("label", "isrc", "composer", "comment"),
)
_TECHNICAL = ("codec", "container", "sample_rate", "channels", "bit_depth", "bitrate")
_RESULTS = (
    *("bpm", "bpm_confidence", "key", "key_confidence", "camelot", "open_key", "energy", "loudness_lufs"),
    "duration_seconds",
)
_FILE = ("file_type", "format_family", "sha256_hash", "xxh128_hash", "first_seen", "updated_at")
COLUMNS = (
    *("recording_id", "path", "status", *_TAGS, *(f"tag_{name}" for name in ("bpm", "key")), *_RESULTS, *_TECHNICAL),
    *("size_bytes", *_FILE, "error_code", "error"),
)
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class ExportedRecording(Recording):
    """A recording with its file, metadata and results."""

    model_config = ConfigDict(extra="allow")

    file: File
    metadata: dict[str, Any] | None = Field(description="Tags and technical data, as they were read")


@router.get(
    "/export.json",
    response_class=StreamingResponse,
    responses={200: {"model": list[ExportedRecording], "description": "An array, sent while it is read"}},
)
async def export_json(request: Request) -> StreamingResponse:
    """The whole library, by path, with metadata and results."""
    return await _streamed(_json_array(_recordings(plane_of(request))), "application/json", "library.json")


@router.get(
    "/export.csv",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One line for each recording under a line of names (RFC 4180). A text that a spreadsheet "
            "would take for a formula has an apostrophe before it",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
)
async def export_csv(request: Request) -> StreamingResponse:
    """The whole library as a table, by path, with the most used tags and the results."""
    lines = _csv_lines(_recordings(plane_of(request)))
    return await _streamed(lines, "text/csv; charset=utf-8; header=present", "library.csv")


async def _streamed(chunks: AsyncIterator[str], media_type: str, name: str) -> StreamingResponse:
    """The first chunk is made before the answer begins: if the store is away, the answer says so."""
    first = await anext(chunks)

    async def encoded() -> AsyncIterator[bytes]:
        yield first.encode("utf-8", "replace")
        async for chunk in chunks:
            yield chunk.encode("utf-8", "replace")

    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(encoded(), media_type=media_type, headers=headers)


async def _recordings(plane: Plane) -> AsyncIterator[list[dict[str, Any]]]:
    """All recordings in chunks, each as it is when its chunk is read."""
    ids = await plane.library.ids()
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        documents = await plane.state.documents.get_many(RECORDING, chunk)
        metadata = await plane.state.documents.get_many(METADATA, chunk)
        events = await plane.state.progress.snapshots(chunk)
        yield [
            plane.library.shown(each, document, event, tags_of(told or {}))
            | {"file": shown_file(plane, document), "metadata": shown_metadata(told)}
            for each, document, told, event in zip(chunk, documents, metadata, events, strict=True)
            if document is not None and not document.get("deleted_at")
        ]


async def _json_array(chunks: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[str]:
    before = "[\n"
    async for chunk in chunks:
        texts = [json.dumps(item, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for item in chunk]
        if texts:
            yield before + ",\n".join(texts)
            before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


async def _csv_lines(chunks: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[str]:
    """Lines in the order of COLUMNS, ending in CR LF, fields quoted where they have to be.

    Source: RFC 4180, section 2.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    async for chunk in chunks:
        writer.writerows([_cell(value) for value in _row(item)] for item in chunk)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue()


def _row(item: Mapping[str, Any]) -> list[Any]:
    metadata = item["metadata"] or {}
    tags, technical = metadata.get("id3_tags") or {}, metadata.get("audio_analysis") or {}
    results, error = item["results"] or {}, item["error"] or {}
    duration = results.get("duration_seconds", technical.get("duration_seconds"))
    return [
        *(item[name] for name in ("recording_id", "path", "status")),
        *(tags.get(name) for name in (*_TAGS, "bpm", "key")),
        *(results.get(name) for name in _RESULTS[:-1]),
        duration,
        *(technical.get(name) for name in _TECHNICAL),
        item["size_bytes"],
        *(item["file"][name] for name in _FILE),
        error.get("error_code"),
        error.get("message"),
    ]


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet runs; numbers stay numbers."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return value
