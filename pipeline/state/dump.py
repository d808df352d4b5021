"""Keys of any Redis as text, with their types and expiries, and back."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

Command = tuple[bytes | str | int, ...]

_READ: dict[str, Callable[[Pipeline, bytes], object]] = {
    "string": lambda pipe, key: pipe.get(key),
    "hash": lambda pipe, key: pipe.hgetall(key),
    "set": lambda pipe, key: pipe.smembers(key),
    "zset": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
    "stream": lambda pipe, key: pipe.xrange(key),
}
_FIELDS_PER_COMMAND = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One key.

    Attributes:
        key: its bytes as UTF-8, others as surrogates (PEP 383), as in all strings of `value`.
        type: string, hash, set, zset or stream.
        value: a string; pairs of field and value, sorted; members, sorted; pairs of member and score, ascending; pairs
            of entry id and a list of fields and values. Consumer groups of a stream are not kept.
        expires_at_ms: milliseconds since the epoch, or None.
    """

    key: str
    type: str
    value: Any
    expires_at_ms: int | None = None

    def to_line(self) -> str:
        """One line of ASCII, without the line's end."""
        return json.dumps([self.key, self.type, self.expires_at_ms, self.value], separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> Entry:
        """Raises ValueError for anything that `to_line` does not write."""
        fields = json.loads(line)
        if not isinstance(fields, list) or len(fields) != 4 or fields[1] not in _READ:
            raise ValueError("not an entry")
        return cls(key=fields[0], type=fields[1], value=fields[3], expires_at_ms=fields[2])


async def scan(client: Redis, prefix: str, count: int = 500) -> AsyncIterator[list[bytes]]:
    """Keys that begin with the prefix, in batches; those there from start to end come at least once."""
    cursor = 0
    pattern = "".join(f"\\{each}" if each in "*?[]\\^-" else each for each in prefix) + "*"
    while True:
        cursor, keys = await client.scan(cursor, match=pattern, count=count)
        if keys:
            yield [each for each in keys if isinstance(each, bytes)]
        if int(cursor) == 0:
            return


async def dump(client: Redis, keys: Sequence[bytes]) -> list[Entry | None]:
    """What the keys hold, read in one transaction; None for those that are gone.

    Args:
        client: one that does not decode answers.
    Raises: RedisError; ValueError for a key of another type (a list, a module's).
    """
    async with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.type(key)
        kinds = [_text(each) for each in await pipe.execute()]
    present = [(key, kind) for key, kind in zip(keys, kinds, strict=True) if kind != "none"]
    async with client.pipeline(transaction=True) as pipe:
        for key, kind in present:
            if kind not in _READ:
                raise ValueError(f"{_text(key)} is of the type {kind}, which cannot be dumped")
            _READ[kind](pipe, key)
            pipe.pttl(key)
        answers = await pipe.execute() if present else []
    now = round(time.time() * 1000)
    entries: dict[bytes, Entry] = {}
    for (key, kind), value, left in zip(present, answers[::2], answers[1::2], strict=True):
        if left != -2 and (value or value == b""):
            entries[key] = Entry(_text(key), kind, _value(kind, value), None if left < 0 else now + left)
    return [entries.get(key) for key in keys]


async def load(client: Redis, entries: Iterable[Entry]) -> None:
    """Write the entries over what their keys hold, in one transaction; expired ones are left out. Raises RedisError."""
    now = time.time() * 1000
    async with client.pipeline(transaction=True) as pipe:
        for entry in entries:
            if entry.expires_at_ms is not None and entry.expires_at_ms <= now:
                continue
            for command in _commands(entry):
                pipe.execute_command(*command)
        await pipe.execute()


def _commands(entry: Entry) -> Iterable[Command]:
    key = _bytes(entry.key)
    value = entry.value
    if entry.type == "string":
        expiry = () if entry.expires_at_ms is None else ("PXAT", entry.expires_at_ms)
        yield "SET", key, _bytes(value), *expiry
        return
    yield "DEL", key
    if entry.type == "stream":
        for position, fields in value:
            yield "XADD", key, position, *map(_bytes, fields)
    else:
        name = {"hash": "HSET", "set": "SADD", "zset": "ZADD"}[entry.type]
        if entry.type == "zset":
            value = [(score, member) for member, score in value]
        for first in range(0, len(value), _FIELDS_PER_COMMAND):
            part = value[first : first + _FIELDS_PER_COMMAND]
            flat = part if entry.type == "set" else [each for pair in part for each in pair]
            yield name, key, *(_bytes(str(each)) for each in flat)
    if entry.expires_at_ms is not None:
        yield "PEXPIREAT", key, entry.expires_at_ms


def _value(type: str, value: Any) -> Any:
    if type == "string":
        return _text(value)
    if type == "hash":
        return sorted([_text(field), _text(each)] for field, each in value.items())
    if type == "set":
        return sorted(map(_text, value))
    if type == "zset":
        return [[_text(member), repr(float(score))] for member, score in value]
    return [[_text(position), [_text(each) for pair in fields.items() for each in pair]] for position, fields in value]


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")
