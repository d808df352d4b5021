"""What a plan would keep from arriving: routes that lead to a queue now, and would not any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from pipeline.provision.changes import Kind, LostRoute, identity_of
from pipeline.provision.compare import Object, understood
from pipeline.topology.definitions import BindingDefinition, Definitions, PolicyDefinition
from pipeline.topology.matching import ROUTED_TYPES
from pipeline.topology.route import Router, alternates_of

_ALTERNATE = "alternate-exchange"
Publication = tuple[str, str]


def left_after(desired: Definitions, observed: Definitions, going: Collection[Object]) -> Definitions:
    """What the broker holds when everything is created, updated, replaced and deleted that a plan speaks of."""
    queues = {queue.name: queue for queue in observed.queues if (Kind.QUEUE, queue.name) not in going}
    queues |= {queue.name: queue for queue in desired.queues}
    exchanges = {each.name: each for each in observed.exchanges if (Kind.EXCHANGE, each.name) not in going}
    exchanges |= {exchange.name: exchange for exchange in desired.exchanges}
    policies = {policy.name: policy for policy in observed.policies if (Kind.POLICY, policy.name) not in going}
    policies |= {policy.name: policy for policy in desired.policies}
    bindings = {
        identity_of(binding): binding
        for binding in (*observed.bindings, *desired.bindings)
        if (Kind.BINDING, identity_of(binding)) not in going
        and (binding.destination in queues if binding.destination_type == "queue" else binding.destination in exchanges)
    }
    return Definitions(
        tuple(exchanges.values()), tuple(queues.values()), tuple(bindings.values()), tuple(policies.values())
    )


def lost_routes(
    before: Definitions, after: Definitions, published: Iterable[Publication] = ()
) -> Mapping[Object, tuple[LostRoute, ...]]:
    """Routes lost between two states of a broker, by the object whose going or changing loses them.

    Tried are the messages that are published, and for each binding that no published message loses, a key that
    fits it. Exchanges of plugins, whose routing is not known, lead nowhere here.

    Args:
        published: exchange and routing key of every message that is known to be published.
    """
    altered = _altered(before, after)
    if not altered:
        return {}
    was, now = _Routes(before), _Routes(after)
    lost: dict[Object, dict[LostRoute, None]] = {}

    def probe(exchange: str, routing_key: str, shown: str) -> None:
        for queue in sorted(was.queues(exchange, routing_key) - now.queues(exchange, routing_key)):
            route = LostRoute(exchange, shown, queue, stranded=not now.queues(exchange, routing_key))
            for cause in was.on_the_way(exchange, routing_key, queue):
                if cause in altered:
                    lost.setdefault(cause, {})[route] = None

    for exchange, routing_key in published:
        probe(exchange, routing_key, routing_key)
    for binding in before.bindings:
        ends = ((Kind.BINDING, identity_of(binding)), (Kind.EXCHANGE, binding.source))
        if any(end in altered for end in ends) and not any(end in lost for end in ends[:1]):
            probe(binding.source, _fitting(binding.routing_key), binding.routing_key)
    return {cause: tuple(routes) for cause, routes in lost.items()}


class _Routes:
    """A router over what is there, with the way back from a queue to what leads to it."""

    def __init__(self, definitions: Definitions) -> None:
        readable = tuple(
            policy for policy in definitions.policies if policy.apply_to in ("exchanges", "all") and understood(policy)
        )
        exchanges = tuple(exchange for exchange in definitions.exchanges if exchange.type in ROUTED_TYPES)
        self._router = Router.of(replace(definitions, exchanges=exchanges, policies=readable))
        self._exchanges = frozenset(exchange.name for exchange in exchanges)
        self._alternates = alternates_of(replace(definitions, policies=readable))
        self._policies = tuple(policy for policy in readable if _ALTERNATE in policy.definition)

    def queues(self, exchange: str, routing_key: str) -> set[str]:
        return self._possible(exchange, routing_key)[0]

    def on_the_way(self, exchange: str, routing_key: str, queue: str) -> Iterator[Object]:
        """The queue, and every binding, exchange and policy through which the message comes to it."""
        yield Kind.QUEUE, queue
        taken = self._possible(exchange, routing_key)[1]
        into: dict[tuple[str, str], list[BindingDefinition]] = {}
        for binding in taken:
            into.setdefault((binding.destination_type, binding.destination), []).append(binding)
        through = {binding.source for binding in taken} | {exchange}
        waiting, seen = [("queue", queue)], {("queue", queue)}
        for end in waiting:
            for binding in into.get(end, ()):
                yield Kind.BINDING, identity_of(binding)
                yield Kind.EXCHANGE, binding.source
                waiting += {("exchange", binding.source)} - seen
                seen.add(("exchange", binding.source))
            for source in (name for name, other in self._alternates.items() if end == ("exchange", other)):
                if source in through:
                    yield from ((Kind.POLICY, policy.name) for policy in self._policies if policy.matches(source))
                    waiting += {("exchange", source)} - seen
                    seen.add(("exchange", source))

    def _possible(self, exchange: str, routing_key: str) -> tuple[set[str], list[BindingDefinition]]:
        if exchange and exchange not in self._exchanges:
            return set(), []
        return self._router.possible(exchange, routing_key)


def _altered(before: Definitions, after: Definitions) -> set[Object]:
    """What is there before and not after, or routes in another way."""
    exchanges = {exchange.name: exchange.type for exchange in after.exchanges}
    alternates = {policy.name: _alternate(policy) for policy in after.policies}
    queues = {queue.name for queue in after.queues}
    bindings = {identity_of(binding) for binding in after.bindings}
    return {
        *((Kind.EXCHANGE, each.name) for each in before.exchanges if exchanges.get(each.name) != each.type),
        *((Kind.QUEUE, queue.name) for queue in before.queues if queue.name not in queues),
        *((Kind.BINDING, identity_of(each)) for each in before.bindings if identity_of(each) not in bindings),
        *(
            (Kind.POLICY, policy.name)
            for policy in before.policies
            if _ALTERNATE in policy.definition and alternates.get(policy.name) != _alternate(policy)
        ),
    }


def _alternate(policy: PolicyDefinition) -> tuple[object, str]:
    return policy.definition.get(_ALTERNATE), policy.pattern


def _fitting(pattern: str) -> str:
    """A routing key that the pattern takes, and that no one would spell out in another one."""
    return ".".join("any-word" if word in ("*", "#") else word for word in pattern.split("."))
