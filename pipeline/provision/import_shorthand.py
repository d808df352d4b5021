"""Shorthand of the topology file: what most queues have is said once, bindings that differ in their keys are one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.topology.definitions import BindingDefinition


def common_settings(queues: dict[str, dict[str, Any]], queue_type: Any = None) -> dict[str, Any]:
    """What most queues have, taken out of each of them; `queue_type`: the default where it is known."""
    if not queues:
        return {}
    found: dict[str, Any] = {}
    types = Counter(queue["type"] for queue in queues.values())
    most = "quorum" if types["quorum"] > types["classic"] else "classic"
    if queue_type in ("classic", "quorum"):
        most = queue_type
    if most != "classic":
        found["type"] = most
    buried = Counter(
        queue["dead_letter"] is True for queue in queues.values() if isinstance(queue["dead_letter"], bool)
    )
    if buried[False] > buried[True]:
        found["dead_letter"] = False
    for queue in queues.values():
        if queue["type"] == most:
            del queue["type"]
        if queue["dead_letter"] is (not buried[False] > buried[True]):
            del queue["dead_letter"]
    return found


def grouped(bindings: Iterable[BindingDefinition], end: str, keys: Mapping[str, str]) -> list[dict[str, Any]]:
    """Bindings to or from one object, those with the same arguments together; `end`: which other end is written."""
    groups: dict[str, dict[str, Any]] = {}
    for binding in bindings:
        group = groups.setdefault(
            repr((getattr(binding, end), sorted(binding.arguments.items(), key=repr))),
            {end: keys[getattr(binding, end)], "routing_key": [], "arguments": dict(binding.arguments)},
        )
        group["routing_key"].append(binding.routing_key)
    return [_shortly(group) for group in groups.values()]


def _shortly(group: dict[str, Any]) -> dict[str, Any]:
    keys = group["routing_key"]
    if keys == [""]:
        del group["routing_key"]
    elif len(keys) == 1:
        group["routing_key"] = keys[0]
    if not group["arguments"]:
        del group["arguments"]
    return group
