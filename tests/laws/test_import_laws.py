"""A topology that is imported says what was there: its plan against that is empty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from pydantic import ValidationError

from pipeline.provision.changes import identity_of, kind_of
from pipeline.provision.definitions_json import definitions_from_json, definitions_to_json
from pipeline.provision.exported import definitions_in
from pipeline.provision.import_text import prove, text_of
from pipeline.provision.importing import import_definitions, topology_name
from pipeline.provision.observe import Observed
from pipeline.provision.ownership import Ownership
from pipeline.topology.definitions import BindingDefinition, Definitions
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from tests.api_plane import project_topology
from tests.random_topologies import topologies

_FLOWS = {"T204", "T205"}  # faults in how dead letters flow, which what is imported has as well


def expanded(document: dict[str, Any]) -> tuple[Topology, Definitions]:
    try:
        topology = Topology.model_validate(document)
    except ValidationError:
        assume(False)
        raise
    made = definitions_of(topology)
    names = [queue.name for queue in made.queues]
    assume(len(set(names)) == len(names))
    return topology, made


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(topologies())
def test_what_a_topology_has_made_is_imported_as_a_file_whose_plan_is_empty(document: dict[str, Any]) -> None:
    topology, made = expanded(document)
    owned = Ownership(topology.name).having((*made.exchanges, *made.queues, *made.bindings, *made.policies))
    text = text_of(import_definitions(made, topology.name), "somewhere")
    proof = prove(text, Observed(made), owned)
    if proof.plan is None:
        assert {error.code for error in proof.errors} <= _FLOWS | {"T113", "T116", "T119"}, text
        assume(False)
    assert proof.plan is not None
    assert proof.plan.changes == (), text
    assert owned.objects == {
        (kind_of(each), identity_of(each)) for each in (*made.exchanges, *made.queues, *made.bindings, *made.policies)
    }


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(topologies())
def test_the_name_and_all_the_rest_survive_an_export(document: dict[str, Any]) -> None:
    topology, made = expanded(document)
    export = definitions_to_json(made)
    for rows in export.values():
        for row in rows:
            row["vhost"] = "shop"
    export["exchanges"].append({"name": "", "vhost": "shop", "type": "direct"})
    export["queues"].append({"name": "other", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}})
    vhost, rows = definitions_in(export, "shop", where="a file")
    found = definitions_from_json(rows)
    assert (vhost, found) == ("shop", made)
    if any(policy.exact_name for policy in made.policies if policy.apply_to == "queues"):
        assert topology_name(found, vhost) == topology.name


def test_the_project_s_own_topology_comes_back() -> None:
    topology = project_topology()
    made = definitions_of(topology)
    owned = Ownership(topology.name).having((*made.exchanges, *made.queues, *made.bindings, *made.policies))
    imported = import_definitions(made, topology_name(made, "/"))
    proof = prove(text_of(imported, "somewhere"), Observed(made), owned)
    assert (proof.errors, proof.plan and proof.plan.changes) == ((), ())
    assert imported.document["queues"]["waveform.generate.complete"] == {
        "bindings": [{"source": "tracktion.events", "routing_key": "waveform.generate.complete"}],
        "ttl": "7d",
        "max_length": 100000,
    }
    assert not [name for name in imported.document["queues"] if name.endswith((".dlq", ".audit"))]
    assert not [name for name in imported.document["exchanges"] if ".dlx" in name]


def test_what_somebody_bound_to_the_plumbing_of_dead_letters_is_told() -> None:
    made = definitions_of(Topology.model_validate({"version": 1, "name": "shop", "queues": {"a": {}, "b": {}}}))
    foreign = BindingDefinition("shop.dlx", "b", "queue", "#")
    found = import_definitions(replace(made, bindings=(*made.bindings, foreign)), "shop")
    assert found.document["queues"] == {"a": {}, "b": {}}
    assert [note for note in found.notes if "shop.dlx" in note] == [
        'A binding between "shop.dlx" and the queue "b" is not in the file, since one of them is not'
    ]


@pytest.mark.parametrize("vhost", ["/", "prod/eu 1", "..", "音"])
def test_a_broker_without_policies_gives_a_name_that_a_topology_may_have(vhost: str) -> None:
    Topology.model_validate({"version": 1, "name": topology_name(Definitions(), vhost)})
