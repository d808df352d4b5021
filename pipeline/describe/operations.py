"""The AMQP operations of an AsyncAPI document: what sources, stages and programs outside send and receive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.describe.channels import Channels
from pipeline.describe.payloads import AMQP_BINDING, Object
from pipeline.describe.references import keys_for, reference
from pipeline.topology.model import Topology

Named = tuple[str, Object]


def operations(topology: Topology, channels: Channels) -> dict[str, Object]:
    """The `operations` of the document.

    Sources and stages come first. What programs outside do is tagged `outside`: they consume external queues, and
    send the messages that nothing here emits.
    """
    named = [
        *_of_sources(topology, channels),
        *_of_stages(topology, channels),
        *_of_others(topology, channels),
    ]
    keys = keys_for(name for name, _ in named)
    return {keys[name]: operation for name, operation in named}


def _of_sources(topology: Topology, channels: Channels) -> Iterator[Named]:
    for source, declared in topology.sources.items():
        for message in declared.emits:
            yield (
                f"source.{source}.send.{message}",
                _send(topology, channels, message, f"The source {source}", "source"),
            )


def _of_stages(topology: Topology, channels: Channels) -> Iterator[Named]:
    for stage, declared in topology.stages.items():
        for queue, messages in declared.from_.items():
            operation = _receive(channels, queue, messages, f"The stage {stage}", "stage")
            yield f"stage.{stage}.receive.{queue}", operation | _reply(topology, channels, declared.emits)
        for message in declared.emits:
            yield f"stage.{stage}.send.{message}", _send(topology, channels, message, f"The stage {stage}", "stage")


def _of_others(topology: Topology, channels: Channels) -> Iterator[Named]:
    emitted = {message for source in topology.sources.values() for message in source.emits}
    emitted |= {message for stage in topology.stages.values() for message in stage.emits}
    for message in topology.messages:
        if message not in emitted:
            operation = _send(
                topology, channels, message, "Programs outside, the HTTP API, `pipeline publish`", "outside"
            )
            yield f"outside.send.{message}", operation
    for key, queue in topology.queues.items():
        if queue.external:
            messages = channels.in_queue(key)
            yield f"outside.receive.{key}", _receive(channels, key, messages, "Programs outside", "outside")


def _send(topology: Topology, channels: Channels, message: str, who: str, tag: str) -> Object:
    channel = channels.publication(message)
    priority = topology.messages[message].priority
    binding: Object = {"deliveryMode": 2, "mandatory": True, "timestamp": True}
    if priority is not None:
        binding["priority"] = priority
    return {
        "action": "send",
        "channel": reference("channels", channel),
        "summary": f"{who}: {message}",
        "messages": channels.messages(channel, [message]),
        "tags": [{"name": tag}],
        "bindings": {"amqp": {**binding, "bindingVersion": AMQP_BINDING}},
    }


def _receive(channels: Channels, queue: str, messages: Sequence[str], who: str, tag: str) -> Object:
    channel = channels.queue(queue)
    return {
        "action": "receive",
        "channel": reference("channels", channel),
        "summary": f"{who}: from {queue}",
        "messages": channels.messages(channel, messages),
        "tags": [{"name": tag}],
        "bindings": {"amqp": {"ack": True, "bindingVersion": AMQP_BINDING}},
    }


def _reply(topology: Topology, channels: Channels, emits: Sequence[str]) -> Object:
    """The answer to what is received, where there is one: a message for programs outside."""
    external = {name for key, queue in topology.queues.items() if queue.external for name in channels.in_queue(key)}
    answers = [message for message in emits if message in external]
    if len({channels.publication(message) for message in answers}) != 1:
        return {}
    channel = channels.publication(answers[0])
    return {"reply": {"channel": reference("channels", channel), "messages": channels.messages(channel, answers)}}
