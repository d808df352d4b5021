"""A plan carried out over the management API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import ExitCode, PipelineError, Unreachable
from pipeline.provision.changes import Action, Change, Kind, Plan
from pipeline.provision.compare import Object, policy_targets
from pipeline.provision.definitions_json import definition_to_json
from pipeline.provision.management import Denied, ManagementClient, Refused
from pipeline.provision.ownership import Ownership, read_ownership, write_ownership
from pipeline.topology.definitions import BindingDefinition, PolicyDefinition

# Policies first: each one makes RabbitMQ match every queue there is against every policy, which for a thousand
# queues takes seconds a policy; before there are queues it takes nothing.
_ORDER = (Kind.POLICY, Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING)

# What the URL says already, or the API does not take.
_NOT_IN_BODY = {
    Kind.EXCHANGE: frozenset({"name"}),
    Kind.QUEUE: frozenset({"name", "exclusive"}),
    Kind.POLICY: frozenset({"name"}),
    Kind.BINDING: frozenset({"source", "destination", "destination_type"}),
}


_NOT_RECORDED = (
    "What was made is not recorded as owned, so --prune will not offer to delete it: "
    'the record wants the tag "policymaker" (`rabbitmqctl set_user_tags`)'
)
_COLLECTIONS = {Kind.EXCHANGE: "exchanges", Kind.QUEUE: "queues", Kind.POLICY: "policies"}


class Status(StrEnum):
    """What became of a change.

    Attributes:
        DONE: the broker has it, made by this run or by somebody at the same time.
        FAILED: the broker refused it.
        SKIPPED: not tried, because what it depends on failed or the broker stopped answering.
        LEFT: not for `apply`: a replacement, or a delete.
    """

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One change and what became of it; `reason` says why it is not done."""

    change: Change
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """Outcomes in the order in which they came to be."""

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()

    def count(self, status: Status) -> int:
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """DONE if the broker now holds what the file declares, PARTLY_DONE if some of it, ERROR if nothing worked."""
        missed = self.count(Status.FAILED) + self.count(Status.SKIPPED)
        left = any(each.status is Status.LEFT and each.change.action is Action.REPLACE for each in self.outcomes)
        if not missed:
            return ExitCode.PARTLY_DONE if left else ExitCode.DONE
        return ExitCode.PARTLY_DONE if self.count(Status.DONE) else ExitCode.ERROR


async def apply(plan: Plan, client: ManagementClient, progress: Callable[[Outcome], None] | None = None) -> Applied:
    """Make what the plan creates, update what it updates; leave what it would replace or delete.

    Policies, then exchanges, then queues, then bindings, those of a kind side by side: nothing flows into a queue
    whose TTL and dead letters are not in force yet, and a binding whose queue or policy failed is not made. Every
    step is idempotent: after a failure or a kill, planning and applying again completes what is missing.

    What was made is recorded on the broker as owned, before it is made, so that a kill leaves nothing unrecorded.
    A user who may not write the record gets a note instead.

    Args:
        progress: called with each outcome as it comes.
    Raises: Unreachable if the broker stops answering before anything is done; PipelineError if the record of
        ownership can't be read.
    """
    attempts = [change for change in plan.changes if change.action in (Action.CREATE, Action.UPDATE)]
    before = await read_ownership(client, plan.topology)
    claims = {(change.kind, change.identity) for change in attempts}
    notes = await _record(client, before, before.without(plan.vanished).having(claims))
    run = _Run(client, plan, progress)
    for kind in _ORDER:
        await asyncio.gather(*(run.carry_out(change) for change in attempts if change.kind is kind))
    run.leave(change for change in plan.changes if change.action in (Action.REPLACE, Action.DELETE))
    if run.lost is not None and not run.done:
        raise run.lost
    if run.lost is None and not notes and (unmade := claims - run.made):
        claimed = before.without(plan.vanished).having(claims)
        still_ours = before.objects - plan.vanished
        notes = await _record(client, claimed, claimed.without(unmade - still_ours))
    return Applied(tuple(run.outcomes), notes)


async def _record(client: ManagementClient, before: Ownership, after: Ownership) -> tuple[str, ...]:
    """Write the record if it changed. Returns: notes, empty if all went well."""
    if after.objects == before.objects:
        return ()
    if not before.known:
        return (_NOT_RECORDED,)
    try:
        await write_ownership(client, after)
    except Denied:
        return (_NOT_RECORDED,)
    return ()


class _Run:
    """One application under way: outcomes so far, and what they keep from being done."""

    def __init__(self, client: ManagementClient, plan: Plan, progress: Callable[[Outcome], None] | None) -> None:
        self.outcomes: list[Outcome] = []
        self.made: set[tuple[Kind, str]] = set()
        self.lost: Unreachable | None = None
        self.done = 0
        self._client = client
        self._progress = progress
        self._missing: set[Object] = set()
        self._bound = {
            (Kind.QUEUE, change.definition.destination): None
            for change in plan.changes
            if isinstance(change.definition, BindingDefinition) and change.definition.destination_type == "queue"
        }
        self._unprotected: set[Object] = set()

    async def carry_out(self, change: Change) -> None:
        """Never raises but for a cancellation."""
        obstacle = self._obstacle(change)
        if obstacle:
            self._record(change, Status.SKIPPED, obstacle)
            return
        try:
            made = await self._send(change)
        except Unreachable as error:
            self.lost = error
            self._record(change, Status.SKIPPED, error.what)
        except PipelineError as error:
            self._record(change, Status.FAILED, _reason(error))
        else:
            if made:
                self.made.add((change.kind, change.identity))
            self._record(change, Status.DONE)

    def leave(self, changes: Iterable[Change]) -> None:
        for change in changes:
            replacement = change.action is Action.REPLACE
            reason = "can't be changed on a broker, only made anew" if replacement else "nothing is deleted here"
            self._record(change, Status.LEFT, reason)

    def _obstacle(self, change: Change) -> str:
        if self.lost is not None:
            return "the management API stopped answering"
        if not isinstance(binding := change.definition, BindingDefinition):
            return ""
        ends = ((Kind.EXCHANGE, binding.source), (Kind(binding.destination_type), binding.destination))
        if missing := next((end for end in ends if end in self._missing), None):
            return f'the {missing[0].value} "{missing[1]}" could not be made'
        if ends[1] in self._unprotected:
            return f'the policy of the queue "{binding.destination}" is not in force'
        return ""

    async def _send(self, change: Change) -> bool:
        """Returns: whether the object is ours, rather than made by somebody else since the plan."""
        definition, vhost = change.definition, self._client.vhost
        hidden = _NOT_IN_BODY[change.kind]
        body = {key: value for key, value in definition_to_json(definition).items() if key not in hidden}
        if isinstance(definition, BindingDefinition):
            to = "q" if definition.destination_type == "queue" else "e"
            await self._client.post("bindings", vhost, "e", definition.source, to, definition.destination, body=body)
            return True
        created = await self._client.put(_COLLECTIONS[change.kind], vhost, definition.name, body=body)
        return created or change.kind is Kind.POLICY

    def _record(self, change: Change, status: Status, reason: str = "") -> None:
        if status is Status.DONE:
            self.done += 1
        elif status is not Status.LEFT:
            self._missing.add((change.kind, change.name))
            if isinstance(change.definition, PolicyDefinition):
                self._unprotected.update(policy_targets(change.definition, self._bound))
        outcome = Outcome(change, status, reason)
        self.outcomes.append(outcome)
        if self._progress is not None:
            self._progress(outcome)


def _reason(error: PipelineError) -> str:
    if isinstance(error, Refused) and "inequivalent arg" in error.reason:
        return f"somebody made it meanwhile with other attributes: {error.reason}. Plan again to see the difference"
    return f"{error.what}. {error.fix}" if error.fix else error.what
