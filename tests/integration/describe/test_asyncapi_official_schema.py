"""The AsyncAPI document, held against the schema that the makers of AsyncAPI publish."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft7Validator

from pipeline.app.describing import describe
from pipeline.describe.writing import json_text, yaml_text
from pipeline.topology.load import load
from tests.unit.describe.odd_topology import odd_document

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    """Fetched where it is not there yet."""
    subprocess.run(["ops/install/asyncapi.sh"], cwd=ROOT, check=True, timeout=100)
    schema = (ROOT / "build/asyncapi/node_modules/@asyncapi/specs/schemas/3.0.0.json").read_text()
    return Draft7Validator(json.loads(schema))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return describe(load(ROOT / "topology.yaml", {}))


def test_the_document_of_the_shipped_topology_is_valid(official: Draft7Validator, document: dict[str, Any]) -> None:
    official.validate(document)


@pytest.mark.parametrize(("written", "read"), [(json_text, json.loads), (yaml_text, yaml.safe_load)])
def test_it_is_valid_as_it_is_written(
    official: Draft7Validator, document: dict[str, Any], written: Any, read: Any
) -> None:
    text = written(document)
    assert read(text) == document
    official.validate(read(text))


def test_the_document_of_a_topology_with_odd_names_is_valid(official: Draft7Validator) -> None:
    official.validate(odd_document())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("asyncapi", "2.6.0"),
        ("info/version", None),
        ("servers/rabbitmq/protocol", 5),
        ("channels/queue.analysis_queue/bindings/amqp/is", "topic"),
        ("channels/queue.analysis_queue/bindings/amqp/exchange", {"name": "x"}),
        ("channels/exchange.file_events.file.created/bindings/amqp/exchange/type", "x-topic"),
        ("operations/stage.catalog.send.file.analyze/action", "publish"),
        ("operations/stage.catalog.send.file.analyze/bindings/amqp/deliveryMode", 3),
        ("components/messages/file.created/payload", {"type": "strnig"}),
        ("components/messages/file.created/examples", [{"body": {}}]),
        ("components/messages/file.created/correlationId/location", "correlation_id"),
    ],
)
def test_the_schema_refuses_a_document_with_a_fault(
    official: Draft7Validator, document: dict[str, Any], path: str, value: Any
) -> None:
    broken = copy.deepcopy(document)
    *parents, last = path.split("/")
    holder = broken
    for key in parents:
        holder = holder[key]
    holder[last] = value
    assert not official.is_valid(broken)
