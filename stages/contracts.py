"""The bodies of all messages, field for field as the contract document has them. Unknown fields are kept.

Paths are absolute; timestamps RFC 3339 in UTC; hashes lower-case hexadecimal. A recording id is a UUID when
we make it, and any short printable token when somebody else does.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

Token = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]


def _is_absent(value: object) -> bool:
    return value is None


class Body(BaseModel):
    """Base of all bodies: fields the document does not name are allowed and kept."""

    model_config = ConfigDict(extra="allow", frozen=True)


# File events: published by the watcher on `file_events`. What cannot be known of a file is left out, not null.


class FileInfo(Body):
    path: FilePath
    extension: str
    size_bytes: int = Field(ge=0)
    sha256_hash: str | None = Field(default=None, exclude_if=_is_absent)
    xxh128_hash: str | None = Field(default=None, exclude_if=_is_absent)


class FileDiscovered(Body):
    """`file.discovered`: a file that is there already when the watcher starts.

    Hashes are absent where it cannot be read: then `error_code` says why, and `error` in words.
    """

    correlation_id: Token
    timestamp: AwareDatetime
    event_type: Literal["file_discovered"] = "file_discovered"
    file_info: FileInfo
    file_type: str
    instance_id: str
    watched_directory: str
    format_family: str | None = Field(default=None, exclude_if=_is_absent)
    error_code: str | None = Field(default=None, exclude_if=_is_absent)
    error: str | None = Field(default=None, exclude_if=_is_absent)


class FileLifecycleEvent(Body):
    """`file.created`, `.modified`, `.deleted`, `.moved`, `.renamed`.

    Hashes and size are absent for a deleted file; hashes also for one that cannot be read: then `error_code`
    says why, and `error` in words. `old_path` is there for moved and renamed files only.
    """

    correlation_id: Token
    timestamp: AwareDatetime
    event_type: Literal["created", "modified", "deleted", "moved", "renamed"]
    file_path: FilePath
    old_path: FilePath | None = Field(default=None, exclude_if=_is_absent)
    size_bytes: int | None = Field(default=None, ge=0, exclude_if=_is_absent)
    sha256_hash: str | None = Field(default=None, exclude_if=_is_absent)
    xxh128_hash: str | None = Field(default=None, exclude_if=_is_absent)
    file_type: str
    instance_id: str
    watched_directory: str
    format_family: str | None = Field(default=None, exclude_if=_is_absent)
    error_code: str | None = Field(default=None, exclude_if=_is_absent)
    error: str | None = Field(default=None, exclude_if=_is_absent)


# Analysis: on `tracktion.events`.

AnalysisType = Literal["bpm", "key", "energy"]


class AnalysisRequest(Body):
    """`file.analyze` (from the catalog) and `analysis.request` (from users)."""

    recording_id: Token
    file_path: FilePath
    analysis_types: list[AnalysisType] = Field(default=["bpm", "key", "energy"], min_length=1, max_length=16)
    metadata: dict[str, Any] = Field(default_factory=dict)
    correlation_id: Token | None = None


class MetadataExtractionRequest(Body):
    """`metadata.extract`."""

    recording_id: Token
    extraction_types: list[Literal["id3_tags", "audio_analysis"]] = ["id3_tags", "audio_analysis"]
    correlation_id: Token | None = None


class TracklistGenerationRequest(Body):
    """`tracklist.generate`."""

    recording_id: Token
    source_hint: Literal["auto", "embedded", "sidecar", "audio"] = "auto"
    correlation_id: Token | None = None


class AnalysisCancellation(Body):
    """`analysis.cancel`."""

    recording_id: Token
    action: Literal["cancel"] = "cancel"
    correlation_id: Token | None = None


# CUE sheets: on `cue.direct`.


class CueMessage(Body):
    """What all messages of the tracklist service carry."""

    message_id: Token
    timestamp: AwareDatetime
    correlation_id: Token | None = None
    retry_count: int = Field(default=0, ge=0, description="Informational; attempts are counted in our own header")
    priority: int | None = Field(default=None, ge=0, le=255)
    metadata: dict[str, Any] = Field(default_factory=dict)


class CueGenerationRequest(CueMessage):
    """`cue.generation.single`."""

    message_type: Literal["cue_generation"] = "cue_generation"
    tracklist_id: Token
    format: Token
    options: dict[str, Any] = Field(default_factory=dict)
    validate_audio: bool = False
    audio_file_path: FilePath | None = None
    job_id: Token
    requested_by: str | None = None


class ValidationReport(Body):
    is_valid: bool
    errors: list[Any] = Field(default_factory=list)


class CueGenerationComplete(Body):
    """`cue.generation.complete`."""

    message_id: Token
    message_type: Literal["cue_generation_complete"] = "cue_generation_complete"
    timestamp: AwareDatetime
    original_message_id: Token
    job_id: Token
    tracklist_id: Token
    success: bool
    cue_file_id: Token | None = None
    file_path: FilePath | None = None
    file_size: int | None = Field(default=None, ge=0)
    checksum: str | None = None
    validation_report: ValidationReport | None = None
    processing_time_ms: float = Field(ge=0)
    queue_time_ms: float = Field(ge=0)


class BatchCueGenerationRequest(CueMessage):
    """`cue.generation.batch`."""

    message_type: Literal["batch_cue_generation"] = "batch_cue_generation"
    tracklist_id: Token
    formats: list[Token] = Field(min_length=1, max_length=32)
    options: dict[str, Any] = Field(default_factory=dict)
    validate_audio: bool = False
    batch_job_id: Token
    requested_by: str | None = None


class CueValidationRequest(CueMessage):
    """`cue.validation`."""

    message_type: Literal["cue_validation"] = "cue_validation"
    cue_file_id: Token
    audio_file_path: FilePath | None = None
    validation_options: dict[str, Any] = Field(default_factory=dict)
    validation_job_id: Token
    requested_by: str | None = None


class CueConversionRequest(CueMessage):
    """`cue.conversion`."""

    message_type: Literal["cue_conversion"] = "cue_conversion"
    source_cue_file_id: Token
    target_format: Token
    preserve_metadata: bool = True
    conversion_options: dict[str, Any] = Field(default_factory=dict)
    conversion_job_id: Token
    requested_by: str | None = None


# Renaming: on the exchange that RABBITMQ_EXCHANGE names.


class RenameOptions(Body):
    preserve_extension: bool = True
    backup_original: bool = False


class RenameRequest(Body):
    """`rename.request`."""

    file_path: FilePath
    suggested_name: str = Field(min_length=1, max_length=1024)
    options: RenameOptions = RenameOptions()
    correlation_id: Token | None = None


class RenameResponse(Body):
    """`rename.response`."""

    original_path: FilePath
    new_path: FilePath | None = None
    success: bool
    error: str | None = None
    correlation_id: Token | None = None


class PatternOptions(Body):
    detect_patterns: bool = True
    suggest_improvements: bool = True


class PatternAnalysisRequest(Body):
    """`rename.pattern.analyze`."""

    file_paths: list[FilePath] = Field(min_length=1, max_length=10_000)
    options: PatternOptions = PatternOptions()
    correlation_id: Token | None = None


class RenameFeedback(Body):
    """`rename.feedback`."""

    rename_id: Token
    feedback_type: Literal["success", "failure", "improvement"]
    message: str | None = Field(default=None, max_length=4096)
    user_rating: int | None = Field(default=None, ge=1, le=5)
    correlation_id: Token | None = None
