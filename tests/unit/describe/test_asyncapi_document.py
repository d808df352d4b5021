"""The AsyncAPI document says what the topology says: every address, who sends, who receives, and what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft7Validator

from pipeline.app.describing import describe
from pipeline.topology.load import load
from stages.examples import EXAMPLES
from tests.unit.describe.odd_topology import odd_document

ROOT = Path(__file__).parents[3]
TOPOLOGY = load(ROOT / "topology.yaml", {})
DOCUMENT = describe(TOPOLOGY)
CHANNELS, OPERATIONS = DOCUMENT["channels"], DOCUMENT["operations"]
MESSAGES = DOCUMENT["components"]["messages"]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolve(document: Any, reference: str) -> Any:
    for key in reference.removeprefix("#/").split("/"):
        document = document[key]
    return document


def names(operation: dict[str, Any]) -> list[str]:
    return [reference["$ref"].rpartition("/")[2] for reference in operation["messages"]]


@pytest.mark.parametrize("document", [DOCUMENT, odd_document()], ids=["shipped", "odd names"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert len(found) > 10
    for reference in found:
        resolve(document, reference)


@pytest.mark.parametrize("document", [DOCUMENT, odd_document()], ids=["shipped", "odd names"])
def test_an_operation_only_names_messages_of_its_channel(document: dict[str, Any]) -> None:
    for operation in document["operations"].values():
        for part in (operation, operation.get("reply", operation)):
            channel = part["channel"]["$ref"]
            assert part["messages"]
            assert all(reference["$ref"].startswith(f"{channel}/messages/") for reference in part["messages"])


@pytest.mark.parametrize("name", TOPOLOGY.messages)
def test_every_message_is_published_where_the_topology_says(name: str) -> None:
    exchange = TOPOLOGY.exchange_name(TOPOLOGY.messages[name].exchange)
    channel = CHANNELS[f"exchange.{exchange}.{name}"]
    assert channel["address"] == name
    assert list(channel["messages"]) == [name]
    binding = channel["bindings"]["amqp"]
    assert binding["is"] == "routingKey"
    assert binding["exchange"]["name"] == exchange


@pytest.mark.parametrize("name", TOPOLOGY.queues)
def test_every_queue_is_a_channel_with_what_is_routed_to_it(name: str) -> None:
    channel = CHANNELS[f"queue.{name}"]
    assert channel["bindings"]["amqp"]["queue"]["name"] == name
    assert channel["messages"]
    assert channel["x-queue"].get("dead_letter_queue") == TOPOLOGY.dead_letter_queue(name)
    assert channel["x-queue"]["external"] == TOPOLOGY.queues[name].external


def test_a_queue_bound_by_a_pattern_shows_every_message_that_the_pattern_lets_through() -> None:
    assert set(CHANNELS["queue.analysis.lifecycle.events"]["messages"]) == {
        name for name, message in TOPOLOGY.messages.items() if message.exchange == "file_events"
    }


@pytest.mark.parametrize("name", TOPOLOGY.stages)
def test_every_stage_receives_and_sends_what_the_topology_says(name: str) -> None:
    stage = TOPOLOGY.stages[name]
    for queue, messages in stage.from_.items():
        operation = OPERATIONS[f"stage.{name}.receive.{queue}"]
        assert (operation["action"], names(operation)) == ("receive", list(messages))
    for message in stage.emits:
        operation = OPERATIONS[f"stage.{name}.send.{message}"]
        assert (operation["action"], names(operation)) == ("send", [message])
        assert operation["bindings"]["amqp"]["deliveryMode"] == 2


def test_every_source_sends_what_the_topology_says() -> None:
    sent = [names(each) for key, each in OPERATIONS.items() if key.startswith("source.watcher.send.")]
    assert sent == [[message] for message in TOPOLOGY.sources["watcher"].emits]


def test_programs_outside_consume_the_external_queues_and_send_what_nothing_here_emits() -> None:
    received = {key for key in OPERATIONS if key.startswith("outside.receive.")}
    assert received == {f"outside.receive.{key}" for key, queue in TOPOLOGY.queues.items() if queue.external}
    assert names(OPERATIONS["outside.send.analysis.request"]) == ["analysis.request"]
    assert "outside.send.file.analyze" not in OPERATIONS
    emitted = {message for stage in TOPOLOGY.stages.values() for message in stage.emits}
    assert not {f"outside.send.{message}" for message in emitted} & OPERATIONS.keys()


def test_a_request_whose_answer_leaves_the_pipeline_has_a_reply() -> None:
    operation = odd_document()["operations"]["stage.work.receive.all_of_it"]
    assert operation["reply"]["channel"] == {"$ref": "#/channels/exchange..quite_plain"}
    assert "reply" not in OPERATIONS["stage.catalog.receive.cataloging.file.events"]


@pytest.mark.parametrize(
    ("name", "message", "example"),
    [(name, message, example) for name, message in MESSAGES.items() for example in message.get("examples", ())],
)
def test_every_example_is_valid_by_the_schemas_beside_it(
    name: str, message: dict[str, Any], example: dict[str, Any]
) -> None:
    for part, schema in (("payload", message["payload"]), ("headers", message.get("headers"))):
        if schema is not None:
            Draft7Validator({**schema, "components": DOCUMENT["components"]}).validate(example[part])


def test_the_examples_are_those_of_the_contract_document() -> None:
    for name, bodies in EXAMPLES.items():
        assert [example["payload"] for example in MESSAGES[name]["examples"]] == list(bodies)


def test_headers_and_correlation_of_a_message_are_described() -> None:
    message = MESSAGES["analysis.request"]
    common, own = message["headers"]["allOf"]
    assert own["properties"] == {"x-message-name": {"const": "analysis.request"}}
    described = resolve(DOCUMENT, common["$ref"])["properties"]
    assert {"x-message-name", "x-attempt", "x-error-code", "traceparent"} <= described.keys()
    assert message["correlationId"]["location"] == "$message.payload#/correlation_id"


def test_the_websocket_has_all_its_messages_in_both_directions() -> None:
    assert CHANNELS["websocket"]["address"] == "/v1/ws"
    assert len(names(OPERATIONS["websocket.receive"])) == 5
    assert len(names(OPERATIONS["websocket.send"])) == 12
    assert "headers" not in MESSAGES["Ping_Message"]


def test_keys_stay_apart_where_names_differ_in_odd_characters_only() -> None:
    channels = odd_document()["channels"]
    assert {"queue.all_of_it", "queue.all_of_it_2"} <= channels.keys()
    assert [channels["queue.all_of_it"]["address"], channels["queue.all_of_it_2"]["address"]] == [
        "all of it",
        "all_of_it",
    ]
