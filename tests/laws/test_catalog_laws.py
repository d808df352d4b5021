"""Events that are lost on the way for a while, doubled and shuffled lead to the same library."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.state.embedded import EmbeddedStore
from stages.contracts import FileDiscovered, FileLifecycleEvent
from tests.unit.library.conftest import Catalog, Events, sha

PATHS = ["/music/a.mp3", "/music/b.mp3", "/music/c.mp3", "/music/Album/a.mp3"]


@st.composite
def histories(draw: Any) -> tuple[list[FileDiscovered | FileLifecycleEvent], dict[str, str]]:
    """What may happen to a few files, as events in order, and what is there in the end."""
    events, files, told = Events(), dict[str, str](), []
    for _ in range(draw(st.integers(1, 7))):
        path = draw(st.sampled_from(PATHS))
        if path in files and draw(st.booleans()):
            target = draw(st.sampled_from(PATHS))
            if target == path or draw(st.integers(0, 2)) == 0:
                del files[path]
                told.append(events.event("deleted", path))
            else:
                files[target] = files.pop(path)
                told.append(events.event("moved", target, files[target], old=path))
        else:
            content = draw(st.sampled_from(["one", "two", "three"]))
            kind = "modified" if path in files else draw(st.sampled_from(["created", "discovered"]))
            files[path] = content
            told.append(events.discovered(path, content) if kind == "discovered" else events.event(kind, path, content))
    return told, {path: sha(content) for path, content in files.items()}


async def _live_after(told: list[FileDiscovered | FileLifecycleEvent]) -> dict[str, str]:
    store = EmbeddedStore(None)
    await store.connect()
    catalog = Catalog(store)
    for event in told:
        await catalog.take(event)
    live = await catalog.live()
    await store.close()
    return live


@settings(max_examples=60, deadline=None)
@given(history=histories(), data=st.data())
def test_any_order_of_doubled_events_leads_to_what_is_there(
    history: tuple[list[FileDiscovered | FileLifecycleEvent], dict[str, str]], data: st.DataObject
) -> None:
    told, there = history
    doubled = told + data.draw(st.lists(st.sampled_from(told), max_size=3))
    shuffled = data.draw(st.permutations(doubled))
    assert asyncio.run(_live_after(told)) == there
    assert asyncio.run(_live_after(shuffled)) == there
