"""`rename.pattern.analyze`: the patterns in names, the names that fit none, and names that would be better."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import Completed, Emit, Failed, StageContext
from stages.contracts import PatternAnalysisRequest, PatternAnalysisResponse
from stages.metadata.extraction import KIND as METADATA
from stages.paths import inside_roots
from stages.recordings import KIND as RECORDING
from stages.rename import patterns, suggestions
from stages.rename.roles import Fields
from stages.rename.scores import PRIOR, scores
from stages.rename.tags import fields_of_tags

ANSWER, COMPLETED = "rename.pattern.response", "rename_pattern_complete"
_AT_ONCE = 500
_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Names:
    """A request, and what is known of the files that it names.

    Attributes:
        recording_ids, tags: of each path; None where nothing is known.
        scores: of patterns, by their text.
    """

    request: PatternAnalysisRequest
    recording_ids: Sequence[str | None]
    tags: Sequence[Fields | None]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in the names, as it is answered."""

    request: PatternAnalysisRequest
    patterns: list[dict[str, Any]] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    suggestions: list[dict[str, Any]] = field(default_factory=list)


async def gather(request: PatternAnalysisRequest, context: StageContext) -> Names:
    """Look up what the library knows of the files. They need not exist.

    Raises: Permanent, PATH_NOT_ALLOWED, for all of them if one is outside of the roots.
    """
    paths = await asyncio.to_thread(_real_paths, request.file_paths, context.roots)
    recording_ids: list[str | None] = []
    tags: list[Fields | None] = []
    for start in range(0, len(paths), _AT_ONCE):
        owners = await context.state.owners(RECORDING, "path", paths[start : start + _AT_ONCE])
        recording_ids += owners
        documents = iter(await context.state.get_many(METADATA, [each for each in owners if each is not None]))
        tags += [fields_of_tags(next(documents)) if owner is not None else None for owner in owners]
        context.progress(0.5 * len(tags) / len(paths), "reading tags")
    return Names(request, recording_ids, tags, await scores(context.state))


def look(names: Names, context: StageContext) -> Findings:
    """Find the patterns and better names. Pure computation, up to a second for ten thousand names."""
    paths, options = names.request.file_paths, names.request.options
    found = patterns.patterns_in(paths, names.tags)
    findings = Findings(names.request)
    if options.detect_patterns:
        matched = {index for each in found for index in each.members}
        findings.unmatched.extend(path for index, path in enumerate(paths) if index not in matched)
        described = [
            patterns.described(each, paths) | {"score": round(names.scores.get(each.pattern.text, PRIOR), 4)}
            for each in found
        ]
        findings.patterns.extend(sorted(described, key=lambda each: -each["share"] * each["score"]))
    if options.suggest_improvements:
        better = suggestions.suggestions(paths, names.tags, found, names.scores)
        findings.suggestions.extend(
            suggestions.described(each, paths[each.index], names.recording_ids[each.index]) for each in better
        )
    context.progress(0.9, "answering")
    return findings


async def answer(findings: Findings, context: StageContext) -> list[Emit | Completed]:
    """The whole of it for programs, the first part of it for dashboards."""
    request = findings.request
    body = PatternAnalysisResponse(
        success=True,
        error=None,
        error_code=None,
        job_id=_job_id(request, context),
        correlation_id=request.correlation_id or context.envelope.correlation_id,
        patterns=findings.patterns,
        unmatched=findings.unmatched,
        suggestions=findings.suggestions,
    )
    results = {
        "file_count": len(request.file_paths),
        "patterns": findings.patterns[:_SHOWN],
        "unmatched_count": len(findings.unmatched),
        "unmatched": [os.path.basename(path) for path in findings.unmatched[:_SHOWN]],
        "suggestion_count": len(findings.suggestions),
        "suggestions": [_shown(each) for each in findings.suggestions[:_SHOWN]],
    }
    return [Emit(ANSWER, body), Completed(COMPLETED, results)]


def failed(request: PatternAnalysisRequest, failure: Failed, context: StageContext) -> Emit:
    """`success: false`, with the reason."""
    body = PatternAnalysisResponse(
        success=False,
        error=failure.reason,
        error_code=failure.error_code,
        job_id=_job_id(request, context),
        correlation_id=request.correlation_id or context.envelope.correlation_id,
    )
    return Emit(ANSWER, body)


def _job_id(request: PatternAnalysisRequest, context: StageContext) -> str | None:
    return request.job_id or context.envelope.message_id


def _shown(suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """A suggestion without its path, of which dashboards show the name."""
    name = os.path.basename(suggestion["file_path"])
    return {"name": name} | {key: value for key, value in suggestion.items() if key != "file_path"}


def _real_paths(paths: Sequence[str], roots: Sequence[Path]) -> list[str]:
    """The real folder of each, with its own name; a file that is a symlink must not lead out of the roots either."""
    folders: dict[str, Path] = {}
    real = []
    for path in paths:
        folder, name = os.path.split(path)
        if not os.path.isabs(path) or name in ("", ".", ".."):
            raise Permanent("A file must be given by its absolute path", ErrorCode.PATH_NOT_ALLOWED)
        if folder not in folders:
            folders[folder] = inside_roots(folder, roots)
        if os.path.islink(path):
            inside_roots(path, roots)
        real.append(os.path.join(folders[folder], name))
    return real
