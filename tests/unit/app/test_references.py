"""Names of code in the topology: looked up without running any of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.app.references import add_to_path, broken_references, resolve
from pipeline.errors import PipelineError
from pipeline.topology.model import Topology
from pipeline.topology.values import parse_reference

MODULE = """
raise RuntimeError("checking must not import this")
from json import loads as read_json
LIMIT = 3
class Order: ...
if True:
    def take(order): ...
async def ship(order): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A topology's folder on sys.path, with a module of the user's."""
    (tmp_path / "shop_stages.py").write_text(MODULE)
    before = list(sys.path)
    add_to_path(tmp_path)
    yield tmp_path
    sys.path[:] = before


def topology(*, model: str = "shop_stages:Order", run: object = "take", module: str | None = "shop_stages") -> Topology:
    return Topology.model_validate(
        {
            "version": 1,
            "name": "shop",
            "exchanges": {"orders": {"type": "topic"}},
            "queues": {"inbox": {"bindings": [{"source": "orders", "routing_key": "order.#"}]}},
            "messages": {"order.placed": {"model": model, "exchange": "orders"}},
            "stages": {"take": {"from": {"inbox": ["order.placed"]}, "module": module, "run": [run]}},
        }
    )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["take", "ship", "Order", "LIMIT", "read_json", "shop_stages:take"])
def test_functions_classes_and_names_of_a_module_are_found_without_importing_it(name: str) -> None:
    assert list(broken_references(topology(run=name))) == []
    assert "shop_stages" not in sys.modules


@pytest.mark.usefixtures("folder")
def test_a_misspelt_name_is_broken_and_the_near_one_is_suggested() -> None:
    (broken,) = broken_references(topology(run={"all": ["take", "shipp"]}))
    assert broken.path == ("stages", "take", "run", 0, "all", 1)
    assert 'has no "shipp"' in broken.problem
    assert broken.suggestion == 'Did you mean "ship"?'


@pytest.mark.usefixtures("folder")
def test_a_module_that_is_not_there_is_broken() -> None:
    (broken,) = broken_references(topology(model="no_such_shop:Order"))
    assert broken.path == ("messages", "order.placed", "model")
    assert 'No module named "no_such_shop"' in broken.problem


def test_the_projects_analysis_is_checked_without_loading_audio_libraries() -> None:
    assert (
        list(
            broken_references(
                topology(model="stages.contracts:AnalysisRequest", module="stages.analysis", run="decode")
            )
        )
        == []
    )


def test_a_module_beside_the_topology_may_not_hide_ours(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").touch()
    with pytest.raises(PipelineError, match="hides the pipeline's own"):
        add_to_path(tmp_path)
    assert str(tmp_path) not in sys.path


@pytest.mark.usefixtures("folder")
def test_a_module_that_fails_to_import_is_an_error_that_says_why() -> None:
    with pytest.raises(PipelineError, match="RuntimeError: checking must not import this"):
        resolve(parse_reference("shop_stages:take"))
