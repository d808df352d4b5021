"""What a topology has made on a broker, recorded on that broker: only this may ever be deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import PipelineError
from pipeline.provision.changes import Kind
from pipeline.provision.management import Denied, ManagementClient, NotFound

_FORMAT = 1
_PREFIX = "topology"


@dataclass(frozen=True, slots=True)
class Ownership:
    """Objects that `apply` made for a topology in a vhost. What was there before it is not owned.

    Attributes:
        objects: kind and identity (see `changes.identity_of`).
        known: False if the user may not read the record; then nothing counts as owned.
    """

    topology: str
    vhost: str = "/"
    objects: frozenset[tuple[Kind, str]] = frozenset()
    known: bool = True

    @property
    def parameter(self) -> str:
        """Name of the global parameter that holds the record; global parameters are not per vhost."""
        return f"{_PREFIX}:{self.topology}@{self.vhost}"

    def having(self, objects: Iterable[tuple[Kind, str]]) -> Ownership:
        return replace(self, objects=self.objects | frozenset(objects))

    def without(self, objects: Iterable[tuple[Kind, str]]) -> Ownership:
        return replace(self, objects=self.objects - frozenset(objects))


async def read_ownership(client: ManagementClient, topology: str) -> Ownership:
    """The record in the client's vhost; empty if there is none, `known=False` if the user may not read it.

    Global parameters want the tag `policymaker`. Raises: Unreachable, PipelineError.
    """
    nothing = Ownership(topology, client.vhost)
    try:
        document = await client.get("global-parameters", nothing.parameter)
    except NotFound:
        return nothing
    except Denied:
        return replace(nothing, known=False)
    return replace(nothing, objects=frozenset(_objects(document.get("value"), nothing.parameter, client.where)))


async def write_ownership(client: ManagementClient, ownership: Ownership) -> None:
    """Replace the record. Raises Denied without the tag `policymaker`, Unreachable, PipelineError."""
    body = {"name": ownership.parameter, "value": ownership_to_json(ownership)}
    await client.put("global-parameters", ownership.parameter, body=body)


def ownership_to_json(ownership: Ownership) -> dict[str, Any]:
    """The parameter's value: sorted identities by kind."""
    by_kind = {kind.value: sorted(name for of, name in ownership.objects if of is kind) for kind in Kind}
    return {"format": _FORMAT, **by_kind}


def _objects(value: Any, parameter: str, where: str) -> Iterable[tuple[Kind, str]]:
    if not isinstance(value, Mapping) or value.get("format") != _FORMAT:
        raise PipelineError(
            f'The global parameter "{parameter}" is not a record that this version can read',
            where=where,
            fix="Use the version that wrote it, or delete the parameter: then nothing counts as ours any more",
        )
    return [(kind, str(name)) for kind in Kind for name in value.get(kind.value, [])]
