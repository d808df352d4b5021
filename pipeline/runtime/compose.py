"""Turns a stage's `run` into one callable: steps in order, `{all: […]}` side by side, `{process: […]}` in the pool.

A value flows depth first, so outputs keep the order of the steps' results. None ends a branch; a list or an
iterator goes on as one value after the other; a Completed, Emit or Cancel passes the remaining steps by;
everything else, tuples included, is one value.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, get_origin

from pipeline.errors import PipelineError
from pipeline.runtime.annotations import Alternatives, given, is_awaited, parameter_and_return, taken
from pipeline.stage import Cancel, Completed, Emit
from pipeline.topology.stages import All, Process, Stage
from pipeline.topology.values import Reference, parse_reference

Resolve = Callable[[Reference], Any]
FINAL = (Completed, Emit, Cancel)
"""What a stage gives, whichever of its steps gave it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Steps that run as one call in the pool of processes."""

    run: References


References = tuple[Reference | tuple[Reference, ...] | Group, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step, callable with (value, context) whatever its own signature is.

    Attributes:
        takes: what each function in it takes, by the function's name: one, or those of an `all`.
        gives: types of one of its outputs.
        returns: its return annotation as written, for the tuple of an `all`.
        inner: the steps of a process group.
    """

    name: str
    call: Callable[[Any, Any], Any]
    is_async: bool
    takes: tuple[tuple[str, Alternatives], ...]
    gives: Alternatives
    returns: Any = Any
    inner: Steps | None = None


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
            if isinstance(value, FINAL):
                break
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
            if isinstance(value, FINAL):
                break
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


def reference_of(name: str, stage: Stage, step: str) -> Reference:
    """Where a function of a stage is found. Raises PipelineError for a bare name in a stage without `module`."""
    if ":" in step:
        return parse_reference(step)
    if stage.module is None:
        raise PipelineError(
            f"Step {step!r} does not say which module it is in",
            where=f"stages.{name}.run",
            fix=f"Write package.module:{step}, or give the stage a `module`",
        )
    return parse_reference(f"{stage.module}:{step}")


def references(name: str, stage: Stage) -> References:
    """Where the steps of a stage are found. Raises PipelineError as `reference_of` does."""
    reference = partial(reference_of, name, stage)

    def entry(step: str | All | Process) -> Reference | tuple[Reference, ...] | Group:
        if isinstance(step, Process):
            return Group(tuple(entry(each) for each in step.process))
        return tuple(map(reference, step.all)) if isinstance(step, All) else reference(step)

    return tuple(map(entry, stage.run))


def groups(run: References) -> dict[int, References]:
    """The steps of each process group, by its place in the run."""
    return {index: entry.run for index, entry in enumerate(run) if isinstance(entry, Group)}


def compose(stage: str, run: References, resolve: Resolve) -> Steps:
    """Resolve the steps and look at their signatures. Raises PipelineError."""

    def step(index: int, entry: Reference | tuple[Reference, ...] | Group) -> Step:
        if isinstance(entry, Group):
            return _in_process(index, compose(stage, entry.run, resolve))
        if isinstance(entry, tuple):
            return _side_by_side([_step(stage, each, resolve) for each in entry])
        return _step(stage, entry, resolve)

    return Steps([step(index, entry) for index, entry in enumerate(run)])


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


def _in_process(index: int, steps: Steps) -> Step:
    """One step that has a group of them run in the pool, and gives their outputs one after the other."""
    first, last = steps.steps[0], steps.steps[-1]
    names = ", ".join(step.name for step in steps.steps)
    return Step(
        name=f"process[{names}]",
        call=lambda value, context: context.in_process(index, value),
        is_async=True,
        takes=first.takes,
        gives=last.gives,
        inner=steps,
    )


def _whole(result: Any) -> Any:
    return list(result) if isinstance(result, Iterator) else result


def _is_iterator(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return inspect.isclass(origin) and issubclass(origin, Iterator | AsyncIterator)
