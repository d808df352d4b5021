"""What users may do, against what they do: permissions that are too wide, too large, or no use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.topology.access import DEFAULT_EXCHANGE, rights_of
from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document, Path
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from pipeline.topology.patterns import LARGEST, size_of
from pipeline.topology.users import ALL

# A worker's: one that publishes and one that consumes; on them, beside one for each queue, one to publish by and one
# for questions.
_CONNECTIONS, _CHANNELS = 2, 2


def check_users(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    """Users that do nothing, cannot do what they are to do, or can do more than that; limits of the vhost."""
    for key in topology.users:
        yield from _user(key, topology, document)
    most = topology.limits.max_queues
    if most is not None and (count := len(definitions_of(topology).queues)) > most:
        detail = f"The topology has {count} queues, those for dead letters and retries included."
        yield document.diagnostic("T406", ("limits", "max_queues"), detail=detail)


def _user(key: str, topology: Topology, document: Document) -> Iterator[Diagnostic]:
    user, path = topology.users[key], ("users", key)
    if not user.works and not user.tags:
        advice = "Give it `stages:`, `sources:`, `publishes:`, `consumes:`, `dead_letters:` or `tags:`."
        yield document.diagnostic("T403", path, at_key=True, suggestion=advice)
    if user.works and "administrator" in user.tags:
        advice = "Give it `monitoring` or `management`, and leave this to a user that does nothing else."
        yield document.diagnostic("T408", (*path, "tags", user.tags.index("administrator")), suggestion=advice)
    for index, queue in enumerate(() if user.dead_letters == ALL else user.dead_letters):
        if queue in topology.queues and topology.dead_letter_queue(queue) is None:
            detail = f'The pipeline makes no "{topology.queue_name(queue)}.dlq".'
            yield document.diagnostic("T404", (*path, "dead_letters", index), detail=detail)
    rights = rights_of(topology, key)
    if DEFAULT_EXCHANGE in rights.exchanges and not user.dead_letters:
        advice = "Give the message an exchange of its own, a topic exchange best."
        yield document.diagnostic("T407", path, at_key=True, suggestion=advice)
    lists: Mapping[str, frozenset[str]] = {
        "queues": rights.queues,
        "exchanges": frozenset(rights.exchanges),
        **{f'routing keys of "{name}"': keys for name, keys in rights.exchanges.items()},
    }
    for what, names in lists.items():
        if size_of(names) > LARGEST:
            detail = f"{len(names)} {what} make a pattern of more than 64 KiB."
            yield document.diagnostic("T405", path, at_key=True, detail=detail, suggestion="Make several users of it.")
            break
    yield from _limits(key, topology, document)


def _limits(key: str, topology: Topology, document: Document) -> Iterator[Diagnostic]:
    user, path = topology.users[key], ("users", key, "limits")
    if not user.stages:
        return
    stages = topology.stages if user.stages == ALL else user.stages
    channels = _CHANNELS + sum(len(topology.stages[name].from_) for name in stages if name in topology.stages)
    needs = (("max_connections", _CONNECTIONS, "connections"), ("max_channels", channels, "channels"))
    for field, needed, what in needs:
        limit: int | None = getattr(user.limits, field)
        if limit is not None and limit < needed:
            at: Path = (*path, field)
            yield document.diagnostic("T406", at, detail=f"One worker of its stages needs {needed} {what}.")
