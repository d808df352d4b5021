"""Topologies of all sorts, drawn by Hypothesis: odd names, every kind of exchange, dead letters that go anywhere."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_PLAIN = [f"{first}{second}" for first in "abcde" for second in ("", ".x", "_y")]
_ODD = [
    "yes",
    "1e3",
    "null",
    "~",
    "é ß",
    "音",
    "a b",
    "${HOME}",
    "$",
    "a:b",
    "# c",
    "- d",
    "[x]",
    "a'b",
    'a"b',
    "^a$",
    "*",
]
NAMES = st.sampled_from([*_PLAIN, *_ODD])
KEYS = st.sampled_from(["", "#", "*", "a", "a.b", "a.*", "#.b", "*.#", "$$", "1", "on", "é"])
_DURATIONS = st.sampled_from(["1ms", "999ms", "1s500ms", "1h", "7d", "49d"])
_TYPES = st.sampled_from(["direct", "topic", "fanout", "headers"])
_MATCHING = st.dictionaries(st.sampled_from(["k", "l", "x-match"]), st.sampled_from(["any", "all", "v"]), max_size=2)


def _with_options(base: dict[str, Any], **options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=options).map(lambda drawn: base | drawn)


@st.composite
def topologies(draw: st.DrawFn) -> dict[str, Any]:
    """The content of a topology file without stages; lint may find faults in how its messages flow."""
    exchanges = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    queues = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    return {
        "version": 1,
        "name": draw(st.sampled_from(["shop", "a.b", "x_1"])),
        "defaults": {"queue": draw(_with_options({}, type=st.just("quorum"), dead_letter=st.booleans()))},
        "exchanges": {name: draw(_exchange(exchanges)) for name in exchanges},
        "queues": {name: draw(_queue(exchanges)) for name in queues},
    }


def _exchange(exchanges: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    other = st.sampled_from(exchanges)
    return _TYPES.flatmap(
        lambda kind: _with_options(
            {"type": kind},
            durable=st.booleans(),
            internal=st.booleans(),
            alternate=other,
            bindings=st.lists(
                st.builds(lambda to, keys: {"destination": to, "routing_key": keys}, other, _keys()), max_size=2
            ),
        )
    )


def _queue(exchanges: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    other = st.sampled_from(exchanges)
    binding = st.builds(
        lambda source, keys, arguments: {"source": source, "routing_key": keys, "arguments": arguments},
        other,
        _keys(),
        _MATCHING,
    )
    custom = st.builds(
        lambda exchange, key: {"exchange": exchange} | ({} if key is None else {"routing_key": key}),
        other | st.just(""),
        st.none() | KEYS,
    )
    return _with_options(
        {},
        type=st.sampled_from(["classic", "quorum"]),
        bindings=st.lists(binding, max_size=3),
        max_priority=st.sampled_from([1, 10]),
        ttl=_DURATIONS,
        expires=st.sampled_from(["1h", "7d"]),  # a queue that goes away by itself proves nothing
        max_length=st.sampled_from([0, 100000]),
        max_length_bytes=st.sampled_from(["1kB", 12345]),
        overflow=st.sampled_from(["drop-head", "reject-publish"]),
        dead_letter=st.booleans() | custom,
        external=st.booleans(),
        arguments=st.sampled_from([{}, {"x-single-active-consumer": True}]),
    )


def _keys() -> st.SearchStrategy[list[str]]:
    return st.lists(KEYS, min_size=1, max_size=3, unique=True)
