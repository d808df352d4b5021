"""An imported topology as a file, and whether it says what it is to say."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.provision.changes import Plan
from pipeline.provision.importing import Imported
from pipeline.provision.observe import Observed
from pipeline.provision.ownership import Ownership
from pipeline.provision.plan import plan
from pipeline.topology.diagnostics import Diagnostic, printable
from pipeline.topology.effective import yaml_of
from pipeline.topology.expand import definitions_of
from pipeline.topology.load import inspect

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Proof:
    """What a look at the file has shown.

    Attributes:
        errors: of lint: faults that the broker's definitions have as well.
        plan: against what was imported; None where there are errors.
    """

    errors: tuple[Diagnostic, ...]
    plan: Plan | None


def text_of(imported: Imported, where: str) -> str:
    """The file: what it comes from and what it can't say in comments, then the sections.

    Args:
        where: what it was imported from, without credentials.
    """
    head = [f"Imported from {printable(where)}.", *imported.notes]
    comments = [line for note in head for line in textwrap.wrap(printable(note), _WIDTH, subsequent_indent="  ")]
    sections = [_section(key, value) for key, value in imported.document.items()]
    short = sum(not isinstance(value, dict) for value in imported.document.values())
    body = ["".join(sections[:short]), *sections[short:]]
    return "\n".join(["".join(f"# {line}\n" for line in comments).rstrip("\n"), "\n".join(body)])


def _section(key: str, value: Any) -> str:
    # YAML of a scalar alone has an end mark behind it.
    return yaml_of({key: value}) if isinstance(value, dict) else f"{key}: {yaml_of(value).splitlines()[0]}\n"


def prove(text: str, observed: Observed, owned: Ownership) -> Proof:
    """Load the text as any topology, and plan it against what it was imported from."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "topology.yaml")
        file.write_text(text, encoding="utf-8")
        topology, _, diagnostics = inspect(file, {})
    errors = tuple(each for each in diagnostics if each.is_error)
    if topology is None or errors:
        return Proof(errors, None)
    return Proof((), plan(definitions_of(topology), observed, owned))
