from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
)
from pipeline.topology.matching import ConsistentHashMatcher, TopicMatcher, headers_match
from pipeline.topology.route import Router, route


def definitions(
    exchanges: dict[str, str],
    bindings: list[tuple[str, str, str]],
    alternates: dict[str, str] | None = None,
    arguments: dict[str, Any] | None = None,
) -> Definitions:
    """`bindings` are (source, destination, key); a destination that is an exchange is bound as one."""
    policies = [
        PolicyDefinition(name, f"^{name}$", {"alternate-exchange": to}, "exchanges")
        for name, to in (alternates or {}).items()
    ]
    return Definitions(
        exchanges=tuple(ExchangeDefinition(name, kind, arguments=arguments or {}) for name, kind in exchanges.items()),
        queues=tuple(QueueDefinition(name) for name in sorted({b[1] for b in bindings} - set(exchanges))),
        bindings=tuple(
            BindingDefinition(source, to, "exchange" if to in exchanges else "queue", key)
            for source, to, key in bindings
        ),
        policies=tuple(policies),
    )


def test_direct_exchange_compares_the_whole_key() -> None:
    world = definitions({"x": "direct"}, [("x", "a", "k"), ("x", "b", "k"), ("x", "c", "k.*"), ("x", "d", "")])
    assert route(world, "x", "k") == ("a", "b")
    assert route(world, "x", "k.*") == ("c",)
    assert route(world, "x", "") == ("d",)
    assert route(world, "x", "other") == ()


def test_fanout_exchange_ignores_the_key() -> None:
    world = definitions({"x": "fanout"}, [("x", "a", "k"), ("x", "b", "")])
    assert route(world, "x", "anything") == ("a", "b")


def test_default_exchange_reaches_a_queue_by_its_name() -> None:
    world = definitions({"x": "fanout"}, [("x", "a", "")])
    assert route(world, "", "a") == ("a",)
    assert route(world, "", "b") == ()


def test_unknown_exchange_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        route(Definitions(), "nowhere", "k")


def test_a_queue_bound_twice_is_reached_once() -> None:
    world = definitions({"x": "topic"}, [("x", "a", "#"), ("x", "a", "k"), ("x", "a", "*")])
    assert route(world, "x", "k") == ("a",)


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("#", ["", "a", "a.b", ".", "a..b"], []),
        ("*", ["a"], ["", "a.b", "."]),
        ("", [""], ["a", "."]),
        ("file.#", ["file", "file.created", "file.a.b", "file."], ["files", "", "a.file"]),
        ("file.*", ["file.created", "file."], ["file", "file.a.b"]),
        ("*.*", [".", "a.b", "a."], ["a", "", ".."]),
        ("#.b", ["b", "a.b", ".b", "a.a.b"], ["", "a", "b.a"]),
        ("a.#.b", ["a.b", "a.x.b", "a..b", "a.b.b"], ["a", "b", "ab"]),
        ("#.#", ["", "a", "a.b"], []),
        ("*.#", ["a", "a.b"], [""]),
        ("a.#.*", ["a.b", "a.b.c"], ["a"]),
        ("a*", ["a*"], ["ab", "a"]),
    ],
)
def test_topic_patterns_match_as_the_protocol_says(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    world = definitions({"x": "topic"}, [("x", "q", pattern)])
    assert [key for key in fits + fits_not if route(world, "x", key)] == fits


def fits(pattern: list[str], words: list[str]) -> bool:
    """The definition, word for word."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return fits(pattern[1:], words) or (bool(words) and fits(pattern, words[1:]))
    return bool(words) and pattern[0] in ("*", words[0]) and fits(pattern[1:], words[1:])


def split(key: str) -> list[str]:
    return key.split(".") if key else []


WORDS = st.lists(st.sampled_from(["a", "b", "", "*", "#"]), max_size=6).map(".".join)


@given(patterns=st.lists(WORDS, max_size=8, unique=True), key=WORDS)
def test_topic_matcher_agrees_with_the_definition(patterns: list[str], key: str) -> None:
    matcher = TopicMatcher([BindingDefinition("x", pattern, "queue", pattern) for pattern in patterns])
    found = [binding.routing_key for binding in matcher.possible(key)]
    assert sorted(found) == sorted(pattern for pattern in patterns if fits(split(pattern), split(key)))


def test_many_wildcards_in_a_pattern_and_a_long_key_stay_affordable() -> None:
    matcher = TopicMatcher([BindingDefinition("x", "q", "queue", ".".join(["#", "a"] * 40 + ["end"]))])
    assert matcher.possible(".".join(["a"] * 2000)) == []
    assert len(matcher.possible(".".join(["a"] * 2000 + ["end"]))) == 1


@pytest.mark.parametrize(
    ("arguments", "headers", "expected"),
    [
        ({"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 0}, True),
        ({"a": 1, "b": "x"}, {"a": 1}, False),
        ({"x-match": "all", "a": 1}, {"a": 2}, False),
        ({"x-match": "any", "a": 1, "b": 2}, {"b": 2}, True),
        ({"x-match": "any", "a": 1, "b": 2}, {"a": 2, "b": 1}, False),
        ({}, {"a": 1}, True),
        ({"x-match": "any"}, {"a": 1}, False),
        ({"a": None}, {"a": "whatever"}, True),
        ({"a": None}, {}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"x-kind": "a", "b": 1}, {"b": 1}, True),
        ({"x-match": "all-with-x", "x-kind": "a", "b": 1}, {"b": 1}, False),
        ({"x-match": "all-with-x", "x-kind": "a", "b": 1}, {"b": 1, "x-kind": "a"}, True),
        ({"x-match": "any-with-x", "x-kind": "a"}, {"x-kind": "a"}, True),
        ({"x-match": "any", "x-kind": "a"}, {"x-kind": "a"}, False),
    ],
)
def test_headers_bindings_match_as_rabbitmq_does(arguments: Any, headers: Any, expected: bool) -> None:
    assert headers_match(arguments, headers) is expected


def test_headers_exchange_looks_at_each_message_anew() -> None:
    world = Definitions(
        exchanges=(ExchangeDefinition("x", "headers"), ExchangeDefinition("front", "fanout")),
        queues=(QueueDefinition("a"),),
        bindings=(
            BindingDefinition("front", "x", "exchange", ""),
            BindingDefinition("x", "a", "queue", "", {"kind": "a"}),
        ),
    )
    router = Router.of(world)
    assert router.route("front", "k") == ()
    assert router.route("front", "k", {"kind": "a"}) == ("a",)
    assert router.route("front", "k", {"kind": "b"}) == ()
    assert router.possible("front", "k")[0] == {"a"}


def test_exchanges_bound_to_exchanges_pass_messages_on_with_their_key() -> None:
    world = definitions({"old": "fanout", "new": "topic"}, [("old", "new", ""), ("new", "q", "a.*"), ("new", "r", "b")])
    assert route(world, "old", "a.b") == ("q",)


def test_exchanges_bound_in_a_circle_are_each_passed_once() -> None:
    world = definitions(
        {"a": "fanout", "b": "fanout"}, [("a", "b", ""), ("b", "a", ""), ("b", "b", ""), ("b", "q", "")]
    )
    assert route(world, "a", "k") == ("q",)


def test_alternate_exchange_gets_what_nothing_matches() -> None:
    world = definitions({"x": "direct", "lost": "fanout"}, [("x", "q", "k"), ("lost", "found", "")], {"x": "lost"})
    assert route(world, "x", "k") == ("q",)
    assert route(world, "x", "other") == ("found",)


def test_alternate_exchange_stays_out_where_an_exchange_matched_that_drops_the_message() -> None:
    world = definitions(
        {"x": "fanout", "deaf": "direct", "lost": "fanout"}, [("x", "deaf", ""), ("lost", "found", "")], {"x": "lost"}
    )
    assert route(world, "x", "k") == ()


def test_alternates_in_a_circle_end() -> None:
    world = definitions({"x": "direct", "y": "direct"}, [("y", "q", "k")], {"x": "y", "y": "x"})
    assert route(world, "x", "k") == ("q",)
    assert route(world, "x", "other") == ()


def test_an_argument_wins_over_a_policy_and_a_higher_policy_over_a_lower() -> None:
    exchanges = (
        ExchangeDefinition("x", "direct", arguments={"alternate-exchange": "one"}),
        ExchangeDefinition("y", "direct"),
        ExchangeDefinition("one", "fanout"),
        ExchangeDefinition("two", "fanout"),
    )
    bindings = (BindingDefinition("one", "first", "queue", ""), BindingDefinition("two", "second", "queue", ""))
    policies = (
        PolicyDefinition("all", "^[xy]", {"alternate-exchange": "two"}, "all", priority=1),
        PolicyDefinition("y", "^y$", {"alternate-exchange": "one"}, "exchanges", priority=0),
        PolicyDefinition("queues", "^y$", {"alternate-exchange": "one"}, "queues", priority=9),
    )
    router = Router.of(Definitions(exchanges=exchanges, bindings=bindings, policies=policies))
    assert router.route("x", "k") == ("first",)
    assert router.route("y", "k") == ("second",)


def test_a_hashed_message_goes_to_one_queue_and_always_the_same() -> None:
    world = definitions({"x": "x-consistent-hash"}, [("x", name, "1") for name in "abcd"])
    router = Router.of(world)
    keys = [f"recording-{index}" for index in range(400)]
    chosen = [router.route("x", key) for key in keys]
    assert all(len(each) == 1 for each in chosen)
    assert [Router.of(world).route("x", key) for key in keys] == chosen
    assert {each[0] for each in chosen} == set("abcd")
    assert router.possible("x", "any")[0] == set("abcd")


def test_a_hash_header_keeps_what_belongs_together_in_one_queue() -> None:
    world = definitions(
        {"x": "x-consistent-hash"}, [("x", name, "1") for name in "abcd"], arguments={"hash-header": "owner"}
    )
    router = Router.of(world)
    assert len({router.route("x", f"key-{index}", {"owner": "me"}) for index in range(50)}) == 1
    assert len({router.route("x", "key", {"owner": f"user-{index}"}) for index in range(50)}) == 4


def test_weights_of_a_hash_exchange_share_the_messages_out() -> None:
    bindings = [BindingDefinition("x", "light", "queue", "1"), BindingDefinition("x", "heavy", "queue", "9")]
    matcher = ConsistentHashMatcher(bindings, {})
    chosen = [matcher.matching(f"key-{index}", {})[0].destination for index in range(2000)]
    assert 0.85 < chosen.count("heavy") / len(chosen) < 0.95


def test_an_exchange_type_of_unknown_routing_is_an_error() -> None:
    with pytest.raises(ValueError, match="x-delayed-message"):
        Router.of(definitions({"x": "x-delayed-message"}, []))


def test_a_router_forgets_rather_than_grows_with_every_key() -> None:
    router = Router.of(definitions({"x": "topic"}, [("x", "q", "reply.#")]))
    assert all(router.route("x", f"reply.{index}") == ("q",) for index in range(10_050))
    assert len(router._remembered) <= 10_000
