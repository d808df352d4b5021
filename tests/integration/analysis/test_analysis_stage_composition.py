"""The steps as the topology composes them, run by the engine's own composer."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml

from ops.audio import encode
from pipeline.runtime.compose import References, Steps, compose, groups, import_reference, references
from pipeline.runtime.fitting import check
from pipeline.stage import Completed
from pipeline.topology.stages import Stage
from stages.analysis.assignment import Analysed
from stages.analysis.audio import RATE
from stages.contracts import AnalysisRequest

TOPOLOGY = Path(__file__).parents[3] / "topology.yaml"


@pytest.fixture(scope="module")
def run() -> References:
    return references("analysis", Stage.model_validate(yaml.safe_load(TOPOLOGY.read_text())["stages"]["analysis"]))


@pytest.fixture(scope="module")
def pooled(run: References) -> Steps:
    """The steps of the process group."""
    (group,) = groups(run).values()
    return compose("analysis", group, import_reference)


def test_steps_take_what_the_steps_before_them_give(run):
    steps = compose("analysis", run, import_reference)
    check("analysis", steps, {"file.analyze": AnalysisRequest}, (Completed,))


def test_an_assignment_and_what_comes_of_it_survive_the_way_into_a_pool_and_out(
    pooled, flac_in_c, context, request_for
):
    assignment = request_for(flac_in_c)
    (analysed,) = pickle.loads(pickle.dumps(pooled.run(pickle.loads(pickle.dumps(assignment)), context)))
    assert analysed == Analysed(assignment, analysed.findings)
    assert analysed.findings["key"]["key"] == "C major"
    assert analysed.findings["bpm"]["bpm"] == pytest.approx(128, rel=0.005)
    values = [value for finding in analysed.findings.values() for value in finding.values()]
    assert all(isinstance(value, str | float | int | list) for value in values)


def test_of_silence_its_duration_is_found_and_nothing_is_made_up(pooled, tmp_path, context, request_for):
    path = tmp_path / "silence.wav"
    encode(path, np.zeros((1, 6 * RATE), dtype=np.float32), rate=RATE)
    (analysed,) = pooled.run(request_for(path), context)
    assert analysed.findings["extent"]["duration_seconds"] == pytest.approx(6, abs=0.05)
    assert {name: analysed.findings[name] for name in ("bpm", "key", "energy")} == {"bpm": {}, "key": {}, "energy": {}}
