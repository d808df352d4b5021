"""Which outputs may be what a step takes, read from annotations; whatever cannot be known fits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NewType, Protocol, TypeVar

import pytest

from pipeline.runtime.annotations import fits, given, parameter_and_return, spelled, taken

T = TypeVar("T")
Name = NewType("Name", str)


class Base: ...


class Derived(Base): ...


class Other: ...


class Shaped(Protocol):
    def area(self) -> float: ...


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        (Derived, Base),
        (Base, Derived),
        (Base | None, Base),
        (Other | Derived, Base),
        (Derived, Base | Other),
        (list[Base], Base),
        (Iterator[Base], Base),
        (AsyncIterator[Base] | None, Base),
        (Generator[Base, None, None], Base),
        (Iterable[Base], Other),
        (Any, Base),
        (object, Base),
        (T, Base),
        (Other, Any),
        (int, float),
        (Annotated[Base, "note"], Base),
        (Literal["a", "b"], str),
        (Name, str),
        (str, Name),
        (Other, Shaped),
        (dict[str, int], Mapping[str, int]),
        (dict[str, int], dict[str, str]),
        (tuple[int, str], tuple[int, str]),
        (tuple[int, str], tuple[Any, ...]),
        (tuple[int, str], tuple),
        (tuple[int, Derived | None], tuple[int | None, Base]),
        (None, Base),
    ],
)
def test_what_may_fit_fits(output: Any, wanted: Any) -> None:
    assert fits(given(output), taken(wanted))


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        (Base, Other),
        (Base | None, Other),
        (list[Base], list[Base]),
        (list[Base], Other),
        (AsyncIterator[Base], Other),
        (tuple[int, str], tuple[int]),
        (tuple[int, str], tuple[str, str]),
        (str, Literal[1, 2]),
        (dict[str, int], tuple[int, ...]),
        (Name, int),
    ],
)
def test_what_cannot_fit_does_not(output: Any, wanted: Any) -> None:
    assert not fits(given(output), taken(wanted))


def test_annotations_that_do_not_resolve_say_nothing() -> None:
    def step(value: NotThere) -> NorThis:  # type: ignore[name-defined]  # noqa: F821
        return value

    assert parameter_and_return(step) == (Any, Any)


def test_a_class_gives_itself() -> None:
    assert parameter_and_return(Base) == (Any, Base)


def test_types_are_spelled_as_people_write_them() -> None:
    assert spelled(given(Base | tuple[int, str])) == "Base | tuple[int, str]"
    assert spelled(given(None)) == "nothing"
