"""Which broker and which state store serve, by the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pipeline.broker.embedded.engine import EmbeddedBroker
from pipeline.broker.port import Broker
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import PipelineError
from pipeline.settings import Settings
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import StateStore
from pipeline.state.store import RedisStore
from pipeline.topology.definitions import Definitions
from pipeline.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Engines:
    """A broker and a state store, not yet connected."""

    broker: Broker
    state: StateStore
    embedded: bool


def make_engines(settings: Settings, topology: Topology, definitions: Definitions) -> Engines:
    """RabbitMQ and Redis where their URLs are set, else the embedded engines, provisioned by the topology."""
    if settings.embedded:
        broker = EmbeddedBroker()
        broker.declare(definitions)
        return Engines(broker, EmbeddedStore(settings.pipeline_data_dir, prefix=topology.name), embedded=True)
    assert settings.redis_url is not None
    return Engines(rabbitmq(settings), RedisStore(settings.redis_url, prefix=topology.name), embedded=False)


@asynccontextmanager
async def opened(engines: Engines) -> AsyncIterator[Engines]:
    """Connected, until it is left. Raises Unreachable."""
    try:
        await engines.state.connect()
        await engines.broker.connect()
        yield engines
    finally:
        await engines.broker.close()
        await engines.state.close()


def rabbitmq(settings: Settings) -> RabbitMQBroker:
    """The broker at RABBITMQ_URL, which is set."""
    assert settings.rabbitmq_url is not None
    return RabbitMQBroker([url.strip() for url in settings.rabbitmq_url.split(",") if url.strip()])


def require_servers(settings: Settings, command: str) -> None:
    """Raises PipelineError where the embedded engines would serve: alone in its process, `command` is no use."""
    if settings.embedded:
        raise PipelineError(
            f"`pipeline {command}` needs RabbitMQ and Redis: RABBITMQ_URL and REDIS_URL are not set",
            fix="Set both, or use `pipeline up DIR`, which does everything in one process",
        )
