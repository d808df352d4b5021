"""Private RabbitMQ and Redis: on free loopback ports, their data in a temporary folder."""
