"""RabbitMQ behind the port."""

from pipeline.broker.rabbitmq.engine import RabbitMQBroker

__all__ = ["RabbitMQBroker"]
