"""What lint says for one version of RabbitMQ, and what it says of its own codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.topology.brokers import SUPPORTED
from pipeline.topology.code_examples import BASE, EXAMPLES
from pipeline.topology.codes import CODES
from pipeline.topology.explain import explain, explain_all
from pipeline.topology.load import inspect
from pipeline.topology.values import Version

_EXAMPLES = {example.code: example.after() for example in EXAMPLES}
_SAYS = {
    "T501": {(4, 0), (4, 3)},
    "T502": {(3, 13), (4, 0), (4, 3)},
    "T503": {(4, 0), (4, 3)},
    "T504": {(3, 10), (3, 13), (4, 0)},
    "T505": {(4, 0), (4, 3)},
}


def _codes(folder: Path, text: str, version: Version | None) -> dict[str, str]:
    file = folder / "topology.yaml"
    file.write_text(text)
    return {each.code: each.detail for each in inspect(file, {}, version=version)[2]}


@pytest.mark.parametrize("code", sorted(_SAYS))
def test_what_depends_on_the_version_is_said_for_those_versions_only(code: str, tmp_path: Path) -> None:
    said = {version for version in SUPPORTED if code in _codes(tmp_path, _EXAMPLES[code], version)}
    assert said == _SAYS[code]
    assert code in _codes(tmp_path, _EXAMPLES[code], None)


def test_every_code_about_versions_is_tried_above() -> None:
    assert set(_SAYS) == {code for code in CODES if code.startswith("T5")}


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ((3, 13), "before 4.0 it is ignored."),
        ((4, 1), "from 4.0 to 4.2 there are two classes, above 4 and not, served two to one."),
    ],
)
def test_priorities_on_quorum_queues_are_told_as_that_version_has_them(
    version: Version, said: str, tmp_path: Path
) -> None:
    assert _codes(tmp_path, _EXAMPLES["T504"], version)["T504"].endswith(said)


def test_the_file_may_name_the_version(tmp_path: Path) -> None:
    text = _EXAMPLES["T501"]
    assert "T501" in _codes(tmp_path, text + 'broker: {version: "4.0"}\n', None)
    assert "T501" not in _codes(tmp_path, text + 'broker: {version: "3.13.7"}\n', None)
    assert "T501" in _codes(tmp_path, text + 'broker: {version: "3.13"}\n', (4, 3))


@pytest.mark.parametrize("version", ["3.10", "four", '"4"', "[4, 0]"])
def test_a_version_that_is_none_is_told_how_to_be_written(version: str, tmp_path: Path) -> None:
    assert "in quotes" in _codes(tmp_path, f"{BASE}broker: {{version: {version}}}\n", None)["T103"]


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained_with_an_example(code: str) -> None:
    text = explain(code)
    assert text.startswith(f"# {code} {CODES[code].summary}")
    assert "```diff" in text or "For example" in text
    if "```diff" in text:
        assert any(line.startswith(("+", "-")) for line in text.splitlines())


def test_the_page_of_codes_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "lint.md"
    assert page.read_text() == explain_all(), "Run `make lint-docs`"
