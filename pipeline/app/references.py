"""The functions and classes that the topology names: checked without importing them, resolved when they are needed."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.topology.model import Topology
from pipeline.topology.shape import suggest
from pipeline.topology.values import Reference, parse_reference

_OURS = ("pipeline", "stages", "api")


@dataclass(frozen=True, slots=True)
class BrokenReference:
    """A name in the topology that leads nowhere.

    Attributes:
        path: where in the file, keys and indices.
        problem: what is wrong with it.
        suggestion: a name that does exist there, if one is near.
    """

    path: tuple[str | int, ...]
    reference: Reference
    problem: str
    suggestion: str = ""


def add_to_path(folder: Path) -> None:
    """Put the topology's folder first on `sys.path`, so that a user's own module beside it is found.

    Raises PipelineError if a module there would hide one of ours.
    """
    for name in _OURS:
        spec, installed = PathFinder.find_spec(name, [str(folder)]), importlib.util.find_spec(name)
        if spec is None or spec.origin is None or installed is None or installed.origin is None:
            continue
        if Path(spec.origin).resolve() != Path(installed.origin).resolve():
            raise PipelineError(
                f"A module named '{name}' beside the topology hides the pipeline's own",
                where=spec.origin,
                fix="Give it another name",
            )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def references(topology: Topology) -> Iterator[tuple[tuple[str | int, ...], Reference]]:
    """Every reference to code in the file, with its path."""
    for name, message in topology.messages.items():
        yield ("messages", name, "model"), message.model
    if topology.examples is not None:
        yield ("examples",), topology.examples
    for name, source in topology.sources.items():
        yield ("sources", name, "run"), source.run
    for name, dependency in topology.dependencies.items():
        if dependency.probe is not None:
            yield ("dependencies", name, "probe"), dependency.probe
    for name, stage in topology.stages.items():
        for place, each in stage.functions():
            # A step without any module has a diagnostic of its own.
            if ":" in each or stage.module:
                yield ("stages", name, *place), parse_reference(each if ":" in each else f"{stage.module}:{each}")


def broken_references(topology: Topology) -> Iterator[BrokenReference]:
    """References whose module or name does not exist, found from the sources: no code of the user's runs."""
    known: dict[str, set[str] | None] = {}
    for path, reference in references(topology):
        if reference.module not in known:
            known[reference.module] = _names_in(reference.module)
        names = known[reference.module]
        if names is None:
            yield BrokenReference(path, reference, f'No module named "{reference.module}" is found.')
        elif names and reference.name.split(".")[0] not in names:
            problem = f'The module "{reference.module}" has no "{reference.name}".'
            yield BrokenReference(path, reference, problem, suggest(reference.name, sorted(names)))


def resolve(reference: Reference) -> Any:
    """Import what a reference names. Raises PipelineError."""
    try:
        found = importlib.import_module(reference.module)
        for name in reference.name.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise PipelineError(f"{reference} cannot be imported: {error}") from error
    except Exception as error:
        raise PipelineError(f"{reference} cannot be imported: {type(error).__name__}: {error}") from error
    return found


def _find(module: str) -> ModuleSpec | None:
    """The module's spec without importing its parents, which `importlib.util.find_spec` would."""
    path: list[str] | None = None
    spec: ModuleSpec | None = None
    prefix = ""
    for part in module.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        spec = PathFinder.find_spec(prefix, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec


def _names_in(module: str) -> set[str] | None:
    """Names that a module's top level defines; empty if it has no Python source; None if there is no such module."""
    spec = _find(module)
    if spec is None:
        return None
    if spec.origin is None or not spec.origin.endswith(".py"):
        return set()
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except SyntaxError:
        return set()
    names: set[str] = set()
    for node in _top_level(tree.body):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names.update((alias.asname or alias.name).split(".")[0] for alias in aliases)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return set() if "*" in names else names


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            for field in ("body", "orelse", "finalbody"):
                yield from _top_level(getattr(node, field, []))
