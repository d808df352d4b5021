"""RabbitMQ's semantics in this process: a synchronous model, and the engine that puts it behind the port."""

from pipeline.broker.embedded.engine import EmbeddedBroker
from pipeline.broker.embedded.model import BrokerModel

__all__ = ["BrokerModel", "EmbeddedBroker"]
