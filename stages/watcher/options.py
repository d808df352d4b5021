"""The watcher's options, as the topology's `sources.watcher.options` may set them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.errors import PipelineError


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


class WatchOptions(BaseModel):
    """Times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    limit: Annotated[int | None, BeforeValidator(_empty_is_none)] = Field(
        default=None, ge=1, description="Files taken in by the scan at the start, at most; changes are always followed"
    )
    settle: float = Field(default=1.0, ge=0.05, le=3600, description="A file is finished when unchanged for so long")
    pairing: float = Field(
        default=1.5, ge=0.05, le=60, description="A file that is gone may reappear elsewhere for so long"
    )
    polling: bool = Field(default=False, description="For network file systems: look at every file, again and again")
    poll_interval: float = Field(default=5.0, ge=0.05, le=86_400)
    rescan: float = Field(default=900.0, ge=0.05, le=86_400, description="Between looks at every file when not polling")
    root_check: float = Field(default=2.0, ge=0.05, le=3600, description="Between looks whether the folders are there")
    remember: bool = Field(
        default=True, description="Keep hashes in the data folder: unchanged files are not read at the next start"
    )
    readers: int = Field(default=min(4, os.cpu_count() or 1), ge=1, le=64, description="Files hashed at once")
    max_hints: int = Field(
        default=50_000, ge=16, description="Paths remembered as changed; beyond that everything is looked at"
    )
    ignore: tuple[str, ...] = Field(
        default=(".*", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found"),
        description="Names of files and folders left out, as shell patterns",
    )
    instance_id: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}", min_length=1)

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> WatchOptions:
        """Raises PipelineError naming each wrong option."""
        try:
            return cls.model_validate(dict(options))
        except ValidationError as invalid:
            wrong = "; ".join(
                f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in invalid.errors(include_url=False)
            )
            raise PipelineError(
                f"The watcher's options are wrong: {wrong}",
                where="sources.watcher.options",
                fix=f"There are {', '.join(cls.model_fields)}",
            ) from None
