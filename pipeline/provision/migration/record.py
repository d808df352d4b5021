"""How far a migration is, recorded on the broker: global parameters, one for each object that is being made anew.

Whoever runs `apply` next reads them and goes on. The record is written before a step begins, and each step can be
done twice, so a kill at any point loses nothing but the time since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pipeline.errors import PipelineError
from pipeline.provision.changes import Kind, identity_of
from pipeline.provision.definitions_json import definition_to_json, definitions_from_json
from pipeline.provision.management import Denied, ManagementClient, NotFound
from pipeline.topology.definitions import BindingDefinition, ExchangeDefinition, QueueDefinition

PATIENCE_S = 300.0  # how long a migration waits for messages that consumers hold, unless told otherwise
_FORMAT = 1
_PREFIX = "migration"


@dataclass(frozen=True, slots=True)
class Record:
    """One migration under way.

    Attributes:
        kind, name: of what is made anew.
        before, after: as it was, and as it is to be.
        bindings: all that it had, to be made again.
        prefix: of the names of all that was put beside it (see `Names`).
        step: the step that is under way.
        window: messages that may be on their way at a time.
        consumers: that the queue had at the beginning.
        witnessed: whether it can be told after a kill what had arrived (see `mover`).
        run, acked: of the account of what was set aside: the run that is open, and how far each one before it came.
        deleted_at: seconds since the epoch; None as long as the old one is there.
        back_at: when the new queue had its first consumer, or the new exchange was there.
        abandoned: why the queue is left as it was; empty if it is not.
        moved, dropped: messages so far: how many moves, how many copies left out.
    """

    kind: Kind
    name: str
    before: ExchangeDefinition | QueueDefinition
    after: ExchangeDefinition | QueueDefinition
    prefix: str
    step: str
    bindings: tuple[BindingDefinition, ...] = ()
    window: int = 1000
    consumers: int = 0
    witnessed: bool = False
    run: str = ""
    acked: Mapping[str, int] = field(default_factory=dict)
    deleted_at: float | None = None
    back_at: float | None = None
    abandoned: str = ""
    moved: int = 0
    dropped: int = 0

    def bound(self, bindings: Iterable[BindingDefinition]) -> tuple[BindingDefinition, ...]:
        """The bindings with these among them."""
        all_of_them = {identity_of(binding): binding for binding in (*self.bindings, *bindings)}
        return tuple(all_of_them.values())


class Records:
    """The records of one topology in the client's vhost."""

    def __init__(self, client: ManagementClient, topology: str) -> None:
        self._client = client
        self._topology = topology
        self._detour = f"{_PREFIX}:{topology}@{client.vhost}"

    async def read(self) -> tuple[Record, ...]:
        """Migrations under way, by name; none if the user may not read them. Raises Unreachable, PipelineError."""
        return tuple(sorted(self._records(await self._values()), key=lambda record: (record.kind, record.name)))

    async def write(self, record: Record) -> None:
        """Raises PipelineError, saying what the user lacks, and Unreachable."""
        await self._put(self._parameter(record), {"object": _to_json(record)})

    async def forget(self, record: Record) -> None:
        """It is done."""
        await self._remove(self._parameter(record))

    async def detour_open(self) -> bool:
        """Whether dead letters take the detour (see `detour`)."""
        return any("detour" in value for value in await self._values())

    async def write_detour(self) -> None:
        await self._put(self._detour, {"detour": True})

    async def forget_detour(self) -> None:
        await self._remove(self._detour)

    def _parameter(self, record: Record) -> str:
        # A name of 255 bytes leaves no room for more.
        digest = hashlib.sha256(record.name.encode()).hexdigest()[:16]
        return f"{self._detour}:{record.kind.value}:{digest}"

    async def _values(self) -> list[Mapping[str, Any]]:
        try:
            rows = await self._client.list("global-parameters")
        except Denied:
            return []
        values = [row.get("value") for row in rows if str(row.get("name")).startswith(self._detour)]
        ours = (self._topology, self._client.vhost)
        return [
            value
            for value in values
            if isinstance(value, Mapping) and (value.get("topology"), value.get("vhost")) == ours
        ]

    def _records(self, values: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
        for value in values:
            if value.get("format") != _FORMAT:
                raise PipelineError(
                    "A migration was begun by another version, whose record this one can't read",
                    where=self._client.where,
                    fix="Let the version that began it run `pipeline apply` to its end",
                )
            if "object" in value:
                yield _from_json(value["object"], self._client.where)

    async def _put(self, parameter: str, value: Mapping[str, Any]) -> None:
        body = {"format": _FORMAT, "topology": self._topology, "vhost": self._client.vhost, **value}
        await self._client.put("global-parameters", parameter, body={"name": parameter, "value": body})

    async def _remove(self, parameter: str) -> None:
        try:
            await self._client.delete("global-parameters", parameter)
        except NotFound:
            return


def _to_json(record: Record) -> dict[str, Any]:
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    return values | {
        "kind": record.kind.value,
        "before": definition_to_json(record.before),
        "after": definition_to_json(record.after),
        "bindings": [definition_to_json(binding) for binding in record.bindings],
    }


def _from_json(value: Mapping[str, Any], where: str) -> Record:
    kind = Kind(value["kind"])
    section = "queues" if kind is Kind.QUEUE else "exchanges"

    def definition(row: Any) -> Any:
        (read,) = getattr(definitions_from_json({section: [row]}, where=where), section)
        return read

    known = {each.name for each in fields(Record)}
    rest = {key: told for key, told in value.items() if key in known}
    return Record(
        **rest
        | {
            "kind": kind,
            "before": definition(value["before"]),
            "after": definition(value["after"]),
            "bindings": definitions_from_json({"bindings": value["bindings"]}, where=where).bindings,
        }
    )
