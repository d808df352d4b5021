"""The steps as the topology composes them, run by the engine's own composer."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml

from ops.audio import encode
from pipeline.runtime.compose import Steps, compose, import_reference, references
from pipeline.runtime.fitting import check
from pipeline.stage import Completed
from pipeline.topology.model import Stage
from stages.analysis.audio import RATE
from stages.contracts import AnalysisRequest

TOPOLOGY = Path(__file__).parents[3] / "topology.yaml"


@pytest.fixture(scope="module")
def steps() -> Steps:
    stage = Stage.model_validate(yaml.safe_load(TOPOLOGY.read_text())["stages"]["analysis"])
    return compose("analysis", references("analysis", stage), import_reference)


def test_steps_take_what_the_steps_before_them_give(steps):
    check("analysis", steps, {"file.analyze": AnalysisRequest}, (Completed,))


def test_one_request_gives_one_completion_that_survives_the_way_out_of_a_pool(steps, flac_in_c, context, request_for):
    outputs = steps.run(request_for(flac_in_c), context)
    (completed,) = pickle.loads(pickle.dumps(outputs))
    assert completed.type == "analysis_complete"
    assert completed.results["key"] == "C major"
    assert completed.results["bpm"] == pytest.approx(128, rel=0.005)
    assert all(isinstance(value, str | float | int | list) for value in completed.results.values())


def test_silence_still_completes_with_its_duration_and_nothing_made_up(steps, tmp_path, context, request_for):
    path = tmp_path / "silence.wav"
    encode(path, np.zeros((1, 6 * RATE), dtype=np.float32), rate=RATE)
    (completed,) = steps.run(request_for(path), context)
    assert completed.results["duration_seconds"] == pytest.approx(6, abs=0.05)
    assert not {"bpm", "key", "energy", "camelot"} & completed.results.keys()
