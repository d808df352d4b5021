"""The engine: a declared RabbitMQ topology, provisioned, and the stages it wires to the queues."""
