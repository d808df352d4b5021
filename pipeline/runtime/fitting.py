"""Whether a stage's steps fit together, and with the messages that come in and go out, by their annotations."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args, get_origin

from pipeline.errors import PipelineError
from pipeline.runtime.annotations import Alternatives, fits, given, spelled, taken
from pipeline.runtime.compose import FINAL, Steps


def of_one(stage: str, steps: Steps) -> Steps:
    """The steps of a stage with batches as they are for one message: lists in and out of the first are of many.

    Raises: PipelineError if the first step does not take a list.
    """
    first, *rest = steps.steps
    takes = tuple((name, _elements(stage, name, alternatives)) for name, alternatives in first.takes)
    gives = tuple(
        each
        for alternative in first.gives
        for each in given(alternative)
        if not (inspect.isclass(each) and issubclass(each, BaseException))
    )
    return Steps([replace(first, takes=takes, gives=gives), *rest])


def _elements(stage: str, name: str, alternatives: Alternatives) -> Alternatives:
    found: list[Any] = []
    for each in alternatives:
        if each is Any:
            found.append(Any)
        elif {each, get_origin(each)} & {list, Sequence}:
            found += taken(get_args(each)[0]) if get_args(each) else (Any,)
    if not found:
        raise PipelineError(
            f"Step {name} takes {spelled(alternatives)}, but the stage has batches",
            where=f"stages.{stage}.run",
            fix="The first step takes a list of messages, and gives a list of what came of each",
        )
    return tuple(found)


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
    _check_order(steps, where)
    if not fits(last.gives, outputs):
        raise PipelineError(
            f"Step {last.name} is the last one and gives {spelled(last.gives)}, which is not a message it may emit",
            where=where,
            fix="Give the model of a message under `emits`, Emit, Completed, Cancel or None",
        )


def _check_order(steps: Steps, where: str) -> None:
    for before, after in pairwise(steps.steps):
        passed_on = tuple(each for each in before.gives if each not in FINAL)
        for name, takes in after.takes:
            if not fits(passed_on, takes):
                raise PipelineError(
                    f"Step {name} takes {spelled(takes)}, but step {before.name} gives {spelled(before.gives)}",
                    where=where,
                    fix="Lists and iterators are passed on one value at a time; tuples as one value",
                )
    for step in steps.steps:
        if step.inner is not None:
            _check_order(step.inner, where)
