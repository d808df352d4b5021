"""How steps are put together: order, several outputs, filters, `all`, contexts, and the checks at start."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pipeline.errors import PipelineError
from pipeline.runtime.compose import Steps, compose, references
from pipeline.runtime.fitting import check
from pipeline.stage import Cancel, Completed, Emit
from pipeline.topology.stages import Stage
from pipeline.topology.values import Reference


class Request(BaseModel):
    number: int


class Answer(BaseModel):
    number: int


def steps_of(*functions: Callable[..., Any] | list[Callable[..., Any]]) -> Steps:
    found: dict[str, Any] = {}

    def name(function: Callable[..., Any]) -> str:
        key = f"step{len(found)}"
        found[key] = function
        return key

    run = [{"all": [name(each) for each in entry]} if isinstance(entry, list) else name(entry) for entry in functions]
    stage = Stage.model_validate({"from": {"q": "m"}, "module": "somewhere", "run": run})
    return compose("stage", references("stage", stage), lambda reference: found[reference.name])


def test_steps_run_in_order_each_with_the_result_of_the_one_before() -> None:
    assert steps_of(lambda x: x + 1, lambda x: x * 10).run(1, None) == [20]


def test_none_ends_a_branch() -> None:
    def never(value: int) -> int:
        raise AssertionError

    assert steps_of(lambda x: None, never).run(1, None) == []


@pytest.mark.parametrize(
    "final",
    [Completed("done", {}), Emit("answer", Answer(number=1)), Cancel("rec", "because")],
    ids=["done", "emit", "cancel"],
)
def test_what_the_stage_gives_passes_the_remaining_steps_by(final: Completed | Emit | Cancel) -> None:
    def never(value: int) -> int:
        raise AssertionError

    async def never_async(value: int) -> int:
        raise AssertionError

    assert steps_of(lambda x: final, never).run(1, None) == [final]
    assert asyncio.run(steps_of(lambda x: [final, final], never_async).run_async(1, None)) == [final, final]


def test_what_passes_the_next_step_by_need_not_fit_it() -> None:
    def recall(request: Request) -> Request | Completed:
        return request

    def measure(request: Request) -> Answer:
        return Answer(number=request.number)

    check("s", steps_of(recall, measure), {"m": Request}, OUTPUTS)


def test_steps_within_a_process_group_are_checked_too() -> None:
    def number(request: Request) -> int:
        return 1

    def text(value: str) -> Answer:
        return Answer(number=1)

    found = {"number": number, "text": text}
    stage = Stage.model_validate({"from": {"q": "m"}, "module": "m", "run": [{"process": ["number", "text"]}]})
    steps = compose("s", references("s", stage), lambda reference: found[reference.name])
    with pytest.raises(PipelineError, match="text takes str, but step number gives int"):
        check("s", steps, {"m": Request}, OUTPUTS)


def test_lists_and_iterators_go_on_as_one_value_after_the_other() -> None:
    def twice(value: int) -> Iterator[int]:
        yield value
        yield value + 1

    assert steps_of(lambda x: [x, None, x * 2], twice).run(5, None) == [5, 6, 10, 11]


def test_a_tuple_is_one_value() -> None:
    assert steps_of(lambda x: (x, x), lambda pair: pair[0] + pair[1]).run(2, None) == [4]


def test_all_gives_the_same_value_to_each_and_passes_on_the_tuple_of_results() -> None:
    def numbers(value: int) -> Iterator[int]:
        yield from range(value)

    steps = steps_of([lambda x: x + 1, lambda x: None, numbers], lambda results: results)
    assert steps.run(2, None) == [(3, None, [0, 1])]


def test_the_context_is_given_to_steps_that_take_two_values() -> None:
    def plain(value: int) -> int:
        return value

    def with_context(value: int, context: Any) -> Any:
        return (value, context)

    def with_option(value: Any, *, factor: int = 3) -> Any:
        return (value, factor)

    assert steps_of(plain, with_context, with_option).run(1, "the context") == [((1, "the context"), 3)]


async def test_sync_and_async_steps_mix() -> None:
    async def double(value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    async def each(value: int) -> AsyncIterator[int]:
        for number in range(value):
            yield number

    steps = steps_of(lambda x: x + 1, double, each, lambda x: x + 100)
    assert steps.is_async
    assert await steps.run_async(1, None) == [100, 101, 102, 103]


async def test_async_steps_in_all_run_at_the_same_time() -> None:
    met = asyncio.Barrier(2)

    async def first(value: int) -> int:
        await met.wait()
        return value

    async def second(value: int) -> int:
        await met.wait()
        return -value

    assert await asyncio.wait_for(steps_of([first, second]).run_async(7, None), 5) == [(7, -7)]


async def test_a_failure_in_all_is_raised_as_it_is_and_ends_the_others() -> None:
    ended = asyncio.Event()

    async def waits(value: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails(value: int) -> None:
        raise KeyError(value)

    with pytest.raises(KeyError):
        await steps_of([waits, fails]).run_async(7, None)
    assert ended.is_set()


async def test_an_async_generator_is_closed_when_a_later_step_fails() -> None:
    closed = asyncio.Event()

    async def numbers(value: int) -> AsyncIterator[int]:
        try:
            yield value
            yield value
        finally:
            closed.set()

    def fails(value: int) -> None:
        raise KeyError(value)

    with pytest.raises(KeyError):
        await steps_of(numbers, fails).run_async(7, None)
    assert closed.is_set()


async def test_async_iterators_that_are_no_generators_are_iterated_too() -> None:
    class Countdown:
        def __init__(self, start: int) -> None:
            self.left = start

        def __aiter__(self) -> AsyncIterator[int]:
            return self

        async def __anext__(self) -> int:
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return self.left

    def count(value: int) -> AsyncIterator[int]:
        return Countdown(value)

    assert await steps_of(count, [count, count]).run_async(2, None) == [([0], [0]), ([], [])]


def test_callable_objects_and_partials_are_steps() -> None:
    class Adder:
        def __call__(self, value: int) -> int:
            return value + 1

    async def add(amount: int, value: int) -> int:
        return value + amount

    assert steps_of(Adder()).run(1, None) == [2]
    steps = steps_of(functools.partial(add, 5), Adder())
    assert steps.is_async
    assert steps.run_anywhere(1, None) == [7]


@given(st.lists(st.lists(st.one_of(st.none(), st.integers())), max_size=4), st.integers(-3, 3))
def test_sync_and_async_steps_give_the_same_outputs(table: list[list[int | None]], value: int) -> None:
    def steps(make: Callable[[list[int | None]], Callable[..., Any]]) -> Steps:
        return steps_of(*(make(row) for row in table), lambda x: x)

    def sync(row: list[int | None]) -> Callable[[int], list[int | None]]:
        return lambda x: [None if each is None else x + each for each in row]

    def asynchronous(row: list[int | None]) -> Callable[..., Any]:
        async def step(x: int) -> AsyncIterator[int | None]:
            for each in sync(row)(x):
                yield each

        return step

    assert steps(sync).run_anywhere(value, None) == steps(asynchronous).run_anywhere(value, None)


@pytest.mark.parametrize(
    "wrong", [lambda: None, lambda a, b, c: None, lambda *, value: None, lambda value, context, *, more: None]
)
def test_a_function_that_cannot_take_a_value_is_no_step(wrong: Callable[..., Any]) -> None:
    with pytest.raises(PipelineError, match="cannot be a step"):
        steps_of(wrong)


def test_what_is_not_callable_is_no_step() -> None:
    with pytest.raises(PipelineError, match="is not a function"):
        compose("stage", (Reference("module", "name"),), lambda _: 5)


def test_a_bare_name_needs_the_stage_to_say_its_module() -> None:
    stage = Stage.model_validate({"from": {"q": "m"}, "run": ["decode"]})
    with pytest.raises(PipelineError, match=r"'decode' does not say which module.*stages\.analysis\.run"):
        references("analysis", stage)


OUTPUTS = (BaseModel, Emit, Completed)


def test_a_step_that_cannot_take_what_the_one_before_gives_is_refused() -> None:
    def number(request: Request) -> int:
        return request.number

    def answer(text: str) -> Answer:
        return Answer(number=len(text))

    with pytest.raises(PipelineError, match=r"step1 takes str, but step step0 gives int .*stages\.s\.run"):
        check("s", steps_of(number, answer), {"m": Request}, OUTPUTS)


def test_each_step_of_all_is_checked_against_what_comes() -> None:
    def right(request: Request) -> int:
        return request.number

    def wrong(text: str) -> int:
        return len(text)

    with pytest.raises(PipelineError, match="step1 takes str, but message m is Request"):
        check("s", steps_of([right, wrong], lambda results: None), {"m": Request}, OUTPUTS)


def test_the_tuple_of_all_is_checked_against_what_the_next_step_takes() -> None:
    def one(request: Request) -> int:
        return request.number

    def two(request: Request) -> str:
        return str(request.number)

    def fits(results: tuple[int | None, str]) -> Answer:
        return Answer(number=results[0] or 0)

    def too_few(results: tuple[int, str, float]) -> Answer:
        return Answer(number=results[0])

    check("s", steps_of([one, two], fits), {"m": Request}, OUTPUTS)
    with pytest.raises(PipelineError, match="step2 takes"):
        check("s", steps_of([one, two], too_few), {"m": Request}, OUTPUTS)


def test_the_last_step_has_to_give_messages() -> None:
    def text(request: Request) -> dict[str, int]:
        return {"number": request.number}

    with pytest.raises(PipelineError, match="step0 is the last one and gives dict"):
        check("s", steps_of(text), {"m": Request}, OUTPUTS)


def test_steps_without_annotations_are_accepted() -> None:
    check("s", steps_of(lambda x: x, lambda x: x), {"m": Request}, OUTPUTS)
