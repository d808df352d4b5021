"""What a topology has made on a broker, recorded on that broker: only this may ever be deleted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.errors import PipelineError
from pipeline.provision.changes import Kind, identity_of, kind_of
from pipeline.provision.definitions_json import Definition, definition_to_json
from pipeline.provision.management import Denied, ManagementClient, NotFound

_FORMAT = 2
_WITHOUT_DIGESTS = 1
_PREFIX = "topology"


@dataclass(frozen=True, slots=True)
class Ownership:
    """Objects that `apply` made for a topology in a vhost. What was there before it is not owned.

    Attributes:
        objects: kind and identity (see `changes.identity_of`).
        digests: of what was last applied, by object; those that the first version applied have none.
        known: False if the user may not read the record; then nothing counts as owned.
    """

    topology: str
    vhost: str = "/"
    objects: frozenset[tuple[Kind, str]] = frozenset()
    known: bool = True
    digests: Mapping[tuple[Kind, str], str] = field(default_factory=dict)

    @property
    def parameter(self) -> str:
        """Name of the global parameter that holds the record; global parameters are not per vhost."""
        return f"{_PREFIX}:{self.topology}@{self.vhost}"

    def having(self, definitions: Iterable[Definition]) -> Ownership:
        """With these, as they are to be."""
        digests = {(kind_of(each), identity_of(each)): digest_of(each) for each in definitions}
        return replace(self, objects=self.objects | digests.keys(), digests={**self.digests, **digests})

    def without(self, objects: Iterable[tuple[Kind, str]]) -> Ownership:
        gone = frozenset(objects)
        digests = {key: digest for key, digest in self.digests.items() if key not in gone}
        return replace(self, objects=self.objects - gone, digests=digests)

    def applied_before(self, before: Ownership, objects: Iterable[tuple[Kind, str]]) -> Ownership:
        """With the digests that these objects had before, where they are owned still."""
        old = {key: before.digests[key] for key in objects if key in self.objects and key in before.digests}
        return replace(self, digests={**self.digests, **old})


def digest_of(definition: Definition) -> str:
    """Tells whether a definition is still the one that was applied."""
    text = json.dumps(definition_to_json(definition), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
    digests = _digests(document.get("value"), nothing.parameter, client.where)
    return replace(nothing, objects=frozenset(digests), digests={key: each for key, each in digests.items() if each})


async def topologies_of(client: ManagementClient) -> list[str]:
    """Names of the topologies that have a record in the client's vhost; none if the user may not read them."""
    try:
        rows = await client.list("global-parameters")
    except Denied:
        return []
    end = f"@{client.vhost}"
    names = [str(row.get("name")) for row in rows]
    return sorted(
        name.removeprefix(f"{_PREFIX}:").removesuffix(end)
        for name in names
        if name.startswith(f"{_PREFIX}:") and name.endswith(end)
    )


async def write_ownership(client: ManagementClient, ownership: Ownership) -> None:
    """Replace the record. Raises Denied without the tag `policymaker`, Unreachable, PipelineError."""
    body = {"name": ownership.parameter, "value": ownership_to_json(ownership)}
    await client.put("global-parameters", ownership.parameter, body=body)


def ownership_to_json(ownership: Ownership) -> dict[str, Any]:
    """The parameter's value: by kind, identities with the digest of what was applied."""
    by_kind: dict[str, dict[str, str]] = {kind.value: {} for kind in Kind}
    for kind, identity in sorted(ownership.objects):
        by_kind[kind.value][identity] = ownership.digests.get((kind, identity), "")
    return {"format": _FORMAT, **by_kind}


def _digests(value: Any, parameter: str, where: str) -> dict[tuple[Kind, str], str]:
    if not isinstance(value, Mapping) or value.get("format") not in (_FORMAT, _WITHOUT_DIGESTS):
        raise PipelineError(
            f'The global parameter "{parameter}" is not a record that this version can read',
            where=where,
            fix="Use the version that wrote it, or delete the parameter: then nothing counts as ours any more",
        )
    found: dict[tuple[Kind, str], str] = {}
    for kind in Kind:
        names = value.get(kind.value) or {}
        digests = names if isinstance(names, Mapping) else dict.fromkeys(names, "")
        found |= {(kind, str(name)): str(digest) for name, digest in digests.items()}
    return found
