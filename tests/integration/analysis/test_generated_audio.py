"""The music that demo, tests and benchmarks are made of."""

from __future__ import annotations

import numpy as np
import pytest
from tinytag import TinyTag

from ops.audio import BROKEN_FILE, DEMO_TRACKS, TrackSpec, compose, random_spec, write_demo, write_track
from ops.audio.__main__ import main
from ops.audio.styles import STYLES


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg", "opus", "m4a"])
def test_equal_arguments_give_equal_files(suffix, tmp_path):
    for name in ("one", "two"):
        write_track(tmp_path / f"{name}.{suffix}", bpm=100, key="G major", seconds=2, seed=7)
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg", "m4a"])
def test_tags_are_read_back_by_a_tag_reader(suffix, tmp_path):
    path = tmp_path / f"tagged.{suffix}"
    write_track(path, bpm=100, key="G major", seconds=1, tags={"title": "Paper Boats", "artist": "Elin Sand"})
    tags = TinyTag.get(path)
    assert (tags.title, tags.artist) == ("Paper Boats", "Elin Sand")


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_style_composes_in_major_and_minor_without_clipping(style):
    for key in ("Ab major", "C# minor"):
        samples = compose(TrackSpec(110, key, 4, style, rate=22_050))
        assert samples.shape == (2, 4 * 22_050)
        assert 0.1 < np.abs(samples).max() <= 1


def test_intro_has_no_drums():
    samples = compose(TrackSpec(120, "C major", 8, "house", intro_seconds=4, rate=22_050))
    steps = np.abs(np.diff(samples[0]))
    assert steps[: 3 * 22_050].max() < 0.3 * steps[5 * 22_050 :].max()


def test_random_specs_repeat_by_seed_and_differ_between_seeds():
    assert random_spec(5) == random_spec(5)
    assert len({random_spec(seed).key for seed in range(50)}) > 12


@pytest.mark.parametrize(("field", "value"), [("style", "polka core"), ("key", "H major"), ("bpm", 0)])
def test_impossible_track_is_refused(field, value, tmp_path):
    arguments = {"bpm": 100, "key": "C major", "seconds": 1, field: value}
    with pytest.raises(ValueError, match=r"not|no style|positive"):
        write_track(tmp_path / "track.wav", **arguments)


def test_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no encoder"):
        write_track(tmp_path / "track.xyz", bpm=100, key="C major", seconds=1)


def test_demo_folder_holds_the_truth_it_names_and_one_broken_file(tmp_path, analyse, refusal):
    paths = write_demo(tmp_path)
    assert [path.name for path in paths] == [track.file for track in DEMO_TRACKS] + [BROKEN_FILE]
    for track, path in zip(DEMO_TRACKS, paths, strict=False):
        results = analyse(path)
        assert results["bpm"] == pytest.approx(track.bpm, rel=0.005)
        assert results["key"] == track.key
    assert refusal(paths[-1]).error_code == "DECODE_ERROR"


def test_demo_command_says_how_it_is_used(capsys):
    assert main([]) == 64
    assert "usage: python -m ops.audio DIR" in capsys.readouterr().err


def test_demo_command_names_the_folder_it_cannot_write(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / "music")]) == 1
    assert "cannot write" in capsys.readouterr().err
