"""What is broken: workers, servers, the network between them. Each fault ends with all of it there again."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from pipeline.servers.tcp_proxy import TcpProxy
from pipeline.verify.site import Site, in_thread

_QUEUES = ("verify.enter", "verify.work", "verify.count")


class Fault(ABC):
    """One kind of fault.

    Attributes:
        others_serve: recovery is counted from when it is inflicted, since there is more than one of what is broken.
        momentary: it can come while any other lasts.
    """

    name: ClassVar[str]
    others_serve: ClassVar[bool] = False
    momentary: ClassVar[bool] = False

    @abstractmethod
    async def inflict(self, site: Site, chance: random.Random) -> str:
        """Break something and mend it; what exactly was done. Returns when what was broken answers again."""


class KillWorkers(Fault):
    """KILL to one worker, or to all."""

    name = "worker-kill"
    momentary = True

    async def inflict(self, site: Site, chance: random.Random) -> str:
        killed = site.workers.kill(chance.choice((1, 1, 2)))
        return f"{len(killed)} killed"


class DrainWorkers(Fault):
    """TERM to one worker, or to all: a deployment."""

    name = "worker-term"

    async def inflict(self, site: Site, chance: random.Random) -> str:
        drained = await site.workers.drain(chance.choice((1, 1, 2)))
        return f"{len(drained)} drained"


class RestartBroker(Fault):
    """RabbitMQ is stopped in order, and started again."""

    name = "broker-restart"
    _kill = False

    async def inflict(self, site: Site, chance: random.Random) -> str:
        node, away = site.nodes[0], chance.uniform(0.0, 4.0)
        await in_thread(partial(node.stop, kill=self._kill))
        await asyncio.sleep(away)
        await in_thread(node.start)
        return f"started again after {away:.1f} s"


class KillBroker(RestartBroker):
    """RabbitMQ is killed, and started again."""

    name = "broker-kill"
    _kill = True


class RestartRedis(Fault):
    """Redis is stopped in order, and started again."""

    name = "redis-restart"
    _kill = False

    async def inflict(self, site: Site, chance: random.Random) -> str:
        away = chance.uniform(0.2, 6.0)
        await in_thread(partial(site.redis.stop, kill=self._kill))
        await asyncio.sleep(away)
        await in_thread(site.redis.start)
        return f"started again after {away:.1f} s"


class KillRedis(RestartRedis):
    """Redis is killed, and started again."""

    name = "redis-kill"
    _kill = True


class CutConnections(Fault):
    """All connections are reset, some times in a row; new ones are served."""

    name = "cut"
    momentary = True

    async def inflict(self, site: Site, chance: random.Random) -> str:
        proxies, what = _some(site, chance)
        times = chance.randint(1, 3)
        for _ in range(times):
            for proxy in proxies:
                proxy.reset()
            await asyncio.sleep(chance.uniform(0.0, 1.0))
        return f"{what}, {times}×"


class Silence(Fault):
    """Nothing gets through, and nobody is told: connections are half-open. At the end they are reset."""

    name = "silence"

    async def inflict(self, site: Site, chance: random.Random) -> str:
        proxies, what = _some(site, chance)
        seconds = chance.uniform(3.0, 12.0)
        for proxy in proxies:
            proxy.silent = True
        try:
            await asyncio.sleep(seconds)
        finally:
            for proxy in proxies:
                proxy.reset()
                proxy.silent = False
        return f"{what}, {seconds:.1f} s"


class Delay(Fault):
    """Everything arrives late."""

    name = "delay"

    async def inflict(self, site: Site, chance: random.Random) -> str:
        proxies, what = _some(site, chance)
        seconds, late = chance.uniform(3.0, 6.0), chance.uniform(0.02, 0.4)
        for proxy in proxies:
            proxy.delay_s = late
        try:
            await asyncio.sleep(seconds)
        finally:
            for proxy in proxies:
                proxy.delay_s = 0.0
        return f"{what}, {late * 1000:.0f} ms for {seconds:.1f} s"


class MemoryAlarm(Fault):
    """RabbitMQ has too little memory and takes no messages."""

    name = "memory-alarm"
    _raise: ClassVar[tuple[str, ...]] = ("set_vm_memory_high_watermark", "0.00001")
    _clear: ClassVar[tuple[str, ...]] = ("set_vm_memory_high_watermark", "0.4")

    async def inflict(self, site: Site, chance: random.Random) -> str:
        node, seconds = site.nodes[0], chance.uniform(1.0, 4.0)
        await in_thread(partial(node.control, *self._raise))
        try:
            await asyncio.sleep(seconds)
        finally:
            await in_thread(partial(node.control, *self._clear))
        return f"{seconds:.1f} s"


class DiskAlarm(MemoryAlarm):
    """RabbitMQ has too little disk and takes no messages."""

    name = "disk-alarm"
    _raise = ("set_disk_free_limit", "10000GB")
    _clear = ("set_disk_free_limit", "50MB")


class CloseChannels(Fault):
    """RabbitMQ closes the channels of a queue's consumers, as it does for a protocol error."""

    name = "channel-close"
    # An ack of what was never delivered, as if the client had sent it.
    _PROGRAM = (
        'case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{queue}">>)) of {{ok, Q}} -> '
        "[rabbit_channel:do(element(1, C), {{'basic.ack', 999999999, false}}) || C <- rabbit_amqqueue:consumers(Q)]; "
        "_ -> none end."
    )

    async def inflict(self, site: Site, chance: random.Random) -> str:
        queue = chance.choice(_QUEUES)
        await in_thread(partial(site.nodes[0].control, "eval", self._PROGRAM.format(queue=queue)))
        return queue


class KillNode(Fault):
    """A node of the cluster is killed, and comes back."""

    name = "node-kill"
    others_serve = True
    _kill = True

    async def inflict(self, site: Site, chance: random.Random) -> str:
        number, away = chance.randrange(len(site.nodes)), chance.uniform(1.0, 8.0)
        node, cluster = site.nodes[number], site.cluster
        assert cluster is not None
        await in_thread(partial(node.stop, kill=self._kill))
        await asyncio.sleep(away)
        await in_thread(node.start)
        await in_thread(cluster.wait_for_all)
        return f"node {number + 1}, started again after {away:.1f} s"


class RestartNode(KillNode):
    """A node of the cluster is stopped in order, and comes back."""

    name = "node-restart"
    _kill = False


SINGLE: Sequence[type[Fault]] = (
    *(KillWorkers, DrainWorkers, RestartBroker, KillBroker, RestartRedis, KillRedis),
    *(CutConnections, Silence, Delay, MemoryAlarm, DiskAlarm, CloseChannels),
)
CLUSTER: Sequence[type[Fault]] = (KillNode, RestartNode, KillWorkers, CutConnections)


def _some(site: Site, chance: random.Random) -> tuple[list[TcpProxy], str]:
    """The network to RabbitMQ, to Redis, or both."""
    return chance.choice(
        ((site.amqp, "RabbitMQ"), ([site.resp], "Redis"), ([*site.amqp, site.resp], "RabbitMQ and Redis"))
    )
