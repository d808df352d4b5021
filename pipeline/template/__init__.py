"""The files of a new pipeline, which `pipeline init` writes: a topology, one stage, one test."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from pipeline.errors import PipelineError

_NAME = "new-pipeline"


def write_template(folder: Path) -> list[Path]:
    """Write them into a folder, which is made if need be; what was written.

    Raises: PipelineError if one of them is there already, or the folder can't be written to; then nothing is.
    """
    files = {folder / name: text for name, text in _texts(_name_of(folder)).items()}
    there = [path.name for path in files if path.exists()]
    if there:
        raise PipelineError(f"{folder} has a file {there[0]} already", fix="Name another folder, or move it away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PipelineError(f"It can't be written: {error.strerror}", where=str(folder)) from error
    return list(files)


def _texts(name: str) -> dict[str, str]:
    folder = resources.files(__name__).joinpath("files")
    found = {entry.name.removesuffix(".txt"): entry.read_text("utf-8") for entry in folder.iterdir()}
    return {file: text.replace(_NAME, name) for file, text in sorted(found.items())}


def _name_of(folder: Path) -> str:
    """The topology's name: the folder's, with what a name may not hold left out."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name).strip("-._")[:64] or _NAME
