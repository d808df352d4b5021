"""The embedded broker's model alone, in virtual time. What it shares with RabbitMQ is in tests/conformance."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.broker.embedded import BrokerModel
from pipeline.broker.port import Delivery
from pipeline.clock import ManualClock
from pipeline.errors import NoSuchQueue, NotConfirmed, PipelineError, Unroutable
from pipeline.messages.message import Message
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
)

DAY = 24 * 3600


def queue_policy(queue: str, **definition: object) -> PolicyDefinition:
    return PolicyDefinition(queue, f"^{queue}$", {key.replace("_", "-"): value for key, value in definition.items()})


def bodies(model: BrokerModel, queue: str) -> list[bytes]:
    taken = []
    while (delivery := model.get(queue)) is not None:
        taken.append(delivery.message.body)
        delivery.ack()
    return taken


def test_a_day_of_ttl_takes_no_time() -> None:
    clock = ManualClock()
    policy = queue_policy("work", message_ttl=DAY * 1000, dead_letter_exchange="", dead_letter_routing_key="work.dlq")
    model = BrokerModel(
        Definitions(queues=(QueueDefinition("work"), QueueDefinition("work.dlq")), policies=(policy,)), clock
    )
    model.publish("", "work", Message(b"late"))
    clock.advance(DAY - 1)
    assert model.depth("work").messages == 1
    clock.advance(1)
    assert model.depth("work").messages == 0
    dead = model.get("work.dlq")
    assert dead is not None
    assert dead.message.headers["x-first-death-reason"] == "expired"


def test_a_retry_ladder_runs_in_virtual_time() -> None:
    clock = ManualClock()
    tiers = ("retry.5s", "retry.30s")
    model = BrokerModel(
        Definitions(
            exchanges=tuple(ExchangeDefinition(tier, "fanout") for tier in tiers),
            queues=(QueueDefinition("work"), *(QueueDefinition(tier) for tier in tiers)),
            bindings=tuple(BindingDefinition(tier, tier, "queue", "") for tier in tiers),
            policies=tuple(
                queue_policy(tier, message_ttl=delay, dead_letter_exchange="")
                for tier, delay in zip(tiers, (5_000, 30_000), strict=True)
            ),
        ),
        clock,
    )
    seen: list[float] = []

    def fail_twice(delivery: Delivery) -> None:
        seen.append(clock.time() - start)
        if len(seen) <= len(tiers):
            model.publish(tiers[len(seen) - 1], "work", replace(delivery.message, headers={"x-attempt": len(seen)}))
        delivery.ack()

    start = clock.time()
    model.subscribe("work", fail_twice, prefetch=1)
    model.publish("", "work", Message(b"flaky"))
    clock.advance(60)
    assert seen == [0, 5, 35]


def test_declaring_twice_changes_nothing() -> None:
    definitions = Definitions(
        exchanges=(ExchangeDefinition("events", "topic"),),
        queues=(QueueDefinition("work", arguments={"x-max-priority": 5}),),
        bindings=(BindingDefinition("events", "work", "queue", "a.*"),),
        policies=(queue_policy("work", max_length=5),),
    )
    model = BrokerModel(definitions)
    model.publish("events", "a.b", Message(b"kept"))
    model.declare(definitions)
    assert model.definitions() == definitions
    assert model.depth("work").messages == 1


def test_redeclaring_with_other_immutable_arguments_is_refused_and_changes_nothing() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work", arguments={"x-max-priority": 5}),)))
    before = model.definitions()
    with pytest.raises(PipelineError, match="work exists with other immutable settings"):
        model.declare(
            Definitions(queues=(QueueDefinition("new"), QueueDefinition("work", arguments={"x-max-priority": 9})))
        )
    assert model.definitions() == before


def test_a_classic_queue_equals_one_without_a_type() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work"),)))
    model.declare(Definitions(queues=(QueueDefinition("work", arguments={"x-queue-type": "classic"}),)))
    assert len(model.definitions().queues) == 1


def test_a_binding_to_nowhere_is_refused_by_name() -> None:
    with pytest.raises(PipelineError, match="needs nowhere, which is not declared"):
        BrokerModel(
            Definitions(
                exchanges=(ExchangeDefinition("events", "topic"),),
                bindings=(BindingDefinition("events", "nowhere", "queue", "#"),),
            )
        )


def test_an_exchange_type_it_does_not_have_is_refused() -> None:
    with pytest.raises(PipelineError, match="x-delayed-message"):
        BrokerModel(Definitions(exchanges=(ExchangeDefinition("late", "x-delayed-message"),)))


def test_a_lowered_length_limit_drops_the_oldest_messages_at_once() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work"),)))
    for number in range(5):
        model.publish("", "work", Message(b"%d" % number))
    model.declare(Definitions(policies=(queue_policy("work", max_length=2),)))
    assert bodies(model, "work") == [b"3", b"4"]


def test_a_removed_policy_is_no_longer_in_force() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work"),), policies=(queue_policy("work", max_length=1),)))
    model.delete_policy("work")
    model.publish("", "work", Message(b"1"))
    model.publish("", "work", Message(b"2"))
    assert bodies(model, "work") == [b"1", b"2"]


def test_the_policy_with_the_highest_priority_applies_alone() -> None:
    weak = PolicyDefinition("weak", ".*", {"max-length": 1, "message-ttl": 1}, priority=1)
    strong = PolicyDefinition("strong", "^work$", {"max-length": 2}, priority=2)
    clock = ManualClock()
    model = BrokerModel(Definitions(queues=(QueueDefinition("work"),), policies=(weak, strong)), clock)
    for number in range(3):
        model.publish("", "work", Message(b"%d" % number))
    clock.advance(DAY)
    assert bodies(model, "work") == [b"1", b"2"]


def test_a_policy_whose_pattern_is_no_regular_expression_is_refused_by_name() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work"),)))
    with pytest.raises(PipelineError, match="policy odd"):
        model.declare(Definitions(policies=(PolicyDefinition("odd", "*(", {}),)))
    assert model.definitions().policies == ()


def test_an_added_binding_counts_for_the_next_message() -> None:
    model = BrokerModel(
        Definitions(exchanges=(ExchangeDefinition("events", "direct"),), queues=(QueueDefinition("work"),))
    )
    with pytest.raises(Unroutable):
        model.publish("events", "key", Message(b"1"))
    binding = BindingDefinition("events", "work", "queue", "key")
    model.declare(Definitions(bindings=(binding,)))
    model.publish("events", "key", Message(b"2"))
    model.unbind(binding)
    with pytest.raises(Unroutable):
        model.publish("events", "key", Message(b"3"))
    assert bodies(model, "work") == [b"2"]


def test_a_deleted_queue_tells_its_consumers_and_loses_its_bindings() -> None:
    lost: list[str] = []
    model = BrokerModel(
        Definitions(
            exchanges=(ExchangeDefinition("events", "fanout"),),
            queues=(QueueDefinition("work"),),
            bindings=(BindingDefinition("events", "work", "queue", ""),),
        )
    )
    deliveries: list[Delivery] = []
    model.subscribe("work", deliveries.append, prefetch=1, on_lost=lambda: lost.append("work"))
    model.publish("events", "", Message(b"in hand"))
    model.publish("events", "", Message(b"waiting"))
    assert model.delete_queue("work") == 1
    deliveries[0].ack()
    assert lost == ["work"]
    assert model.definitions().bindings == ()
    with pytest.raises(NoSuchQueue):
        model.depth("work")


def test_a_deleted_exchange_can_not_be_published_to() -> None:
    model = BrokerModel(Definitions(exchanges=(ExchangeDefinition("events", "fanout"),)))
    model.delete_exchange("events")
    with pytest.raises(NotConfirmed, match="no exchange 'events'"):
        model.publish("events", "", Message(b""))


def test_an_auto_delete_queue_goes_with_its_last_consumer() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work", auto_delete=True),)))
    first = model.subscribe("work", lambda _: None, prefetch=1)
    second = model.subscribe("work", lambda _: None, prefetch=1)
    first.cancel()
    assert model.depth("work").consumers == 1
    second.cancel()
    with pytest.raises(NoSuchQueue):
        model.depth("work")


def test_a_single_active_consumer_is_followed_by_the_next() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work", arguments={"x-single-active-consumer": True}),)))
    first: list[bytes] = []
    second: list[bytes] = []

    def keep(seen: list[bytes], delivery: Delivery) -> None:
        seen.append(delivery.message.body)
        delivery.ack()

    active = model.subscribe("work", lambda delivery: keep(first, delivery), prefetch=1)
    model.subscribe("work", lambda delivery: keep(second, delivery), prefetch=1)
    for number in range(3):
        model.publish("", "work", Message(b"%d" % number))
    active.cancel()
    model.publish("", "work", Message(b"3"))
    assert (first, second) == ([b"0", b"1", b"2"], [b"3"])


def test_a_consumer_that_publishes_to_its_own_queue_is_not_reentered() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work"),)))
    depth = 0
    deepest = 0
    seen: list[int] = []

    def step(delivery: Delivery) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        number = int(delivery.message.body)
        seen.append(number)
        delivery.ack()
        if number < 5_000:
            model.publish("", "work", Message(b"%d" % (number + 1)))
        depth -= 1

    model.subscribe("work", step, prefetch=1)
    model.publish("", "work", Message(b"0"))
    assert seen == list(range(5_001))
    assert deepest == 1


def test_a_long_chain_of_dead_letters_does_not_recurse() -> None:
    names = [f"chain.{number}" for number in range(1_200)]
    queues = [
        QueueDefinition(
            name,
            arguments={"x-max-length": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": following},
        )
        for name, following in pairwise(names)
    ]
    model = BrokerModel(Definitions(queues=(*queues, QueueDefinition(names[-1]))))
    model.publish("", names[0], Message(b"falling"))
    assert model.depth(names[-1]).messages == 1


def test_two_queues_that_overflow_into_each_other_end() -> None:
    there = queue_policy("there", max_length=1, dead_letter_exchange="", dead_letter_routing_key="back")
    back = queue_policy("back", max_length=1, dead_letter_exchange="", dead_letter_routing_key="there")
    model = BrokerModel(Definitions(queues=(QueueDefinition("there"), QueueDefinition("back")), policies=(there, back)))
    for number in range(100):
        model.publish("", "there", Message(b"%d" % number))
    assert model.depth("there").messages == 1
    assert model.depth("back").messages == 1


def test_settling_twice_is_an_error() -> None:
    model = BrokerModel(Definitions(queues=(QueueDefinition("work"),)))
    model.publish("", "work", Message(b""))
    delivery = model.get("work")
    assert delivery is not None
    delivery.ack()
    with pytest.raises(RuntimeError, match="settled before"):
        delivery.reject()


def test_ten_thousand_messages_share_one_timer() -> None:
    clock = ManualClock()
    timers = 0
    original = clock.call_at

    def counting(when: float, callback: object) -> object:
        nonlocal timers
        timers += 1
        return original(when, callback)  # type: ignore[arg-type]

    clock.call_at = counting  # type: ignore[method-assign,assignment]
    model = BrokerModel(
        Definitions(queues=(QueueDefinition("work"),), policies=(queue_policy("work", message_ttl=DAY * 1000),)), clock
    )
    message = Message(b"x" * 500)
    for _ in range(10_000):
        model.publish("", "work", message)
    assert model.depth("work").messages == 10_000
    assert timers == 1
    clock.advance(DAY)
    assert model.depth("work").messages == 0


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.integers(0, 12)),
            st.tuples(st.sampled_from(["take", "requeue", "ack", "reject"]), st.integers(0, 5)),
        ),
        max_size=60,
    )
)
def test_no_message_is_lost_or_doubled_and_order_survives_requeueing(steps: list[tuple[str, int]]) -> None:
    model = BrokerModel(
        Definitions(
            queues=(QueueDefinition("work", arguments={"x-max-priority": 9}), QueueDefinition("dead")),
            policies=(queue_policy("work", dead_letter_exchange="", dead_letter_routing_key="dead"),),
        )
    )
    published = 0
    acked: list[int] = []
    in_hand: list[Delivery] = []
    priorities: dict[int, int] = {}
    for step, argument in steps:
        if step == "publish":
            priorities[published] = min(argument, 9)
            model.publish("", "work", Message(b"%d" % published, priority=argument))
            published += 1
        elif step == "take":
            delivery = model.get("work")
            if delivery is not None:
                in_hand.append(delivery)
        elif in_hand:
            delivery = in_hand.pop(argument % len(in_hand))
            if step == "ack":
                acked.append(int(delivery.message.body))
                delivery.ack()
            else:
                delivery.reject(requeue=step == "requeue")
    model.release()
    left = [int(body) for body in bodies(model, "work")]
    dead = [int(body) for body in bodies(model, "dead")]
    assert left == sorted(left, key=lambda number: (-priorities[number], number))
    assert sorted(left + dead + acked) == list(range(published))
