"""What the API needs from the rest of the system, given by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from api.security.access import Access
from pipeline.broker.port import Broker
from pipeline.dlq.refusal import Validate
from pipeline.graph.live import Flow
from pipeline.state.port import StateStore
from pipeline.topology.model import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Connected engines and the functions over them.

    Attributes:
        model_of: the model that validates a message, by the message's name in the topology.
        refusal_of: why the stage of a dead letter's queue would refuse it again, if it would.
        publish: publishes a message by name, confirmed, under a message id. May raise Permanent, Unroutable,
            NotConfirmed, Unreachable, StateUnavailable.
        definitions: what the broker holds now, in the form of RabbitMQ's definitions export.
        flows: what the queues hold and how fast they move, by name. May raise PipelineError.
        roots: the library's folders; paths are shown relative to them.
        data_dir: the folder with generated files; nothing outside it is handed out.
        examples: bodies by message name, for the description of the API.
        host: the address the API is served at, accepted as `Host` beside the loopback names.
        access: who may come in.
        allowed_origins: origins besides our own that may connect and post, `https://example.org`.
    """

    state: StateStore
    broker: Broker
    topology: Topology
    model_of: Callable[[str], type[BaseModel]]
    refusal_of: Validate
    publish: Callable[[str, BaseModel, str], Awaitable[None]]
    definitions: Callable[[], Awaitable[Mapping[str, Any]]]
    flows: Callable[[], Awaitable[Mapping[str, Flow]]]
    roots: Sequence[Path]
    data_dir: Path
    version: str
    examples: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    profile: str = "dev"
    host: str = "127.0.0.1"
    allowed_origins: Sequence[str] = ()
    access: Access = field(default_factory=Access)
