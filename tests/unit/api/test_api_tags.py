"""The tags of the list stay those of the documents, however few of these are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.library.tags import NO_TAGS, TagIndex, Tags, tags_of
from pipeline.state.embedded import EmbeddedStore


class Shelf:
    """A store with metadata, and an index over it whose clock a test moves."""

    def __init__(self) -> None:
        self.store = EmbeddedStore(None)
        self.now = 1000.0
        self.index = TagIndex(self.store, monotonic=lambda: self.now)
        self.pages = 0

    async def put(self, recording_id: str, title: str) -> None:
        await self.store.documents.put("metadata", recording_id, {"id3_tags": {"title": title}})

    async def titles(self, *recording_ids: str) -> list[str | None]:
        await self.index.refresh()
        return [self.index.of(each).title for each in recording_ids]


@pytest.fixture
async def shelf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    made = Shelf()
    await made.store.connect()
    real = made.store.documents.page

    async def page(kind: str, **options: Any) -> Any:
        made.pages += 1
        return await real(kind, **options)

    monkeypatch.setattr(made.store.documents, "page", page)
    yield made
    await made.store.close()


async def test_changes_are_taken_in_and_removals_are_noticed(shelf: Shelf) -> None:
    for number in range(450):
        await shelf.put(f"r{number}", f"t{number}")
    assert await shelf.titles("r0", "r449", "other") == ["t0", "t449", None]
    await shelf.put("r0", "changed")
    assert await shelf.titles("r0") == ["changed"]
    await shelf.store.documents.delete("metadata", "r1")
    await shelf.put("r450", "new")
    assert await shelf.titles("r1", "r450", "r2") == [None, "new", "t2"]


async def test_page_without_news_ends_the_reading(shelf: Shelf) -> None:
    for number in range(450):
        await shelf.put(f"r{number}", f"t{number}")
    await shelf.titles()
    shelf.pages = 0
    await shelf.titles()
    assert shelf.pages == 1
    shelf.now += 601
    await shelf.titles()
    assert shelf.pages == 1 + 3


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, NO_TAGS),
        ({"id3_tags": None, "cover": None}, NO_TAGS),
        ({"id3_tags": {"title": "", "artist": "Zoë"}}, Tags(artist="Zoë", searched="zoë")),
        (
            {"id3_tags": {"title": "Straße", "artist": "A", "album": "B"}, "cover": {"mime": "image/png"}},
            Tags("Straße", "A", "B", has_cover=True, searched="strasse\na\nb"),
        ),
    ],
)
def test_what_is_shown_and_searched_is_taken_from_the_document(document: dict[str, Any], expected: Tags) -> None:
    assert tags_of(document) == expected
