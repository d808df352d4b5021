"""The options that requests may carry. An unknown one is ignored, and the report says so; a wrong value is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pipeline.errors import ErrorCode, Permanent
from stages.cue.findings import Finding

_MOST_NAMED = 10
_LONGEST_SHOWN = 40

FileName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^/\\\x00-\x1f\x7f]+$")]


class Options(BaseModel):
    """Base of all options. What is not declared is kept aside."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class SheetOptions(Options):
    """Of `cue.generation.single` and `.batch`.

    Attributes:
        audio_file_name: what the sheet calls its audio, instead of the audio file's own name.
        include_pregap: show a silence between two tracks, where the tracklist knows of one, as INDEX 00 of the second.
    """

    audio_file_name: FileName | None = None
    include_pregap: bool = False


class ConversionOptions(Options):
    """Of `cue.conversion`.

    Attributes:
        audio_file_name: what the new sheet calls its audio, where that is one file, instead of what the old one does.
    """

    audio_file_name: FileName | None = None


class ValidationOptions(Options):
    """Of `cue.validation`.

    Attributes:
        format: whose limits hold, instead of the sheet's own.
        check_audio: whether to hold the sheet against its audio where the request names none: only if it is there.
    """

    format: str | None = Field(default=None, min_length=1, max_length=200)
    check_audio: bool = True


Chosen = TypeVar("Chosen", bound=Options)


def chosen(model: type[Chosen], given: Mapping[str, Any]) -> Chosen:
    """The options of a request. Raises Permanent, INVALID_MESSAGE, for a value that its option cannot have."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        names = sorted({str(each["loc"][0]) for each in error.errors(include_input=False, include_url=False)})
        raise Permanent(
            f"Options with a value they cannot have: {', '.join(names)}", ErrorCode.INVALID_MESSAGE
        ) from None


def unknown_options(options: Options) -> list[Finding]:
    """A warning for each option that nothing here knows."""
    names = sorted(options.model_extra or {})
    known = ", ".join(type(options).model_fields)
    found = [
        Finding("UNKNOWN_OPTION", f"No option is called {_shown(name)}; there is {known}", "warning")
        for name in names[:_MOST_NAMED]
    ]
    if len(names) > _MOST_NAMED:
        found.append(Finding("UNKNOWN_OPTION", f"{len(names) - _MOST_NAMED} more options are unknown", "warning"))
    return found


def _shown(name: str) -> str:
    return repr(name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…")
