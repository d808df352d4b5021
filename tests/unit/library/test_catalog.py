from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Permanent
from pipeline.state.port import Status

A, B, C = "/music/a.mp3", "/music/b.mp3", "/music/Album/c.mp3"


async def test_new_file_becomes_a_recording_and_its_analysis_is_asked_for(catalog: Any, events: Any) -> None:
    (request,) = await catalog.take(events.event("created", C, "one"))
    recording = await catalog.only()
    assert recording["path"] == C
    assert (recording["file_name"], recording["relative_path"]) == ("c.mp3", "Album/c.mp3")
    assert (recording["watched_directory"], recording["file_type"]) == ("/music", "mp3")
    assert (recording["size_bytes"], recording["xxh128_hash"]) == (1000, "one")
    assert recording["first_seen"] == recording["updated_at"] == "2024-05-01T12:00:01.000000+00:00"
    assert recording["deleted_at"] is None
    assert request.message == "file.analyze"
    assert request.body.model_dump() == {
        "recording_id": recording["recording_id"],
        "file_path": C,
        "analysis_types": ["bpm", "key", "energy"],
        "metadata": {},
        "correlation_id": "event-1",
    }


async def test_format_family_is_kept_where_an_event_does_not_carry_it(catalog: Any, events: Any) -> None:
    await catalog.take(events.discovered(A, "one"))
    await catalog.take(events.event("renamed", B, "one", old=A))
    assert (await catalog.only())["format_family"] == "mp3"


async def test_tags_are_asked_for_once_for_each_content(catalog: Any, events: Any) -> None:
    await catalog.take(events.event("created", A, "one"))
    (first,) = catalog.metadata
    assert first.priority == 1
    await catalog.finish(catalog.requests[0])
    await catalog.take(events.event("modified", A, "one"))
    assert catalog.metadata == [first]
    await catalog.take(events.event("modified", A, "two"))
    second = catalog.metadata[1]
    assert second.body.recording_id == first.body.recording_id
    assert second.identity != first.identity


async def test_redelivered_event_asks_for_the_same_analysis_until_it_has_ended(catalog: Any, events: Any) -> None:
    event = events.event("created", A, "one")
    (first,) = await catalog.take(event)
    (second,) = await catalog.take(event)
    assert first.identity == second.identity
    await catalog.finish(first)
    assert await catalog.take(event) == []


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
async def test_rescan_asks_for_nothing_where_the_analysis_has_ended(catalog: Any, events: Any, status: Status) -> None:
    (request,) = await catalog.take(events.discovered(A, "one"))
    await catalog.finish(request, status)
    assert await catalog.take(events.discovered(A, "one")) == []


async def test_rescan_asks_again_for_an_analysis_that_never_ended(catalog: Any, events: Any) -> None:
    (first,) = await catalog.take(events.discovered(A, "one"))
    (second,) = await catalog.take(events.discovered(A, "one"))
    assert first.identity == second.identity


async def test_changed_content_is_analysed_anew_under_the_same_id(catalog: Any, events: Any) -> None:
    (first,) = await catalog.take(events.event("created", A, "one"))
    await catalog.finish(first)
    (second,) = await catalog.take(events.event("modified", A, "two"))
    assert second.body.recording_id == first.body.recording_id
    assert second.identity != first.identity


async def test_content_that_changes_back_is_analysed_again(catalog: Any, events: Any) -> None:
    for content in ("one", "two", "one"):
        (request,) = await catalog.take(events.event("modified", A, content))
        await catalog.finish(request)
    assert len({request.identity for request in catalog.requests}) == 3


async def test_rename_keeps_id_and_results_and_remembers_the_path(catalog: Any, events: Any) -> None:
    (request,) = await catalog.take(events.event("created", A, "one"))
    await catalog.finish(request)
    assert await catalog.take(events.event("renamed", B, "one", old=A)) == []
    assert await catalog.take(events.event("moved", C, "one", old=B)) == []
    recording = await catalog.only()
    assert (recording["recording_id"], recording["path"]) == (request.body.recording_id, C)
    assert [each["path"] for each in recording["path_history"]] == [A, B]
    assert recording["path_history"][0]["until"] == "2024-05-01T12:00:02.000000+00:00"


@pytest.mark.parametrize("status", [None, Status.FAILED])
async def test_rename_before_the_analysis_succeeded_asks_for_it_at_the_new_path(
    catalog: Any, events: Any, status: Status | None
) -> None:
    (first,) = await catalog.take(events.event("created", A, "one"))
    if status is not None:
        await catalog.finish(first, status)
    (second,) = await catalog.take(events.event("renamed", B, "one", old=A))
    assert second.body.file_path == B
    assert second.identity != first.identity


async def test_redelivered_rename_changes_nothing_more(catalog: Any, events: Any) -> None:
    (request,) = await catalog.take(events.event("created", A, "one"))
    await catalog.finish(request)
    rename = events.event("renamed", B, "one", old=A)
    await catalog.take(rename)
    before = await catalog.only()
    assert await catalog.take(rename) == []
    assert await catalog.only() == before


async def test_rename_of_an_unknown_file_counts_as_a_new_one(catalog: Any, events: Any) -> None:
    (request,) = await catalog.take(events.event("renamed", B, "one", old=A))
    assert request.body.file_path == B
    assert await catalog.live() == {B: (await catalog.only())["sha256_hash"]}


async def test_rename_onto_another_recording_deletes_and_cancels_that_one(catalog: Any, events: Any) -> None:
    (a,) = await catalog.take(events.event("created", A, "one"))
    (b,) = await catalog.take(events.event("created", B, "two"))
    await catalog.take(events.event("renamed", B, "one", old=A))
    live, deleted = await catalog.recordings()
    assert (live["recording_id"], live["path"]) == (a.body.recording_id, B)
    assert deleted["recording_id"] == b.body.recording_id
    assert catalog.cancelled == [b.body.recording_id]


async def test_deletion_is_soft_and_cancels_the_work(catalog: Any, events: Any) -> None:
    (request,) = await catalog.take(events.event("created", A, "one"))
    await catalog.take(events.event("deleted", A))
    recording = await catalog.only()
    assert recording["deleted_at"] == "2024-05-01T12:00:02.000000+00:00"
    assert catalog.cancelled == [request.body.recording_id]


async def test_file_that_comes_back_revives_its_recording_with_its_results(catalog: Any, events: Any) -> None:
    (request,) = await catalog.take(events.event("created", A, "one"))
    await catalog.finish(request)
    await catalog.take(events.event("deleted", A))
    assert await catalog.take(events.event("created", A, "one")) == []
    recording = await catalog.only()
    assert (recording["recording_id"], recording["deleted_at"]) == (request.body.recording_id, None)


async def test_file_that_comes_back_before_it_was_analysed_is_analysed(catalog: Any, events: Any) -> None:
    (first,) = await catalog.take(events.event("created", A, "one"))
    await catalog.take(events.event("deleted", A))
    (second,) = await catalog.take(events.event("created", A, "one"))
    assert second.body.recording_id == first.body.recording_id
    assert second.identity != first.identity


async def test_file_that_comes_back_elsewhere_revives_its_recording_there(catalog: Any, events: Any) -> None:
    (request,) = await catalog.take(events.event("created", A, "one"))
    await catalog.finish(request)
    await catalog.take(events.event("deleted", A))
    assert await catalog.take(events.event("created", C, "one")) == []
    recording = await catalog.only()
    assert (recording["recording_id"], recording["path"]) == (request.body.recording_id, C)


async def test_other_content_in_the_place_of_a_deleted_file_is_another_recording(catalog: Any, events: Any) -> None:
    (first,) = await catalog.take(events.event("created", A, "one"))
    await catalog.take(events.event("deleted", A))
    (second,) = await catalog.take(events.event("created", A, "two"))
    assert second.body.recording_id != first.body.recording_id
    assert len(await catalog.recordings()) == 2
    assert len(await catalog.live()) == 1


async def test_same_content_at_two_paths_is_two_recordings(catalog: Any, events: Any) -> None:
    (a,) = await catalog.take(events.event("created", A, "one"))
    (b,) = await catalog.take(events.event("created", B, "one"))
    assert a.body.recording_id != b.body.recording_id
    assert len(await catalog.live()) == 2


async def test_file_renamed_while_nobody_watched_keeps_its_recording(catalog: Any, events: Any, tmp_path: Path) -> None:
    old, new = tmp_path / "old.mp3", tmp_path / "new.mp3"
    old.write_bytes(b"sound")
    first = events.discovered(str(old), "one").model_copy(update={"watched_directory": str(tmp_path)})
    (request,) = await catalog.take(first)
    await catalog.finish(request)
    old.rename(new)
    second = events.discovered(str(new), "one").model_copy(update={"watched_directory": str(tmp_path)})
    assert await catalog.take(second) == []
    recording = await catalog.only()
    assert (recording["recording_id"], recording["path"]) == (request.body.recording_id, str(new))


async def test_recording_is_not_taken_over_from_a_folder_that_is_away(
    catalog: Any, events: Any, tmp_path: Path
) -> None:
    away = events.discovered(str(tmp_path / "disk" / "a.mp3"), "one")
    await catalog.take(away.model_copy(update={"watched_directory": str(tmp_path / "disk")}))
    await catalog.take(events.discovered(str(tmp_path / "copy.mp3"), "one"))
    assert len(await catalog.live()) == 2


async def test_late_news_of_a_path_that_was_left_brings_nothing_back(catalog: Any, events: Any) -> None:
    created, modified = events.event("created", A, "one"), events.event("modified", A, "two")
    renamed = events.event("renamed", B, "two", old=A)
    for event in (renamed, modified, created):
        await catalog.take(event)
    assert list(await catalog.live()) == [B]


async def test_late_deletion_does_not_undo_what_came_after_it(catalog: Any, events: Any) -> None:
    await catalog.take(events.event("created", A, "one"))
    deleted, created = events.event("deleted", A), events.event("created", A, "one")
    await catalog.take(created)
    await catalog.take(deleted)
    assert list(await catalog.live()) == [A]


async def test_unreadable_file_is_stored_shown_and_refused(catalog: Any, events: Any) -> None:
    event = events.discovered(A, "", error="Permission denied")
    with pytest.raises(Permanent, match="Permission denied") as refused:
        await catalog.take(event)
    recording = await catalog.only()
    assert refused.value.error_code == "FILE_UNREADABLE"
    assert refused.value.details == {"file_path": A}
    assert catalog.tracked == [recording["recording_id"]]
    assert (recording["error"], recording["sha256_hash"]) == ("Permission denied", None)


async def test_unreadable_file_is_refused_again_on_redelivery_but_not_at_each_scan(catalog: Any, events: Any) -> None:
    event = events.discovered(A, "", error="Permission denied")
    for _ in range(2):
        with pytest.raises(Permanent):
            await catalog.take(event)
    assert await catalog.take(events.discovered(A, "", error="Permission denied")) == []
    with pytest.raises(Permanent, match="Input/output error"):
        await catalog.take(events.discovered(A, "", error="Input/output error"))


async def test_file_that_can_be_read_again_is_analysed_even_if_it_is_the_same(catalog: Any, events: Any) -> None:
    (first,) = await catalog.take(events.discovered(A, "one"))
    await catalog.finish(first)
    with pytest.raises(Permanent):
        await catalog.take(events.discovered(A, "", error="Permission denied"))
    (second,) = await catalog.take(events.discovered(A, "one"))
    assert second.identity != first.identity
    assert (await catalog.only())["error"] is None


async def test_moved_unreadable_file_is_found_at_its_new_path_alone(catalog: Any, events: Any) -> None:
    await catalog.take(events.event("created", A, "one"))
    with pytest.raises(Permanent):
        await catalog.take(events.event("moved", C, old=A, error_code="FILE_UNREADABLE", error="Permission denied"))
    assert list(await catalog.live()) == [C]


async def test_events_without_hashes_are_taken_from_other_publishers(catalog: Any, events: Any) -> None:
    created, modified = events.event("created", A), events.event("modified", A)
    (first,) = await catalog.take(created)
    (second,) = await catalog.take(modified)
    (again,) = await catalog.take(modified)
    assert len({first.identity, second.identity}) == 2
    assert again.identity == second.identity


@pytest.mark.parametrize(
    ("size", "scanned", "changed"),
    [(1_000, 5, 6), (20_000_000, 4, 5), (100_000_000, 3, 4), (500_000_000, 2, 3), (5_000_000_000, 1, 2)],
)
async def test_smaller_and_changed_files_come_sooner_but_after_what_users_ask_for(
    catalog: Any, events: Any, size: int, scanned: int, changed: int
) -> None:
    (scan,) = await catalog.take(events.discovered(A, "one", size=size))
    (change,) = await catalog.take(events.event("created", B, size_bytes=size))
    assert (scan.priority, change.priority) == (scanned, changed)


async def test_deletion_ends_the_work_on_the_recording_at_that_path(catalog: Any, events: Any) -> None:
    (request,) = await catalog.take(events.event("created", A, "one"))
    cancel = await catalog.follow(events.event("deleted", A))
    assert cancel is not None
    assert (cancel.recording_id, cancel.reason) == (request.body.recording_id, "The file was deleted")


async def test_deletion_that_comes_late_does_not_end_newer_work(catalog: Any, events: Any) -> None:
    await catalog.take(events.event("created", A, "one"))
    deleted = events.event("deleted", A)
    await catalog.take(events.event("modified", A, "two"))
    assert await catalog.follow(deleted) is None


@pytest.mark.parametrize("kind", ["created", "modified", "moved", "renamed"])
async def test_other_events_end_no_work(catalog: Any, events: Any, kind: str) -> None:
    await catalog.take(events.event("created", A, "one"))
    assert await catalog.follow(events.event(kind, A, "one")) is None
    assert await catalog.follow(events.discovered(A, "one")) is None
    assert await catalog.follow(events.event("deleted", B)) is None
