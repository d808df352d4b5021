"""What the queues hold and how fast they move, asked of whichever broker there is."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from pipeline.broker.embedded.engine import EmbeddedBroker
from pipeline.broker.port import Broker
from pipeline.errors import NoSuchQueue, PipelineError
from pipeline.graph.live import Flow
from pipeline.provision.flows import flows_of
from pipeline.provision.management import ManagementClient
from pipeline.settings import Settings


def make_flows(broker: Broker, settings: Settings, names: Sequence[str]) -> Callable[[], Awaitable[Mapping[str, Flow]]]:
    """A function that tells the flow of each of these queues that the broker has. It may raise Unreachable."""
    if isinstance(broker, EmbeddedBroker):
        return EmbeddedFlows(broker, names)

    async def flows() -> Mapping[str, Flow]:
        # Without the management API, or the right to use it, depths are known all the same.
        with suppress(PipelineError):
            async with ManagementClient(settings.management_url, settings.vhost) as client:
                return await flows_of(client)
        return await _depths(broker, names)

    return flows


async def _depths(broker: Broker, names: Sequence[str]) -> dict[str, Flow]:
    """Of those that are there, without rates. Raises Unreachable."""
    found = {}
    for name in names:
        with suppress(NoSuchQueue):
            depth = await broker.depth(name)
            found[name] = Flow(depth.messages, depth.consumers)
    return found


class EmbeddedFlows:
    """Rates since it was last asked: what came, and what left by whatever way."""

    def __init__(self, broker: EmbeddedBroker, names: Sequence[str]) -> None:
        self._broker = broker
        self._names = names
        self._at = 0.0
        self._before: dict[str, tuple[int, int]] = {}

    async def __call__(self) -> Mapping[str, Flow]:
        at, found = time.monotonic(), await _depths(self._broker, self._names)
        totals, flows, lasted = {}, {}, at - self._at
        for name, flow in found.items():
            arrived = self._broker.arrived(name)
            totals[name] = arrived, arrived - (flow.messages or 0)
            before = self._before.get(name)
            flows[name] = flow
            if before is not None and lasted > 0:
                came, left = (max(0, now - then) / lasted for now, then in zip(totals[name], before, strict=True))
                flows[name] = Flow(flow.messages, flow.consumers, came, left)
        self._at, self._before = at, totals
        return flows
