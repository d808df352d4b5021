"""A text in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import PipelineError


def edited_text(text: str, name: str) -> str:
    """What the user makes of it in $VISUAL or $EDITOR. Raises PipelineError if there is none, or it fails.

    The file is in a folder that only the user can read, and gone afterwards.

    Args:
        name: the file's: its ending tells the editor what it is.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not command:
        raise PipelineError("Neither VISUAL nor EDITOR is set", fix="Set one, or give the body by --body or --set")
    with TemporaryDirectory(prefix="pipeline-") as folder:
        file = Path(folder, name)
        file.write_text(text, encoding="utf-8")
        try:
            ended = subprocess.run([*shlex.split(command), str(file)], check=False)
        except (OSError, ValueError) as error:
            raise PipelineError(f"The editor can't be started: {error}", where=command) from error
        if ended.returncode != 0:
            raise PipelineError(f"The editor ended with {ended.returncode}", where=command, fix="Nothing was changed")
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PipelineError(f"What the editor left can't be read: {error}", fix="Nothing was changed") from error
