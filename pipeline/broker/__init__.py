"""Brokers behind one port: RabbitMQ, and an embedded model of the same semantics."""
