"""Descriptions as text and as files: the same input gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import PipelineError


class _PlainDumper(yaml.SafeDumper):
    """Without anchors: what stands in two places is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def json_text(value: Any) -> str:
    """Indented JSON that ends in a line end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def yaml_text(value: Any) -> str:
    """Block-style YAML in the order of the value."""
    text: str = yaml.dump(value, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def write_text(path: Path, text: str) -> Path:
    """Write a file, with its folder if there is none; the path. Raises PipelineError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PipelineError(f"{path} cannot be written: {error.strerror or error}", fix="Name another path") from error
    return path
