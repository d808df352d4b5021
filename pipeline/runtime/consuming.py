"""What a stage's deliveries pass through: which queues are consumed, by whom they are taken, in which order."""

from __future__ import annotations

from pipeline.broker.port import Broker
from pipeline.runtime.crew import Crew
from pipeline.runtime.distributing import Distributor
from pipeline.runtime.handling import Handler, Services
from pipeline.runtime.lanes import Keys, Lanes
from pipeline.runtime.order import Order
from pipeline.runtime.shares import Shares
from pipeline.runtime.subscription import Subscription
from pipeline.topology.model import Topology
from pipeline.topology.stages import Stage

Arranged = tuple[list[Crew | Lanes], list[Subscription], Shares | None]
# Nothing is computed for these: they wait for the broker's confirm.
_DISTRIBUTED_AT_ONCE = 128


class Consuming:
    """For the stages of one revision of the topology."""

    def __init__(self, broker: Broker, services: Services, topology: Topology, hold_s: float) -> None:
        self._broker = broker
        self._services = services
        self._topology = topology
        self._hold_s = hold_s

    def arrange(self, name: str, stage: Stage, handler: Handler, size: int) -> Arranged:
        """Crews of so many runners, the subscriptions that feed them, and what shares those among workers."""
        if stage.order_by is None:
            crew = Crew(handler, size)
            return (
                [crew],
                [
                    self._subscription(stage, queue, self._topology.queue_name(queue), crew, size)
                    for queue in stage.from_
                ],
                None,
            )
        return self._in_order(name, stage, stage.order_by, handler, size)

    def _in_order(self, name: str, stage: Stage, field: str, handler: Handler, size: int) -> Arranged:
        keys = Keys(field, self._services.contracts)
        lanes = Lanes(handler, size, keys, lambda queue: Order(queue, self._broker, self._services.state.turns))
        crews: list[Crew | Lanes] = [lanes]
        subscriptions: list[Subscription] = []
        for queue in stage.from_:
            partitions = self._topology.partitions(queue)
            worked_on = partitions or [self._topology.queue_name(queue)]
            if partitions:
                distributor = Distributor(
                    self._broker,
                    self._topology.partition_exchange(queue),
                    len(partitions),
                    keys,
                    handler,
                    self._services.broker_up,
                    hashed=stage.hashing == "exchange",
                    hold_s=self._hold_s,
                )
                entry = Lanes(distributor, _DISTRIBUTED_AT_ONCE, keys)
                crews.append(entry)
                name_ = self._topology.queue_name(queue)
                subscriptions.append(self._subscription(stage, queue, name_, entry, _DISTRIBUTED_AT_ONCE))
            subscriptions += [self._subscription(stage, queue, each, lanes, size) for each in worked_on]
        shares = Shares(name, self._services.state, subscriptions) if stage.partitions else None
        return crews, subscriptions, shares

    def _subscription(self, stage: Stage, queue: str, name: str, crew: Crew | Lanes, size: int) -> Subscription:
        needed = () if self._topology.ledger(stage).when_away == "continue" else (self._services.state_up,)
        return Subscription(
            queue,
            name,
            broker=self._broker,
            prefetch=stage.prefetch or size,
            take=crew.take,
            leave=crew.leave,
            broker_up=self._services.broker_up,
            gates=(*needed, *self._services.breakers.of(stage.depends_on, self._topology)),
            in_order=stage.order_by is not None,
            connection=stage.connection,
        )
