"""The topology as one file: profiles laid over it, aliases resolved; what must not be shown is not."""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.topology.document import Document, Path
from pipeline.topology.nodes import plain_value

_HIDDEN = "********"
_SECRETS = frozenset({"password"})


def effective_yaml(document: Document) -> str:
    """YAML that loads to the same topology in the same environment.

    Values with variables in them are printed as they are written: what the variables hold may be secret. A password
    written in the file is not printed; where it is to be found is.
    """
    return yaml.dump(
        _shown(document, document.value, ()), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
    )


def yaml_of(value: Any) -> str:
    """YAML that is read as this value, dollars and all."""
    return yaml.dump(_undollared(value), Dumper=_Compact, sort_keys=False, allow_unicode=True, width=110)


def _undollared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _undollared(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_undollared(each) for each in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _shown(document: Document, value: Any, path: Path) -> Any:
    if path in document.secret:
        return document.secret[path]
    if path and path[-1] in _SECRETS and value is not None and not isinstance(value, dict):
        return _HIDDEN
    if isinstance(value, dict):
        return {key: _shown(document, each, (*path, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_shown(document, each, (*path, index)) for index, each in enumerate(value)]
    return value.replace("$", "$$") if isinstance(value, str) else value


class _Dumper(yaml.SafeDumper):
    """Short mappings and lists on one line, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    # PyYAML quotes what YAML 1.1 takes for something else; this is for what YAML 1.2 does, such as 1e5.
    plain = isinstance(plain_value(value), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Dumper.add_representer(str, _text)


class _Compact(_Dumper):
    """What holds only a few scalars stands on one line."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = 0 < len(node.value) <= 3 and _scalars(node.value)
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = all(isinstance(each, yaml.ScalarNode) for each in node.value)
        return node


def _scalars(pairs: list[tuple[yaml.Node, yaml.Node]]) -> bool:
    return all(isinstance(node, yaml.ScalarNode) for pair in pairs for node in pair)
