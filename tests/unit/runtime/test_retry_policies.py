"""What a policy says about a failure: `reject_on` and `retry_on`, by code, class, and base class."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.messages.message import ATTEMPT, ERROR_CODE
from pipeline.runtime.failure import failure_of
from pipeline.topology.model import Topology
from pipeline.topology.stages import RetryPolicy
from tests.unit.runtime.conftest import TOPOLOGY, Rig


class TagServerBusy(Transient):
    """A stage's own."""


def final(error: BaseException, **policy: Any) -> bool:
    failure = failure_of(error)
    return RetryPolicy.model_validate(policy).is_final(failure.kinds, permanent=failure.permanent)


@pytest.mark.parametrize(
    ("error", "policy", "expected"),
    [
        (Permanent("gone", ErrorCode.FILE_NOT_FOUND), {}, True),
        (Permanent("gone", ErrorCode.FILE_NOT_FOUND), {"retry_on": ["FILE_NOT_FOUND"]}, False),
        (Permanent("gone", ErrorCode.FILE_NOT_FOUND), {"retry_on": ["FILE_EMPTY"]}, True),
        (ValueError(), {}, False),
        (ValueError(), {"reject_on": ["ValueError"]}, True),
        (ConnectionResetError(), {"reject_on": ["ConnectionError"]}, True),
        (ConnectionResetError(), {"reject_on": ["builtins.OSError"]}, True),
        (ConnectionResetError(), {"reject_on": ["OSError"], "retry_on": ["ConnectionResetError"]}, False),
        (ConnectionResetError(), {"retry_on": ["OSError"], "reject_on": ["ConnectionResetError"]}, True),
        (TagServerBusy("busy"), {"reject_on": [f"{__name__}.TagServerBusy"]}, True),
        (TagServerBusy("busy"), {"reject_on": ["DEPENDENCY_UNAVAILABLE"], "retry_on": ["TagServerBusy"]}, True),
        (KeyError(), {"reject_on": ["Exception"], "retry_on": ["OSError"]}, True),
    ],
)
def test_the_most_telling_name_that_a_policy_lists_decides(
    error: BaseException, policy: dict[str, Any], expected: bool
) -> None:
    assert final(error, **policy) is expected


def with_policy(rig: Rig, **policy: Any) -> None:
    retries = {"twice": {"delays": ["5s", "30s"], **policy}}
    rig.topology = Topology.model_validate({**TOPOLOGY, "retries": retries})


async def test_what_a_policy_rejects_is_dead_lettered_at_the_first_attempt(rig: Rig) -> None:
    def step(order: object) -> None:
        raise LookupError("never mind")

    with_policy(rig, reject_on=["LookupError"])
    await rig.start(step)
    await rig.publish()
    letter = await rig.take("the.orders.dlq")
    assert letter.headers[ATTEMPT] == 1
    assert letter.headers[ERROR_CODE] == ErrorCode.INTERNAL_ERROR


async def test_what_a_policy_retries_is_tried_again_though_it_is_permanent(rig: Rig) -> None:
    def step(order: object) -> None:
        raise Permanent("not mounted yet", ErrorCode.FILE_NOT_FOUND)

    with_policy(rig, retry_on=["FILE_NOT_FOUND"])
    await rig.start(step)
    await rig.publish()
    await rig.wait_for_retry("5s")
    await rig.wait_for_retry("30s")
    letter = await rig.take("the.orders.dlq")
    assert letter.headers[ATTEMPT] == 3
    assert letter.headers[ERROR_CODE] == ErrorCode.FILE_NOT_FOUND


async def test_a_failure_in_a_pool_process_is_known_by_its_class_too(rig: Rig) -> None:
    with_policy(rig, reject_on=["ArithmeticError"])
    rig.topology = Topology.model_validate(
        {
            **rig.topology.model_dump(by_alias=True, exclude_unset=True),
            "stages": {"work": {**TOPOLOGY["stages"]["work"], "run": ["operator:truth", {"process": ["math:exp"]}]}},
        }
    )

    def resolve(reference: Any) -> Any:
        if reference.module == "models":
            return rig.models[reference.name]
        return {"truth": lambda order: 1e9, "exp": __import__("math").exp}[reference.name]

    rig.resolve = resolve  # type: ignore[method-assign]
    await rig.start()
    await rig.publish()
    letter = await rig.take("the.orders.dlq")
    assert letter.headers[ATTEMPT] == 1
    assert letter.headers["x-error-class"] == "OverflowError"
