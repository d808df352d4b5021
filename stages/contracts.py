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


def _is_empty(value: list[Any]) -> bool:
    return not value


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


class CatalogSweep(Body):
    """`catalog.sweep`, on `tracktion.events`: look for files that have gone while nobody watched."""

    timestamp: AwareDatetime
    correlation_id: Token | None = None


# Analysis: on `tracktion.events`.

AnalysisType = Literal["bpm", "key", "energy"]


class AnalysisRequest(Body):
    """`file.analyze` (from the catalog) and `analysis.request` (from users)."""

    recording_id: Token
    file_path: FilePath
    analysis_types: list[AnalysisType] = Field(default=["bpm", "key", "energy"], min_length=1, max_length=16)
    metadata: dict[str, Any] = Field(default_factory=dict)
    correlation_id: Token | None = None


class Answer(Body):
    """What all answers carry beside the document's fields.

    `error` and `error_code` are null where it succeeded; `job_id` is what the request was followed by.
    """

    success: bool
    error: str | None = None
    error_code: str | None = None
    job_id: Token | None = None
    correlation_id: Token | None = None


class TimedAnswer(Answer):
    """An answer with an identity and times in milliseconds: at work, and from the request to the work's start."""

    message_id: Token
    timestamp: AwareDatetime
    original_message_id: Token | None = None
    processing_time_ms: float = Field(ge=0)
    queue_time_ms: float = Field(ge=0)


class MetadataExtractionRequest(Body):
    """`metadata.extract`. Without a `job_id` it is followed by its AMQP message id."""

    recording_id: Token
    extraction_types: list[Literal["id3_tags", "audio_analysis"]] = ["id3_tags", "audio_analysis"]
    correlation_id: Token | None = None
    job_id: Token | None = Field(default=None, exclude_if=_is_absent)


class MetadataExtractionComplete(TimedAnswer):
    """`metadata.extract.complete`."""

    message_type: Literal["metadata_extraction_complete"] = "metadata_extraction_complete"
    recording_id: Token
    id3_tags: dict[str, Any] | None = None
    audio_analysis: dict[str, Any] | None = None
    cover: dict[str, Any] | None = None
    warnings: list[str] = Field(default_factory=list)


class WaveformRequest(Body):
    """`waveform.generate`. Without a `job_id` it is followed by its AMQP message id."""

    recording_id: Token
    correlation_id: Token | None = None
    job_id: Token | None = Field(default=None, exclude_if=_is_absent)


class WaveformComplete(TimedAnswer):
    """`waveform.generate.complete`. The waveform itself is in the state store."""

    message_type: Literal["waveform_generation_complete"] = "waveform_generation_complete"
    recording_id: Token
    points: int | None = Field(default=None, ge=1)
    duration_seconds: float | None = Field(default=None, ge=0)


class TracklistGenerationRequest(Body):
    """`tracklist.generate`. Without a `job_id` it is followed by its AMQP message id."""

    recording_id: Token
    source_hint: Literal["auto", "embedded", "sidecar", "audio"] = "auto"
    correlation_id: Token | None = None
    job_id: Token | None = Field(default=None, exclude_if=_is_absent)


class TracklistGenerationComplete(TimedAnswer):
    """`tracklist.generate.complete`. `tracks` are the entries as they are stored, starts in seconds."""

    message_type: Literal["tracklist_generation_complete"] = "tracklist_generation_complete"
    recording_id: Token
    tracklist_id: Token | None = None
    source: str | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    track_count: int | None = Field(default=None, ge=0)
    tracks: list[dict[str, Any]] | None = None


class AnalysisCancellation(Body):
    """`analysis.cancel`."""

    recording_id: Token
    action: Literal["cancel"] = "cancel"
    correlation_id: Token | None = None


# CUE sheets: on `cue.direct`. Options that are not known are ignored, and named in the report's warnings.

_SHEET_OPTIONS = (
    "audio_file_name: what the sheet calls its audio. "
    "include_pregap: show a silence between two tracks, where one is known, as INDEX 00"
)
_VALIDATION_OPTIONS = (
    "format: whose limits hold, instead of the sheet's own. "
    "check_audio (true): where no audio is named, hold the sheet against the recording's, if that is there"
)
_CONVERSION_OPTIONS = "audio_file_name: what the new sheet calls its audio"


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
    options: dict[str, Any] = Field(default_factory=dict, description=_SHEET_OPTIONS)
    validate_audio: bool = False
    audio_file_path: FilePath | None = None
    job_id: Token
    requested_by: str | None = None


class ValidationReport(Body):
    """Each finding has a stable `code`, a `message`, and the `track` and `line` where there is one."""

    is_valid: bool
    errors: list[Any] = Field(default_factory=list)
    warnings: list[Any] = Field(default_factory=list, exclude_if=_is_empty)


class WrittenSheet(Body):
    """A sheet that was written, or would have been."""

    cue_file_id: Token | None = None
    file_path: FilePath | None = None
    file_size: int | None = Field(default=None, ge=0)
    checksum: str | None = None
    validation_report: ValidationReport | None = None


class CueGenerationComplete(TimedAnswer, WrittenSheet):
    """`cue.generation.complete`."""

    message_type: Literal["cue_generation_complete"] = "cue_generation_complete"
    tracklist_id: Token
    format: Token | None = None


class BatchCueGenerationRequest(CueMessage):
    """`cue.generation.batch`."""

    message_type: Literal["batch_cue_generation"] = "batch_cue_generation"
    tracklist_id: Token
    formats: list[Token] = Field(min_length=1, max_length=32)
    options: dict[str, Any] = Field(default_factory=dict, description=_SHEET_OPTIONS)
    validate_audio: bool = False
    batch_job_id: Token
    requested_by: str | None = None


class FormatResult(WrittenSheet):
    """What became of one format of a batch."""

    format: Token
    success: bool
    error: str | None = None
    error_code: str | None = None


class BatchCueGenerationComplete(TimedAnswer):
    """`cue.generation.batch.complete`: successful only where every format was."""

    message_type: Literal["batch_cue_generation_complete"] = "batch_cue_generation_complete"
    batch_job_id: Token
    tracklist_id: Token
    results: list[FormatResult]


class CueValidationRequest(CueMessage):
    """`cue.validation`."""

    message_type: Literal["cue_validation"] = "cue_validation"
    cue_file_id: Token
    audio_file_path: FilePath | None = None
    validation_options: dict[str, Any] = Field(default_factory=dict, description=_VALIDATION_OPTIONS)
    validation_job_id: Token
    requested_by: str | None = None


class CueValidationComplete(TimedAnswer):
    """`cue.validation.complete`: successful where the sheet could be looked at, whatever was found in it."""

    message_type: Literal["cue_validation_complete"] = "cue_validation_complete"
    validation_job_id: Token
    cue_file_id: Token
    validation_report: ValidationReport | None = None


class CueConversionRequest(CueMessage):
    """`cue.conversion`."""

    message_type: Literal["cue_conversion"] = "cue_conversion"
    source_cue_file_id: Token
    target_format: Token
    preserve_metadata: bool = True
    conversion_options: dict[str, Any] = Field(default_factory=dict, description=_CONVERSION_OPTIONS)
    conversion_job_id: Token
    requested_by: str | None = None


class CueConversionComplete(TimedAnswer, WrittenSheet):
    """`cue.conversion.complete`. A loss has a `field`, the `track` where it is one's, and a `reason`."""

    message_type: Literal["cue_conversion_complete"] = "cue_conversion_complete"
    conversion_job_id: Token
    source_cue_file_id: Token
    target_format: Token
    losses: list[dict[str, Any]] = Field(default_factory=list)


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
    job_id: Token | None = Field(default=None, exclude_if=_is_absent)


class RenameResponse(Answer):
    """`rename.response`. Feedback on it refers to `rename_id`."""

    original_path: FilePath
    new_path: FilePath | None = None
    rename_id: Token | None = None
    backup_path: FilePath | None = None


class PatternOptions(Body):
    detect_patterns: bool = True
    suggest_improvements: bool = True


class PatternAnalysisRequest(Body):
    """`rename.pattern.analyze`."""

    file_paths: list[FilePath] = Field(min_length=1, max_length=10_000)
    options: PatternOptions = PatternOptions()
    correlation_id: Token | None = None
    job_id: Token | None = Field(default=None, exclude_if=_is_absent)


class PatternAnalysisResponse(Answer):
    """`rename.pattern.response`.

    A pattern has its text (`{artist} - {title}`), a count, a score and examples; a suggestion its file_path,
    suggested_name, a confidence from 0 to 1 and a reason; `unmatched` are the paths that fit no pattern.
    """

    patterns: list[dict[str, Any]] = Field(default_factory=list)
    unmatched: list[FilePath] = Field(default_factory=list)
    suggestions: list[dict[str, Any]] = Field(default_factory=list)


class RenameFeedback(Body):
    """`rename.feedback`."""

    rename_id: Token
    feedback_type: Literal["success", "failure", "improvement"]
    message: str | None = Field(default=None, max_length=4096)
    user_rating: int | None = Field(default=None, ge=1, le=5)
    correlation_id: Token | None = None
