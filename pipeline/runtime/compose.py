"""Turns a stage's `run` into one callable: steps in order, `{all: […]}` side by side.

A value flows depth first, so outputs keep the order of the steps' results. None ends a branch; a list or an
iterator goes on as one value after the other; everything else, tuples included, is one value.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any, get_origin

from pipeline.errors import PipelineError
from pipeline.runtime.annotations import Alternatives, fits, given, is_awaited, parameter_and_return, spelled, taken
from pipeline.topology.model import All, Stage
from pipeline.topology.values import Reference, parse_reference

Resolve = Callable[[Reference], Any]
References = tuple[Reference | tuple[Reference, ...], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step, callable with (value, context) whatever its own signature is.

    Attributes:
        takes: what each function in it takes, by the function's name: one, or those of an `all`.
        gives: types of one of its outputs.
        returns: its return annotation as written, for the tuple of an `all`.
    """

    name: str
    call: Callable[[Any, Any], Any]
    is_async: bool
    takes: tuple[tuple[str, Alternatives], ...]
    gives: Alternatives
    returns: Any = Any


class Steps:
    """A stage's steps, ready to run."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self.is_async = any(step.is_async for step in steps)

    def run(self, value: Any, context: Any) -> list[Any]:
        """All outputs for one value, in order. Only where no step is async."""
        outputs: list[Any] = []
        self._feed(0, value, context, outputs)
        return outputs

    def run_anywhere(self, value: Any, context: Any) -> list[Any]:
        """All outputs for one value, in order, in a thread or process that has no running loop."""
        return asyncio.run(self.run_async(value, context)) if self.is_async else self.run(value, context)

    def _feed(self, position: int, value: Any, context: Any, outputs: list[Any]) -> None:
        for index in range(position, len(self.steps)):
            value = self.steps[index].call(value, context)
            if value is None:
                return
            if isinstance(value, list | Iterator):
                for item in value:
                    if item is not None:
                        self._feed(index + 1, item, context, outputs)
                return
        outputs.append(value)

    async def run_async(self, value: Any, context: Any) -> list[Any]:
        """All outputs for one value, in order, on the running loop."""
        outputs: list[Any] = []
        await self._feed_async(0, value, context, outputs)
        return outputs

    async def _feed_async(self, position: int, value: Any, context: Any, outputs: list[Any]) -> None:
        for index in range(position, len(self.steps)):
            step = self.steps[index]
            value = step.call(value, context)
            if step.is_async and inspect.isawaitable(value):
                value = await value
            if value is None:
                return
            if isinstance(value, list | Iterator):
                for item in value:
                    if item is not None:
                        await self._feed_async(index + 1, item, context, outputs)
                return
            if isinstance(value, AsyncIterator):
                async with _closing(value):
                    async for item in value:
                        if item is not None:
                            await self._feed_async(index + 1, item, context, outputs)
                return
        outputs.append(value)


def references(name: str, stage: Stage) -> References:
    """Where the steps of a stage are found. Raises PipelineError for a bare name in a stage without `module`."""

    def reference(step: str) -> Reference:
        if ":" in step:
            return parse_reference(step)
        if stage.module is None:
            raise PipelineError(
                f"Step {step!r} does not say which module it is in",
                where=f"stages.{name}.run",
                fix=f"Write package.module:{step}, or give the stage a `module`",
            )
        return parse_reference(f"{stage.module}:{step}")

    return tuple(
        tuple(map(reference, entry.all)) if isinstance(entry, All) else reference(entry) for entry in stage.run
    )


def compose(stage: str, run: References, resolve: Resolve) -> Steps:
    """Resolve the steps and look at their signatures. Raises PipelineError."""

    def step(entry: Reference | tuple[Reference, ...]) -> Step:
        if isinstance(entry, tuple):
            return _side_by_side([_step(stage, each, resolve) for each in entry])
        return _step(stage, entry, resolve)

    return Steps([step(entry) for entry in run])


def check(stage: str, steps: Steps, messages: dict[str, type], outputs: Alternatives) -> None:
    """Raise PipelineError where a step cannot take what comes, as far as annotations tell.

    Args:
        messages: the models of the messages the stage takes, by name.
        outputs: what the last step may give.
    """
    where = f"stages.{stage}.run"
    first, last = steps.steps[0], steps.steps[-1]
    for message, model in messages.items():
        for name, takes in first.takes:
            if not fits((model,), takes):
                raise PipelineError(
                    f"Step {name} takes {spelled(takes)}, but message {message} is {model.__name__}",
                    where=where,
                    fix="Change the step's annotation, or the messages the stage takes",
                )
    for before, after in pairwise(steps.steps):
        for name, takes in after.takes:
            if not fits(before.gives, takes):
                raise PipelineError(
                    f"Step {name} takes {spelled(takes)}, but step {before.name} gives {spelled(before.gives)}",
                    where=where,
                    fix="Lists and iterators are passed on one value at a time; tuples as one value",
                )
    if not fits(last.gives, outputs):
        raise PipelineError(
            f"Step {last.name} is the last one and gives {spelled(last.gives)}, which is not a message it may emit",
            where=where,
            fix="Give the model of a message under `emits`, Emit, Completed, Cancel or None",
        )


def import_reference(reference: Reference) -> Any:
    """Resolve by import; what pool workers do. Raises ImportError, AttributeError."""
    found: Any = import_module(reference.module)
    for part in reference.name.split("."):
        found = getattr(found, part)
    return found


def _step(stage: str, reference: Reference, resolve: Resolve) -> Step:
    function = resolve(reference)
    where = f"stages.{stage}.run"
    if not callable(function):
        raise PipelineError(f"{reference} is not a function", where=where)
    takes, gives = parameter_and_return(function)
    call = type(function).__call__ if not inspect.isclass(function) else function
    return Step(
        name=reference.name,
        call=function if _takes_context(function, reference, where) else _without_context(function),
        is_async=_is_async(function) or _is_async(call) or is_awaited(gives),
        takes=((reference.name, taken(takes)),),
        gives=given(gives),
        returns=gives,
    )


def _closing(items: AsyncIterator[Any]) -> AbstractAsyncContextManager[Any]:
    return aclosing(items) if isinstance(items, AsyncGenerator) else nullcontext(items)


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _without_context(function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _context: function(value)


def _takes_context(function: Callable[..., Any], reference: Reference, where: str) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some built-ins have no signature: one value in
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [each for each in parameters if each.kind in kinds]
    variadic = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters)
    required = [each for each in parameters if each.default is each.empty and each.kind in (*kinds, each.KEYWORD_ONLY)]
    if len(required) > 2 or any(each.kind is each.KEYWORD_ONLY for each in required) or not (positional or variadic):
        raise PipelineError(
            f"{reference} cannot be a step: it takes {inspect.signature(function)}",
            where=where,
            fix="A step takes (value) or (value, context)",
        )
    return len(required) == 2 or (len(positional) > 1 and positional[1].name == "context")


def _side_by_side(steps: Sequence[Step]) -> Step:
    """One step that gives the same value to each and returns the tuple of their results."""

    def together(value: Any, context: Any) -> tuple[Any, ...]:
        return tuple(_whole(step.call(value, context)) for step in steps)

    async def one(step: Step, value: Any, context: Any) -> Any:
        result = step.call(value, context)
        if inspect.isawaitable(result):
            result = await result
        return [item async for item in result] if isinstance(result, AsyncIterator) else _whole(result)

    async def concurrently(value: Any, context: Any) -> tuple[Any, ...]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(step, value, context)) for step in steps]
        except BaseExceptionGroup as failed:
            first: BaseException = failed
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None
        return tuple(task.result() for task in tasks)

    is_async = any(step.is_async for step in steps)
    elements = tuple(Any if _is_iterator(step.returns) else step.returns for step in steps)
    return Step(
        name=f"all[{', '.join(step.name for step in steps)}]",
        call=concurrently if is_async else together,
        is_async=is_async,
        takes=tuple(requirement for step in steps for requirement in step.takes),
        gives=(tuple[elements],),  # type: ignore[valid-type]
    )


def _whole(result: Any) -> Any:
    return list(result) if isinstance(result, Iterator) else result


def _is_iterator(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return inspect.isclass(origin) and issubclass(origin, Iterator | AsyncIterator)
