"""The JSON Schemas of messages: valid themselves, true to the models, and the same each time."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, Registry, meta
from pydantic import BaseModel, ValidationError

from pipeline.app.models import models_of
from pipeline.describe.schemas import bundle, file_name, message_schemas
from pipeline.topology.load import load
from stages.examples import EXAMPLES

TOPOLOGY = load(Path(__file__).parents[2] / "topology.yaml", {})
MODELS = models_of(TOPOLOGY)
SCHEMAS = message_schemas(TOPOLOGY.name, MODELS)
VALIDATORS = {name: Draft202012Validator(schema, validate_formats=True) for name, schema in SCHEMAS.items()}
CASES = [(name, body) for name, bodies in EXAMPLES.items() for body in bodies]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def accepts(model: type[BaseModel], body: Any) -> bool:
    try:
        model.model_validate_json(json.dumps(body))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", TOPOLOGY.messages)
def test_every_message_has_a_valid_schema_with_an_id_of_its_own(name: str) -> None:
    meta.validate(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMAS[name]["$id"] == f"urn:tracktion-pipeline:tracktion:message:{name}"


def test_ids_and_file_names_are_unique() -> None:
    assert len({schema["$id"] for schema in SCHEMAS.values()}) == len(SCHEMAS)
    assert len({file_name(name) for name in SCHEMAS}) == len(SCHEMAS)


def test_a_name_with_a_slash_stays_in_its_folder() -> None:
    assert file_name("../other/name") == "..%2Fother%2Fname.schema.json"


@pytest.mark.parametrize(("name", "body"), CASES)
def test_the_documents_example_is_valid(name: str, body: dict[str, Any]) -> None:
    VALIDATORS[name].validate(body)


@pytest.mark.parametrize(("name", "body"), CASES)
def test_each_required_field_is_required_by_the_schema_too(name: str, body: dict[str, Any]) -> None:
    for field, info in MODELS[name].model_fields.items():
        without = {key: value for key, value in body.items() if key != field}
        assert VALIDATORS[name].is_valid(without) != info.is_required(), field


@given(case=st.sampled_from(CASES), data=st.data())
def test_whatever_the_schema_takes_the_model_takes(case: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    name, example = case
    body = copy.deepcopy(example)
    for _ in range(data.draw(st.integers(1, 2))):
        field = data.draw(st.sampled_from([*MODELS[name].model_fields, *example]))
        if data.draw(st.booleans()) and field in body:
            del body[field]
        else:
            body[field] = data.draw(anything)
    if VALIDATORS[name].is_valid(body):
        assert accepts(MODELS[name], body), body


def test_the_bundle_is_one_document_whose_parts_are_found_by_their_ids() -> None:
    document = bundle(TOPOLOGY.name, SCHEMAS)
    meta.validate(document)
    registry = Registry([(document["$id"], document)])
    one = {"$ref": SCHEMAS["rename.request"]["$id"]}
    validator = Draft202012Validator(one, registry=registry)
    assert validator.is_valid(EXAMPLES["rename.request"][0])
    assert not validator.is_valid({"file_path": 5})
