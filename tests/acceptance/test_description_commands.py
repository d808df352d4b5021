"""What `pipeline schema` and `pipeline asyncapi` print and write."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from jsonschema_rs import Draft202012Validator

from tests.acceptance.commands import ROOT, Commands


def test_a_schema_of_each_message_is_written_to_a_file_of_its_own(commands: Commands, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "schemas"
    ended = commands.run("schema", "messages", "--out", str(folder), "--output", "json")
    assert ended.returncode == 0, ended.stderr
    written = json.loads(ended.stdout)["written"]
    assert {Path(path) for path in written.values()} == set(folder.iterdir())
    schema = json.loads(Path(written["analysis.cancel"]).read_text())
    assert Draft202012Validator(schema).is_valid({"recording_id": "1", "action": "cancel"})
    assert not Draft202012Validator(schema).is_valid({"action": "cancel"})


def test_without_a_folder_the_schemas_are_printed_as_one_document(commands: Commands) -> None:
    ended = commands.run("schema", "messages")
    assert ended.returncode == 0, ended.stderr
    assert "file.analyze" in json.loads(ended.stdout)["$defs"]


def test_the_schema_of_the_topology_file_is_printed_or_written(commands: Commands, tmp_path: Path) -> None:
    printed = commands.run("schema", "topology")
    written = commands.run("schema", "topology", "--out", "topology.schema.json")
    assert (printed.returncode, written.returncode) == (0, 0), printed.stderr + written.stderr
    assert written.stdout.strip() == "topology.schema.json"
    assert (tmp_path / "topology.schema.json").read_text() == printed.stdout


def test_a_folder_that_cannot_be_written_is_an_error_without_a_traceback(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    ended = commands.run("schema", "messages", "--out", str(tmp_path / "taken"))
    assert ended.returncode == 1
    assert "taken" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_asyncapi_document_is_printed_as_yaml_or_written_as_json(commands: Commands, tmp_path: Path) -> None:
    printed = commands.run("asyncapi")
    written = commands.run("asyncapi", "--format", "json", "--out", "asyncapi.json")
    assert (printed.returncode, written.returncode) == (0, 0), printed.stderr + written.stderr
    document = json.loads((tmp_path / "asyncapi.json").read_text())
    assert document["asyncapi"] == "3.0.0"
    assert yaml.safe_load(printed.stdout) == document


def test_a_model_that_cannot_be_imported_is_an_error_without_a_traceback(commands: Commands, tmp_path: Path) -> None:
    topology = (ROOT / "topology.yaml").read_text().replace("stages.examples:EXAMPLES", "own_examples:EXAMPLES")
    (tmp_path / "topology.yaml").write_text(topology)
    (tmp_path / "own_examples.py").write_text("EXAMPLES = [1 / 0]\n")
    ended = commands.run("asyncapi", PIPELINE_TOPOLOGY=str(tmp_path / "topology.yaml"))
    assert ended.returncode == 1
    assert "own_examples:EXAMPLES cannot be imported: ZeroDivisionError" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_same_topology_gives_the_same_bytes_whatever_servers_are_set(commands: Commands) -> None:
    servers = {"RABBITMQ_URL": "amqp://someone:s3cret@elsewhere/", "REDIS_URL": "redis://:s3cret@elsewhere/0"}
    first = commands.run("asyncapi", PYTHONHASHSEED="1")
    assert first.returncode == 0, first.stderr
    assert first.stdout == commands.run("asyncapi", PYTHONHASHSEED="2", **servers).stdout
    assert "s3cret" not in first.stdout
    assert "elsewhere" not in first.stdout
