"""Bodies against their models: what is refused, with which reason, and that no reason quotes the payload."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, field_validator

from pipeline.errors import ErrorCode, Permanent, PipelineError
from pipeline.runtime.contracts import Contracts, printable
from pipeline.topology.model import Topology

SECRET = "hunter2"


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Order(BaseModel):
    model_config = ConfigDict(extra="allow")

    number: int = Field(ge=1)
    note: str | None = None
    kind: Literal["order"] = "order"
    id: UUID | None = None
    home: HttpUrl | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None

    @field_validator("note")
    @classmethod
    def _polite(cls, note: str | None) -> str | None:
        if note and "rude" in note:
            raise ValueError(f"{note} is rude")
        return note


def contracts(model: Any = Order) -> Contracts:
    message = {"model": "somewhere:Order", "exchange": "shop", "max_size": "2kB"}
    topology = Topology.model_validate(
        {
            "version": 1,
            "name": "test",
            "exchanges": {"shop": {"type": "topic", "name": "the.shop"}},
            "messages": {"order.placed": message, "order.moved": {**message, "routing_key": "moved"}},
        }
    )
    return Contracts(topology, lambda _: model)


def refusal(body: bytes, content_type: str | None = None) -> Permanent:
    with pytest.raises(Permanent) as refused:
        contracts()["order.placed"].decode(body, content_type)
    return refused.value


def test_a_valid_body_becomes_its_model_and_keeps_fields_that_nobody_declared() -> None:
    order = contracts()["order.placed"].decode(b'{"number": 3, "colour": "red"}', "application/json; charset=utf-8")
    assert order == Order.model_validate({"number": 3, "colour": "red"})


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "Invalid JSON"),
        (b'{"number": 3', "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[" * 1500, "Invalid JSON"),
        (b"[]", "should be an object"),
        (b"{}", "number: Field required"),
        (b'{"number": "hunter2"}', "number: "),
        (b'{"number": 0}', "number: Input should be greater than or equal to 1"),
        (b'{"number": 1, "note": "rude hunter2"}', "note: is not valid (value_error)"),
        (b'{"number": 1, "kind": "hunter2"}', "kind: Input should be 'order'"),
        (b'{"number": 1, "id": "hunter2"}', "id: is not valid (uuid_parsing)"),
        (b'{"number": 1, "home": "hunter2"}', "home: is not valid (url_parsing)"),
        (b'{"number": 1, "pet": {"kind": "hunter2"}}', "pet: is not valid (union_tag_invalid)"),
    ],
)
def test_an_invalid_body_is_refused_with_a_reason_that_names_fields_and_quotes_nothing(body: bytes, named: str) -> None:
    refused = refusal(body)
    assert refused.error_code == ErrorCode.INVALID_MESSAGE
    assert named in refused.reason
    assert SECRET not in refused.reason


@given(st.dictionaries(st.sampled_from(["number", "note", "kind", "id", "home", "pet"]), st.just({"deep": SECRET})))
def test_no_reason_quotes_a_value(body: dict[str, Any]) -> None:
    assert SECRET not in refusal(json.dumps(body).encode()).reason


def test_many_errors_make_a_short_reason() -> None:
    fields = {f"field{number}": (int, ...) for number in range(100)}
    model = type("Wide", (BaseModel,), {"__annotations__": dict.fromkeys(fields, int)})
    with pytest.raises(Permanent, match="and 95 more"):
        contracts(model)["order.placed"].decode(b"{}")


def test_a_body_beyond_its_size_limit_is_refused_unread() -> None:
    assert refusal(b"{" * 2001).error_code == ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "json"])
def test_a_body_that_says_it_is_not_json_is_refused(content_type: str) -> None:
    assert "not JSON" in refusal(b'{"number": 1}', content_type).reason


@pytest.mark.parametrize("content_type", [None, "", "Application/JSON", "application/cloudevents+json"])
def test_a_body_that_may_be_json_is_read(content_type: str | None) -> None:
    assert contracts()["order.placed"].decode(b'{"number": 1}', content_type) == Order(number=1)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Permanent) as refused:
        contracts()["order.lost\n" + "x" * 500]
    assert refused.value.error_code == ErrorCode.UNKNOWN_MESSAGE
    assert len(refused.value.reason) < 200
    assert refused.value.reason.isprintable()


def test_what_is_no_pydantic_model_is_an_error_at_its_place() -> None:
    with pytest.raises(PipelineError, match=r"is not a pydantic model \(messages\.order\.placed\.model\)"):
        contracts(dict)["order.placed"]


def test_exchange_and_routing_key_are_the_brokers() -> None:
    assert contracts()["order.placed"].exchange == "the.shop"
    assert contracts()["order.placed"].routing_key == "order.placed"
    assert contracts()["order.moved"].routing_key == "moved"


def test_fields_that_nobody_set_are_left_out_and_those_set_to_none_are_kept() -> None:
    encode = contracts()["order.placed"].encode
    assert json.loads(encode(Order(number=1))) == {"number": 1, "kind": "order"}
    assert json.loads(encode(Order(number=1, note=None))) == {"number": 1, "kind": "order", "note": None}


def test_a_body_that_no_consumer_would_take_is_not_published() -> None:
    with pytest.raises(Permanent) as refused:
        contracts()["order.placed"].encode(Order(number=1, note="x" * 3000))
    assert refused.value.error_code == ErrorCode.MESSAGE_TOO_LARGE


@given(st.text(max_size=100), st.integers(2, 40))
def test_printable_text_has_no_control_characters_and_keeps_its_limit(text: str, limit: int) -> None:
    assert len(printable(text, limit)) <= limit
    assert printable(text, limit).isprintable()
