"""Whether a broker has what a revision of the topology needs, before anything goes over to it."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.broker.port import Broker
from pipeline.errors import BrokerError, NoSuchQueue, PipelineError

_FIX = "Run `pipeline apply`"


async def require_queues(broker: Broker, queues: Iterable[str]) -> None:
    """Raises PipelineError for one that is not declared, Unreachable."""
    for queue in queues:
        try:
            await broker.depth(queue)
        except NoSuchQueue:
            raise PipelineError(f"Queue {queue!r} is not declared on the broker", fix=_FIX) from None
        except BrokerError:
            continue  # its user may not look at it


async def require_exchanges(broker: Broker, exchanges: Iterable[str]) -> None:
    """Raises PipelineError for one that is not declared, Unreachable."""
    for exchange in exchanges:
        try:
            found = await broker.has_exchange(exchange)
        except BrokerError:
            continue  # its user may not look at it
        if not found:
            raise PipelineError(f"Exchange {exchange!r} is not declared on the broker", fix=_FIX)
