"""What steps take and give, read from their annotations. Silent wherever it cannot be known: Any fits anything."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

# The types whose values count as several outputs rather than one.
_SEVERAL = frozenset({list, Iterator, Generator, AsyncIterator, AsyncGenerator, AsyncIterable})
_UNKNOWN = (Any,)

Alternatives = tuple[Any, ...]


def parameter_and_return(function: Callable[..., Any]) -> tuple[Any, Any]:
    """The annotations of the first parameter and of the return value; or Any."""
    if inspect.isclass(function):
        return Any, function
    target = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    try:
        hints = typing.get_type_hints(target)
        first = next(iter(inspect.signature(function).parameters), "")
    except Exception:  # built-ins; names known to the type checker alone: nothing can be said
        return Any, Any
    return hints.get(first, Any), hints.get("return", Any)


def is_awaited(annotation: Any) -> bool:
    """Whether what a plain function is annotated to return has to be awaited or iterated on a loop."""
    kind = get_origin(annotation) or annotation
    return kind in (Awaitable, Coroutine, AsyncIterable, AsyncIterator, AsyncGenerator)


def taken(annotation: Any) -> Alternatives:
    """The types an input annotation allows."""
    return _alternatives(annotation, several=False) or _UNKNOWN


def given(annotation: Any) -> Alternatives:
    """The types of one output: list[X] and iterators of X give X, None gives nothing."""
    return _alternatives(annotation, several=True)


def fits(outputs: Alternatives, inputs: Alternatives) -> bool:
    """Whether one of `outputs` may be what one of `inputs` takes. An empty `outputs` never reaches it, so it fits."""
    return not outputs or any(_may_be(output, wanted) for output in outputs for wanted in inputs)


def spelled(alternatives: Alternatives) -> str:
    """For messages: `Audio | None` rather than the repr of a class."""
    return " | ".join(each.__name__ if inspect.isclass(each) else str(each) for each in alternatives) or "nothing"


def _alternatives(annotation: Any, *, several: bool) -> Alternatives:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is types.NoneType:
        return ()
    if origin in (Union, types.UnionType):
        return tuple(each for part in arguments for each in _alternatives(part, several=several))
    if origin is Annotated:
        return _alternatives(arguments[0], several=several)
    if origin is Literal:
        return tuple({type(value) for value in arguments})
    if origin in (Awaitable, Coroutine):
        return _alternatives(arguments[-1], several=several)
    if several and (origin or annotation) in (Iterable, Sequence):
        return _UNKNOWN  # one value if it is a tuple, several if it is a list or a generator
    if several and (origin or annotation) in _SEVERAL:
        return _alternatives(arguments[0], several=False) if arguments else _UNKNOWN
    if supertype := getattr(annotation, "__supertype__", None):  # NewType
        return _alternatives(supertype, several=several)
    if annotation is object or isinstance(annotation, TypeVar | str):
        return _UNKNOWN
    return (annotation,)


def _may_be(output: Any, wanted: Any) -> bool:
    if output is Any or wanted is Any:
        return True
    output_class, wanted_class = get_origin(output) or output, get_origin(wanted) or wanted
    if not (inspect.isclass(output_class) and inspect.isclass(wanted_class)):
        return True
    if getattr(output_class, "_is_protocol", False) or getattr(wanted_class, "_is_protocol", False):
        return True
    if output_class is int and wanted_class in (float, complex):
        return True
    # An annotation may be wider than what is really returned, hence both directions.
    if not (issubclass(output_class, wanted_class) or issubclass(wanted_class, output_class)):
        return False
    return output_class is not tuple or wanted_class is not tuple or _tuples_fit(get_args(output), get_args(wanted))


def _tuples_fit(outputs: Alternatives, inputs: Alternatives) -> bool:
    if not outputs or not inputs or Ellipsis in outputs or Ellipsis in inputs:
        return True
    return len(outputs) == len(inputs) and all(
        fits(_alternatives(output, several=False), taken(wanted))
        for output, wanted in zip(outputs, inputs, strict=True)
    )
