"""Every setting with its value and where that comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.app.loading import make_settings, topology_files
from pipeline.settings import Settings
from pipeline.topology.interpolation import variables_in

_PASSWORD = re.compile(r"(?<=://)([^/@\s]*?):[^/@\s]*(?=@)")
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable.

    Attributes:
        value: as text; passwords are hidden.
        origin: `environment`, `command line` or `default`.
        meaning: a few words; empty for a variable of the topology file.
    """

    name: str
    value: str
    origin: str
    meaning: str


def settings_with_origins(file: Path | None, environment: Mapping[str, str] = os.environ) -> Iterator[Setting]:
    """Those of the program, then those that the topology file asks for, whose values may be secret and are hidden.

    Raises: PipelineError for an unknown profile.
    """
    settings = make_settings(file)
    for field, about in Settings.model_fields.items():
        name = field.upper()
        origin = "environment" if environment.get(name) else "default"
        if field == "pipeline_topology" and file is not None:
            origin = "command line"
        yield Setting(name, _shown(getattr(settings, field)), origin, about.description or "")
    names: dict[str, str | None] = {}
    for path in topology_files(settings):
        if path.exists():
            names |= variables_in(path.read_text("utf-8", "replace"))
    own = {field.upper() for field in Settings.model_fields}
    for name, default in sorted(names.items()):
        if name in own:
            continue
        if environment.get(name):
            yield Setting(name, _HIDDEN, "environment", "used by the topology file")
        else:
            yield Setting(
                name, default or "", "default" if default is not None else "not set", "used by the topology file"
            )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return _PASSWORD.sub(rf"\1:{_HIDDEN}", str(value))
