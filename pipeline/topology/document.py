"""A YAML file as plain values, with the place of each in the text and its variables filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.interpolation import interpolate
from pipeline.topology.nodes import MAPPING, MAX_DEPTH, SCALARS, SEQUENCE, compose, is_plain, plain_value
from pipeline.topology.source import Source

Path = tuple[str | int, ...]

MAX_VALUES = 200_000
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Place:
    """A part of one line, from 1."""

    line: int
    column: int
    length: int


@dataclass(slots=True)
class Document:
    """The file's value and where everything in it stands.

    Attributes:
        value: mappings, lists and scalars; only meaningful without diagnostics.
        keys, values: places by path.
        overlaid: what comes from another file, by path: all below it does too, unless it says otherwise.
        secret: values that have a variable in them, and must not be shown: by path, as they are written.
    """

    source: Source
    value: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    secret: dict[Path, str] = field(default_factory=dict)
    overlaid: dict[Path, Source] = field(default_factory=dict)

    def diagnostic(
        self, code: str, path: Path, *, at_key: bool = False, detail: str = "", suggestion: str = ""
    ) -> Diagnostic:
        """A finding at a value, or at its key; where the path is not in the file, at what would hold it."""
        shown = self._standing(path)
        at_key = at_key or any(isinstance(part, str) for part in path[len(shown) :])
        place = (self.keys.get(shown) if at_key else None) or self.values.get(shown) or Place(1, 1, 1)
        return self._source_of(shown).diagnostic(
            code, place.line, place.column, place.length, path=path_text(path), detail=detail, suggestion=suggestion
        )

    def _source_of(self, path: Path) -> Source:
        """The file in which what stands at a path was written."""
        if self.overlaid:
            for length in range(len(path), -1, -1):
                if path[:length] in self.overlaid:
                    return self.overlaid[path[:length]]
        return self.source

    def quoted(self, value: object, *path: str | int) -> str:
        """A scalar in quotes for a message, cut if long; as it is written in the file if it has a variable in it."""
        text = self.secret.get(self._standing(path), str(value))
        return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}…"'

    def _standing(self, path: Path) -> Path:
        """The longest part of a path that is in the file."""
        while path and path not in self.values:
            path = path[:-1]
        return path


def path_text(path: Path) -> str:
    """`stages.analysis.run[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(source: Source, environment: Mapping[str, str]) -> tuple[Document, list[Diagnostic]]:
    """The document, and what is wrong with its YAML and its variables."""
    root = compose(source)
    if isinstance(root, Diagnostic):
        return Document(source), [root]
    reading = _Reading(Document(source), environment)
    if not isinstance(root, MappingNode):
        empty = root is None or (isinstance(root, ScalarNode) and not root.value)
        detail = "It is empty." if empty else "There is a single value or a list instead."
        reading.document.values[()] = Place(1, 1, 1)
        return reading.document, [reading.document.diagnostic("T006", (), detail=detail)]
    reading.document.value = reading.read(root, ())
    return reading.document, reading.diagnostics


class _Reading:
    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self.document = document
        self.diagnostics: list[Diagnostic] = []
        self._environment = environment
        self._count = 0
        self._open: set[int] = set()
        self._reported: set[tuple[str, Place]] = set()

    def read(self, node: Node, path: Path) -> Any:
        """A node's value; None for what a diagnostic was made for."""
        self.document.values[path] = self._place(node)
        self._count += 1
        if self._count == MAX_VALUES:
            self._report("T008", path, f"Aliases included, there are more than {MAX_VALUES} values up to here.")
        if self._count >= MAX_VALUES:
            return None
        if id(node) in self._open:
            self._report("T009", path, "An alias stands inside of what it stands for.")
            return None
        if len(path) > MAX_DEPTH:
            self._report("T009", path, f"Aliases put lists and mappings in one another more than {MAX_DEPTH} times.")
            self._count = MAX_VALUES
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        try:
            if isinstance(node, SequenceNode) and node.tag == SEQUENCE:
                return [self.read(each, (*path, index)) for index, each in enumerate(node.value)]
            if isinstance(node, MappingNode) and node.tag == MAPPING:
                return self._mapping(node, path)
        finally:
            self._open.discard(id(node))
        self._report("T016", path, f"{node.tag} is not read.")
        return None

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, ScalarNode):
                self._report_at(place, "T012", path, "This key is a list or a mapping.")
                continue
            key = key_node.value
            if key in found:
                detail = f'"{key}" is on line {self.document.keys[(*path, key)].line} already.'
                self._report_at(place, "T007", (*path, key), detail)
                continue
            self.document.keys[(*path, key)] = place
            if "${" in key:
                advice = "Give the object a fixed key, and its name by `name:`."
                self._report_at(place, "T015", (*path, key), "Variables are filled in in values, not in keys.", advice)
            found[key] = self.read(value_node, (*path, key))
        return found

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        if node.tag not in SCALARS:
            self._report("T016", path, f"{node.tag} is not read.")
            return None
        if "$" not in node.value:
            return plain_value(node.value) if is_plain(node) else node.value
        found = interpolate(node.value, self._environment)
        if found.variables:
            self.document.secret[path] = node.value
        for problem in found.unresolved:
            self._report(problem.code, path, problem.detail, problem.suggestion)
        return plain_value(found.text) if is_plain(node) else found.text

    def _report(self, code: str, path: Path, detail: str, suggestion: str = "") -> None:
        self._report_at(self.document.values[path], code, path, detail, suggestion)

    def _report_at(self, place: Place, code: str, path: Path, detail: str, suggestion: str = "") -> None:
        """Once for each place, however many aliases stand for it."""
        if (code, place) in self._reported:
            return
        self._reported.add((code, place))
        source = self.document.source
        self.diagnostics.append(
            source.diagnostic(
                code,
                place.line,
                place.column,
                place.length,
                path=path_text(path),
                detail=detail,
                suggestion=suggestion,
            )
        )

    def _place(self, node: Node) -> Place:
        start, end = node.start_mark, node.end_mark
        on_one_line = start.line == end.line
        return Place(start.line + 1, start.column + 1, max(1, end.column - start.column) if on_one_line else 1)
