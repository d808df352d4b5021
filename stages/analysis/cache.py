"""Results by content: what was found out of the same bytes by the same analyser is not computed again.

Documents of the kind "analysis", one for each content under its XXH128: xxh128_hash, size_bytes, analyser_version,
findings, and results: all of them as they are shown.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pipeline.errors import ErrorCode, Transient
from pipeline.stage import Completed, StageContext
from stages.analysis.assignment import Analysed, Assignment, Findings
from stages.analysis.summary import ANALYSER_VERSION, completed
from stages.content import Content, content_of
from stages.contracts import AnalysisRequest
from stages.paths import audio_file

KIND = "analysis"
_EXTENT = "extent"


async def recall(request: AnalysisRequest, context: StageContext) -> Assignment | Completed:
    """The results, where all that is asked for is known of the file's content; else what is left to do.

    Raises:
        Permanent: what `stages.paths.audio_file` says of the file.
        Transient: FILE_UNREADABLE when the file system fails, CANCELLED when the work was called off.
    """
    path = await asyncio.to_thread(audio_file, request.file_path, context.roots)
    content = await content_of(path, context)
    if content is None:
        return Assignment.of(request)
    known = _usable(await context.state.get(KIND, content.xxh128), content)
    missing = frozenset(request.analysis_types) - known.keys()
    if missing or _EXTENT not in known:
        kept: Findings = {name: known[name] for name in known if name in request.analysis_types}
        return Assignment(request, missing, kept, content)
    return completed(known, request.analysis_types, cached=True)


async def remember(analysed: Analysed, context: StageContext) -> Completed:
    """The results, old and new together; the new ones are kept if the file is still what it was.

    Raises: Transient, FILE_UNREADABLE, where it is not, and the old ones are of another content.
    """
    assignment, found = analysed.assignment, analysed.findings
    if assignment.content is not None:
        if await assignment.content.is_still_in(Path(assignment.request.file_path)):
            await _keep(found, assignment.content, context)
        elif assignment.known:
            raise Transient("The file was changed while it was analysed", ErrorCode.FILE_UNREADABLE)
    return completed({**assignment.known, **found}, assignment.request.analysis_types)


async def _keep(found: Findings, content: Content, context: StageContext) -> None:
    # What another worker adds at the same moment may get lost, and is then computed again.
    known = _usable(await context.state.get(KIND, content.xxh128), content) | dict(found)
    document = {
        "xxh128_hash": content.xxh128,
        "size_bytes": content.look.size,
        "analyser_version": ANALYSER_VERSION,
        "findings": known,
        "results": completed(known, known).results,
    }
    await context.state.put(KIND, content.xxh128, document)


def _usable(document: dict[str, Any] | None, content: Content) -> dict[str, Any]:
    if document is None:
        return {}
    mark = (document.get("analyser_version"), document.get("size_bytes"))
    return dict(document["findings"]) if mark == (ANALYSER_VERSION, content.look.size) else {}
