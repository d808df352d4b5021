"""The plan of a whole topology, against the embedded engine and against nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.broker.embedded import EmbeddedBroker
from pipeline.provision.changes import Action, Kind
from pipeline.provision.compare import policy_targets
from pipeline.provision.definitions_json import definitions_from_json, definitions_to_json
from pipeline.provision.observe import Observed
from pipeline.provision.ownership import Ownership
from pipeline.provision.plan import plan
from pipeline.provision.render import render
from pipeline.topology.definitions import Definitions, PolicyDefinition, exactly
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology

_FILE = Path(__file__).parents[3] / "topology.yaml"


@pytest.fixture(scope="module")
def desired() -> Definitions:
    text = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", _FILE.read_text())
    return definitions_of(Topology.model_validate(yaml.safe_load(text)))


async def test_what_the_embedded_engine_declares_is_what_the_plan_wants(desired: Definitions) -> None:
    broker = EmbeddedBroker()
    assert plan(desired, Observed(broker.definitions()), Ownership("tracktion")).pending
    broker.declare(desired)
    handed_out = definitions_from_json(definitions_to_json(broker.definitions()))
    assert plan(desired, Observed(handed_out), Ownership("tracktion")).changes == ()


def test_a_new_broker_gets_every_object_once_and_nothing_is_risky(desired: Definitions) -> None:
    made = plan(desired, Observed(Definitions()), Ownership("tracktion"))
    assert {change.action for change in made.changes} == {Action.CREATE}
    assert not any("live" in line for line in render(made).split("\n"))
    assert made.count(Action.CREATE) == sum(
        map(len, (desired.exchanges, desired.queues, desired.bindings, desired.policies))
    )


def test_each_policy_of_the_topology_bears_on_the_one_object_it_is_for(desired: Definitions) -> None:
    objects = dict.fromkeys(
        [(Kind.QUEUE, queue.name) for queue in desired.queues]
        + [(Kind.EXCHANGE, exchange.name) for exchange in desired.exchanges]
    )
    for policy in desired.policies:
        (target,) = policy_targets(policy, objects)
        assert policy.matches(target[1])


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_policy_for_exactly_one_name_bears_on_that_name_only(name: str, other: str) -> None:
    policy = PolicyDefinition("p", exactly(name), {})
    objects = dict.fromkeys([(Kind.QUEUE, name), (Kind.QUEUE, other), (Kind.EXCHANGE, name)])
    assert policy_targets(policy, objects) == ((Kind.QUEUE, name),)
