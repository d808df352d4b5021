"""Generated permissions match exactly what they are for, in Python's regular expressions and in RabbitMQ's."""

from __future__ import annotations

import base64
import os
import random
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.topology.access import DEFAULT_EXCHANGE, rights_of
from pipeline.topology.definitions import Definitions
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from pipeline.topology.patterns import names_in, pattern_of

_ODD = ["a", "b", "A", ".", "*", "#", "+", "?", "(", ")", "[", "]", "{", "}", "|", "^", "$", "\\", "\\z", "\n", "\0"]
_ODD += [" ", "-", "_", "/", "%", "é", "\u2028", "😀", "{username}", "a|b", "(?i)", "\\Q", "x41"]
_NAMES = st.lists(st.sampled_from(_ODD), min_size=1, max_size=4).map("".join)
_CASES = 3000


def matched(pattern: str, names: Iterable[str]) -> set[str]:
    r"""As RabbitMQ does; `\z` is `\Z` in Python."""
    compiled = re.compile(re.sub(r"\\z$", r"\\Z", pattern))
    return {name for name in names if compiled.search(name)}


@settings(max_examples=300, deadline=None)
@given(st.sets(_NAMES, max_size=6), st.sets(_NAMES, max_size=12))
def test_a_pattern_matches_its_names_and_no_others(names: set[str], others: set[str]) -> None:
    pattern = pattern_of(names)
    assert matched(pattern, names | others) == names
    assert names_in(pattern) == names


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12) | _NAMES)
def test_a_pattern_of_somebody_else_is_not_taken_for_names(text: str) -> None:
    for pattern in (text, f"^{text}$", f"^(?:{text})\\z"):
        if (names := names_in(pattern)) is not None:
            assert matched(pattern, names) == names - ({""} if not names else set())


# Lines of a file: a name and a pattern, each in base64.
_ERLANG = """
{ok, Text} = file:read_file(os:getenv("CASES")),
[begin
    [Name, Pattern] = [base64:decode(Each) || Each <- binary:split(Line, <<" ">>)],
    io:format("~s~n", [re:run(Name, Pattern, [{capture, none}])])
end || Line <- binary:split(Text, <<"\\n">>, [global, trim])],
halt().
"""


@pytest.mark.rabbitmq
def test_the_brokers_regular_expressions_agree(tmp_path: Path) -> None:
    """Erlang's `re` on bytes, without options, as RabbitMQ calls it: 3,000 random pairs, half of them near misses."""
    chance = random.Random(4)
    cases = [_case(chance) for _ in range(_CASES)]
    file = tmp_path / "cases"
    file.write_text("".join(f"{_coded(name)} {_coded(pattern_of(names))}\n" for names, name in cases))
    command = ["erl", "-noinput", "-eval", _ERLANG.replace("\n", " ")]
    environment = {**os.environ, "CASES": str(file)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["match" if name in names else "nomatch" for names, name in cases]


def _case(chance: random.Random) -> tuple[set[str], str]:
    def name() -> str:
        return "".join(chance.choices(_ODD, k=chance.randint(1, 4)))

    names = {name() for _ in range(chance.randint(0, 4))}
    near = (
        chance.choice(sorted(names)) + chance.choice(["", "", "\n", "a"]) if names and chance.random() < 0.5 else name()
    )
    return names, near


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@st.composite
def _topologies(draw: st.DrawFn) -> Topology:
    def some(names: list[str]) -> list[str]:
        return draw(st.lists(st.sampled_from(names), unique=True)) if names else []

    def names(most: int) -> list[str]:
        return draw(st.lists(_NAMES, min_size=1, max_size=most, unique=True))

    queues, exchanges, messages, stages = names(4), names(3), names(4), names(3)
    types = st.sampled_from(["topic", "direct", "fanout"])
    document: dict[str, Any] = {
        "version": 1,
        "name": "t",
        "retries": {"r": {"delays": ["5s"]}, "s": {"delays": ["1s", "5s"]}},
        "exchanges": {name: {"type": draw(types)} for name in exchanges},
        "queues": {
            name: {"dead_letter": draw(st.booleans()), "external": draw(st.booleans()), "name": f"q{name}"}
            for name in queues
        },
        "messages": {
            name: {"model": "m:M", "exchange": draw(st.sampled_from([*exchanges, ""])), "routing_key": f"k{name}"}
            for name in messages
        },
        "stages": {
            name: {
                "from": {queue: [] for queue in some(queues) or queues[:1]},
                "run": ["m:f"],
                "emits": some(messages),
                "retry": draw(st.sampled_from([None, "r", "s"])),
            }
            for name in stages
        },
        "users": {
            name: {
                "password": {"env": "X"},
                "stages": draw(st.just("all") | st.just(some(stages))),
                "publishes": some(messages),
                "consumes": some(queues),
                "dead_letters": some(queues),
            }
            for name in names(2)
        },
    }
    return Topology.model_validate(document)


@settings(max_examples=150, deadline=None)
@given(_topologies(), st.sets(_NAMES, max_size=5))
def test_users_of_random_topologies_are_permitted_what_they_do_and_nothing_else(
    topology: Topology, others: set[str]
) -> None:
    definitions = definitions_of(topology)
    queues = {each.name for each in definitions.queues} | others
    exchanges = {each.name for each in definitions.exchanges} | others | {DEFAULT_EXCHANGE}
    keys = queues | {f"k{name}" for name in topology.messages} | others
    types = {each.name: each.type for each in definitions.exchanges}
    restricted = {(each.user, each.exchange): each for each in definitions.topic_permissions}
    for permission in definitions.permissions:
        takes, publishes = _does(topology, permission.user, definitions)
        assert matched(permission.configure, queues | exchanges) == set()
        assert matched(permission.read, queues | exchanges) == takes
        assert matched(permission.write, exchanges | queues) == {exchange for exchange, _ in publishes}
        for exchange in {exchange for exchange, _ in publishes if types.get(exchange) == "topic"}:
            topic = restricted.pop((permission.user, exchange))
            assert matched(topic.write, keys) == {key for name, key in publishes if name == exchange}
            assert matched(topic.read, keys) == set()
        assert rights_of(topology, permission.user).queues == takes
    assert not restricted


def _does(topology: Topology, name: str, definitions: Definitions) -> tuple[set[str], set[tuple[str, str]]]:
    """What a user's work takes from and publishes, written down a second time, from the runtime's side."""
    user = topology.users[name]
    takes = {f"q{queue}" for queue in user.consumes}
    publishes = {_address(topology, message) for message in user.publishes}
    shortest = next(
        (delay for delay in ("1s", "5s") if f"t.retry.{delay}" in {q.name for q in definitions.queues}), None
    )
    for stage_name in topology.stages if user.stages == "all" else user.stages:
        stage = topology.stages[stage_name]
        publishes |= {_address(topology, message) for message in stage.emits}
        waits = {"r": {"5s"}, "s": {"1s", "5s"}, None: set()}[stage.retry] | ({shortest} if shortest else set())
        for queue in stage.from_:
            takes.add(f"q{queue}")
            publishes |= {(f"t.retry.{wait}", f"q{queue}") for wait in waits}
            if topology.queues[queue].dead_letter:
                publishes.add(("t.dlx", f"q{queue}.dlq"))
    for queue in user.dead_letters:
        if topology.queues[queue].dead_letter:
            takes |= {f"q{queue}.dlq", "t.audit"}
            publishes |= {(DEFAULT_EXCHANGE, f"q{queue}"), ("t.dlx", "t.audit")}
    return takes, publishes


def _address(topology: Topology, message: str) -> tuple[str, str]:
    return topology.messages[message].exchange or DEFAULT_EXCHANGE, f"k{message}"
