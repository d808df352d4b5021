"""RabbitMQ's definitions export, of a whole server or of one vhost: the part about one vhost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import PipelineError

_SECTIONS = ("exchanges", "queues", "bindings", "policies", "parameters", "permissions", "topic_permissions")


def definitions_in(document: Any, vhost: str | None, *, where: str) -> tuple[str, dict[str, Any]]:
    """The vhost, and its rows without what is RabbitMQ's own.

    Args:
        vhost: which one; None where the document is about one only.
    Raises: PipelineError if it is no export, or about several vhosts.
    """
    if not isinstance(document, Mapping) or not any(section in document for section in _SECTIONS):
        raise PipelineError(
            "Not RabbitMQ definitions", where=where, fix="Write them with `rabbitmqctl export_definitions FILE`"
        )
    rows = {section: _rows(document.get(section)) for section in _SECTIONS}
    names = {str(each["name"]) for each in _rows(document.get("vhosts")) if "name" in each}
    names |= {str(row["vhost"]) for each in rows.values() for row in each if "vhost" in row}
    if vhost is None:
        if len(names) > 1:
            listed = ", ".join(sorted(names))
            raise PipelineError("The definitions are of several vhosts", where=where, fix=f"--vhost: {listed}")
        vhost = next(iter(names), "/")
    elif names and vhost not in names:
        raise PipelineError(f'There is no vhost "{vhost}"', where=where, fix=f"There are: {', '.join(sorted(names))}")
    # One vhost's export has no `vhost` in its rows.
    kept = {
        section: [row for row in each if row.get("vhost", vhost) == vhost and not _ours(section, row)]
        for section, each in rows.items()
    }
    return vhost, kept


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _ours(section: str, row: Mapping[str, Any]) -> bool:
    """RabbitMQ's own exchanges and queues, and bindings of the default exchange."""
    if section in ("exchanges", "queues"):
        return _reserved(row.get("name"))
    return section == "bindings" and (not row.get("source") or _reserved(row.get("destination")))


def _reserved(name: Any) -> bool:
    return name == "" or str(name).startswith("amq.")
