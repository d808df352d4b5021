"""What a sweep finds: files that have gone unseen, recordings that were deleted long ago, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.stage import Emit
from pipeline.state.port import Status, Update
from stages.contracts import CatalogSweep, FileLifecycleEvent
from stages.cue_files import CueFile, CueFiles
from stages.purge import purge_recording, resume
from stages.recordings import KIND, VACATED, Recording, Recordings
from stages.sweep import sweep, sweeps
from stages.tracklists import Tracklist, TracklistEntry, Tracklists
from tests.unit.library.conftest import Catalog, Context

NOW = datetime.now(UTC)
LONG_AGO = (NOW - timedelta(days=31)).isoformat(timespec="microseconds")
LATELY = (NOW - timedelta(days=29)).isoformat(timespec="microseconds")


class Library:
    """Recordings whose files are, or are not, in a folder."""

    def __init__(self, catalog: Catalog, tmp_path: Path) -> None:
        self.catalog = catalog
        self.folder = tmp_path / "music"
        self.folder.mkdir()
        (self.folder / "stays.mp3").touch()
        self.context = Context(catalog.store, "sweep-1", data_dir=tmp_path / "data")
        self.documents = catalog.store.documents

    async def put(self, recording_id: str, path: Path | None = None, **fields: Any) -> Recording:
        where = path or self.folder / f"{recording_id}.mp3"
        recording: Recording = {
            "recording_id": recording_id,
            "path": str(where),
            "file_type": "mp3",
            "sha256_hash": "5" * 64,
            "watched_directory": str(self.folder),
            "updated_at": LATELY,
            "deleted_at": None,
            **fields,
        }
        await Recordings(self.documents).put(recording)
        return recording

    async def sweep(self) -> list[Emit]:
        return [each async for each in sweep(CatalogSweep(timestamp=NOW), self.context)]  # type: ignore[arg-type]


@pytest.fixture
def library(catalog: Catalog, tmp_path: Path) -> Library:
    return Library(catalog, tmp_path)


async def test_a_file_that_has_gone_unseen_is_told_of_as_deleted(library: Library) -> None:
    await library.put("gone")
    await library.put("there", library.folder / "stays.mp3")
    (emit,) = await library.sweep()
    event = emit.body
    assert isinstance(event, FileLifecycleEvent)
    assert (emit.message, event.event_type, event.file_path) == (
        "file.deleted",
        "deleted",
        f"{library.folder}/gone.mp3",
    )
    assert (event.file_type, event.watched_directory, event.sha256_hash) == ("mp3", str(library.folder), None)
    assert (await library.sweep())[0].identity == emit.identity


async def test_what_the_sweep_says_the_catalog_takes_for_a_deletion(library: Library) -> None:
    await library.put("gone")
    (emit,) = await library.sweep()
    await library.catalog.take(emit.body)  # type: ignore[arg-type]
    (recording,) = await library.catalog.recordings()
    assert recording["deleted_at"] is not None
    assert await library.sweep() == []


@pytest.mark.parametrize("state", ["is missing", "is empty"])
async def test_a_disk_that_is_not_mounted_deletes_no_library(library: Library, state: str) -> None:
    await library.put("unmounted")
    (library.folder / "stays.mp3").unlink()
    if state == "is missing":
        library.folder.rmdir()
    assert await library.sweep() == []


async def test_what_was_told_a_moment_ago_is_left_alone(library: Library) -> None:
    await library.put("fresh", updated_at=datetime.now(UTC).isoformat(timespec="microseconds"))
    assert await library.sweep() == []


async def test_all_pages_are_looked_at(library: Library) -> None:
    for number in range(450):
        await library.put(f"gone-{number}")
    assert len(await library.sweep()) == 450


async def _with_everything(library: Library, recording_id: str) -> tuple[Path, Path]:
    """Give a recording all that can belong to one; its sheet and its cover."""
    sheet, cover = library.context.data_dir / "cue" / "sheet.cue", library.context.data_dir / "covers" / "c.jpg"
    for path in (sheet, cover):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    await library.documents.put(
        "metadata", recording_id, {"cover": {"sha256": "c", "file": "covers/c.jpg"}}, index={"cover": "c"}
    )
    await library.documents.put("waveform", recording_id, {"points": 1800})
    entries = (TracklistEntry(number=1, start_seconds=0),)
    tracklist = Tracklist(
        tracklist_id=f"list-{recording_id}",
        recording_id=recording_id,
        file_path="/x",
        source="manual",
        confidence=1,
        entries=entries,
        created_at=NOW,
    )
    await Tracklists(library.documents).put(tracklist)
    file = CueFile(
        cue_file_id=f"cue-{recording_id}",
        tracklist_id=tracklist.tracklist_id,
        recording_id=recording_id,
        format="standard",
        file_path=str(sheet),
        file_size=0,
        checksum="",
        created_at=NOW,
    )
    await CueFiles(library.documents).put(file)
    update = Update(recording_id, "run", "a", "error", Status.CANCELLED, begins=True)
    assert await library.catalog.store.progress.record(update)
    return sheet, cover


async def test_a_recording_deleted_long_ago_is_dropped_with_all_that_was_made_of_it(library: Library) -> None:
    await library.put("old", deleted_at=LONG_AGO, updated_at=LONG_AGO)
    await library.put("kept", deleted_at=LATELY)
    sheet, cover = await _with_everything(library, "old")
    assert await library.sweep() == []
    assert [each["recording_id"] for each in await library.catalog.recordings()] == ["kept"]
    for kind in ("metadata", "waveform", "tracklist", "cue_file", "purge"):
        assert await library.documents.page(kind) == ([], 0)
    assert await library.catalog.store.progress.snapshot("old") is None
    assert not sheet.exists()
    assert not cover.exists()
    assert await library.documents.find(KIND, "path", f"{library.folder}/old.mp3") == []


async def test_a_cover_that_another_recording_has_too_stays(library: Library) -> None:
    await library.put("old", deleted_at=LONG_AGO)
    _, cover = await _with_everything(library, "old")
    await library.documents.put("metadata", "other", {"cover": {"sha256": "c"}}, index={"cover": "c"})
    await library.sweep()
    assert cover.exists()


async def test_nothing_outside_the_data_folder_is_removed(library: Library) -> None:
    await library.put("old", deleted_at=LONG_AGO)
    await _with_everything(library, "old")
    outside = library.folder / "stays.mp3"
    document = await library.documents.get("cue_file", "cue-old")
    assert document is not None
    await library.documents.put(
        "cue_file", "cue-old", document | {"file_path": str(outside)}, index={"recording": "old"}
    )
    await library.sweep()
    assert outside.exists()


async def test_a_recording_that_comes_back_just_then_stays(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = await library.put("old", deleted_at=LONG_AGO)
    await _with_everything(library, "old")
    delete = library.documents.delete

    async def revived_first(kind: str, id: str, **options: Any) -> bool:
        if kind == KIND:
            await Recordings(library.documents).put(recording | {"deleted_at": None})
        return await delete(kind, id, **options)

    monkeypatch.setattr(library.context, "state", _Replaced(library.documents, delete=revived_first))
    await purge_recording("old", NOW, library.context)  # type: ignore[arg-type]
    assert (await library.catalog.only())["deleted_at"] is None
    assert await library.documents.get("metadata", "old") is not None
    assert await library.documents.page("purge") == ([], 0)


async def test_a_purge_that_was_interrupted_is_finished_by_the_next_sweep(library: Library) -> None:
    await _with_everything(library, "lost")
    await library.documents.put("purge", "lost", {"recording_id": "lost"})
    await library.put("kept")
    await library.documents.put("metadata", "kept", {})
    await library.documents.put("purge", "kept", {"recording_id": "kept"})
    await resume(library.context)  # type: ignore[arg-type]
    assert await library.documents.get("metadata", "lost") is None
    assert await library.documents.get("metadata", "kept") is not None
    assert await library.documents.page("purge") == ([], 0)


async def test_paths_that_were_left_long_ago_are_forgotten(library: Library) -> None:
    await library.documents.put(VACATED, "/a", {"path": "/a", "at": LONG_AGO})
    await library.documents.put(VACATED, "/b", {"path": "/b", "at": LATELY})
    await library.sweep()
    found, _ = await library.documents.page(VACATED)
    assert [each["path"] for each in found] == ["/b"]


async def test_how_long_deleted_recordings_are_kept_is_an_option(library: Library) -> None:
    await library.put("old", deleted_at=LATELY)
    library.context.options = {"purge_after": 86_400}
    await library.sweep()
    assert await library.catalog.recordings() == []


async def test_the_source_asks_at_once_and_then_again_and_again() -> None:
    class Source:
        options: Any = {"every": 0.01, "limit": 3}  # noqa: RUF012
        stopping = False
        told = False

        def caught_up(self) -> None:
            self.told = True

    source = Source()
    asked = 0
    async for request in sweeps(source):  # type: ignore[arg-type]
        assert isinstance(request, CatalogSweep)
        assert source.told
        asked += 1
        source.stopping = asked == 3
    assert asked == 3


@pytest.mark.parametrize("options", [{"every": 0}, {"evry": 1}, {"purge_after": "long"}])
async def test_wrong_options_are_told(options: dict[str, Any], library: Library) -> None:
    library.context.options = options
    with pytest.raises(PipelineError, match="options of the sweep"):
        await library.sweep()


class _Replaced:
    """Something with some of its methods replaced."""

    def __init__(self, original: Any, **methods: Callable[..., Any]) -> None:
        self._original = original
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)
