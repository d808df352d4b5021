"""JSON documents with their indices, each written by one script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pipeline.errors import ErrorCode, Permanent
from pipeline.state.keys import entry, segment
from pipeline.state.link import Link

LARGEST_DOCUMENT = 1024 * 1024


class RedisDocuments:
    """The port's Documents. What is kept of a kind:

    A hash per document (its JSON and its index entries), and for all documents of the kind the order of
    writing, a hash of unique values and a sorted set of the other index entries. A unique value that is
    written again belongs to the last writer; the document that had it keeps its data.
    """

    def __init__(self, link: Link, prefix: str) -> None:
        self._link = link
        self._prefix = prefix

    async def get(self, kind: str, id: str) -> dict[str, Any] | None:
        text = await self._link.ask("HGET", self._document(kind, id), "json")
        return _decoded(text) if text else None

    async def get_many(self, kind: str, ids: Sequence[str]) -> list[dict[str, Any] | None]:
        if not ids:
            return []
        texts = await self._link.ask_many(("HGET", self._document(kind, each), "json") for each in ids)
        return [_decoded(text) if text else None for text in texts]

    async def put(
        self,
        kind: str,
        id: str,
        document: Mapping[str, Any],
        *,
        unique: Mapping[str, str] | None = None,
        index: Mapping[str, str] | None = None,
    ) -> None:
        """Raises ValueError for what JSON has no word for, Permanent for a document of more than 1 MiB."""
        text = _encoded(document)
        if len(text) > LARGEST_DOCUMENT:
            raise Permanent(
                f"The {kind} {id} is {len(text)} characters of JSON; {LARGEST_DOCUMENT} can be stored",
                ErrorCode.MESSAGE_TOO_LARGE,
            )
        uniques = [entry(name, value) for name, value in (unique or {}).items()]
        others = [entry(name, value) for name, value in (index or {}).items()]
        await self._link.write("put", self._keys(kind, id), [id, text, len(uniques), *uniques, *others])

    async def claim(self, kind: str, name: str, value: str, id: str) -> str:
        keys = [self._document(kind, id), self._unique(kind)]
        return cast(str, await self._link.write("claim", keys, [id, entry(name, value)]))

    async def find(self, kind: str, name: str, value: str) -> list[str]:
        ids = await self._link.read("find", [self._unique(kind), self._index(kind)], [entry(name, value)])
        return sorted(set(ids))

    async def owners(self, kind: str, name: str, values: Sequence[str]) -> list[str | None]:
        if not values:
            return []
        entries = [entry(name, value) for value in values]
        return cast(list[str | None], await self._link.ask("HMGET", self._unique(kind), *entries))

    async def counts(self, kind: str, name: str, values: Sequence[str]) -> list[int]:
        if not values:
            return []
        entries = [entry(name, value) for value in values]
        index = self._index(kind)
        return await self._link.ask_many(("ZLEXCOUNT", index, f"[{each}\0", f"({each}\1") for each in entries)

    async def page(self, kind: str, *, offset: int = 0, limit: int = 100) -> tuple[list[dict[str, Any]], int]:
        """Raises ValueError if the offset is negative or the limit is not positive."""
        if offset < 0 or limit < 1:
            raise ValueError(f"a page starts at 0 or later and has at least one document, not {offset} and {limit}")
        total, *found = await self._link.read("page", [self._order(kind)], [self._document(kind, ""), offset, limit])
        pairs = zip(found[::2], found[1::2], strict=True)
        return [{**_decoded(text), "id": each} for each, text in pairs if text], total

    async def delete(self, kind: str, id: str, *, unchanged: Mapping[str, Any] | None = None) -> bool:
        expected = "" if unchanged is None else _encoded(unchanged)
        return bool(await self._link.write("delete", self._keys(kind, id), [id, expected]))

    def _keys(self, kind: str, id: str) -> list[str]:
        return [self._document(kind, id), self._order(kind), self._unique(kind), self._index(kind)]

    def _document(self, kind: str, id: str) -> str:
        if "\0" in id:
            raise ValueError(f"the id of a {kind} has NUL in it")
        return f"{self._prefix}:document:{segment(kind)}:{id}"

    def _order(self, kind: str) -> str:
        return f"{self._prefix}:documents:{segment(kind)}"

    def _unique(self, kind: str) -> str:
        return f"{self._prefix}:unique:{segment(kind)}"

    def _index(self, kind: str) -> str:
        return f"{self._prefix}:index:{segment(kind)}"


def _decoded(text: str) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(text))


def _encoded(document: Mapping[str, Any]) -> str:
    return json.dumps(dict(document), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
