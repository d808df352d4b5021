"""The same work done by each: a process that consumes so many messages, and prints how long that took.

`python -m ops.bench.contenders.NAME WORK MESSAGES`, with RABBITMQ_URL and REDIS_URL.
"""
