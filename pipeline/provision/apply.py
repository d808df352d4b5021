"""A plan carried out over the management API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from pipeline.errors import PipelineError, Unreachable
from pipeline.provision.access import KINDS as ACCESS
from pipeline.provision.access import LIMITS
from pipeline.provision.changes import Action, Change, Kind, Plan, Risk, identity_of, kind_of
from pipeline.provision.compare import Object, policy_targets
from pipeline.provision.definitions_json import Definition, definition_to_json
from pipeline.provision.granting import grant
from pipeline.provision.management import Denied, ManagementClient, Refused
from pipeline.provision.outcomes import Applied, Outcome, Status
from pipeline.provision.ownership import Ownership, read_ownership, write_ownership
from pipeline.provision.prune import ORDER as PRUNING_ORDER
from pipeline.provision.prune import Pruner
from pipeline.topology.definitions import (
    BindingDefinition,
    PermissionDefinition,
    PolicyDefinition,
    TopicPermissionDefinition,
)

_T = TypeVar("_T")

# Policies first: each one makes RabbitMQ match every queue there is against every policy, which for a thousand
# queues takes seconds a policy; before there are queues it takes nothing.
# Topic permissions before permissions: they only take away, and a permission alone would allow every routing key.
_ORDER = (
    *(Kind.POLICY, Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING),
    *(Kind.VHOST_LIMIT, Kind.USER, Kind.USER_LIMIT, Kind.TOPIC_PERMISSION, Kind.PERMISSION),
)

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
_WHY_LEFT = {
    Action.REPLACE: "can't be changed on a broker, only made anew: left with --no-migrate",
    Action.DELETE: "nothing is deleted without --prune",
}
_COLLECTIONS = {Kind.EXCHANGE: "exchanges", Kind.QUEUE: "queues", Kind.POLICY: "policies"}


class Replaced(Protocol):
    """What became of a replacement; its `str` is a sentence for people."""

    @property
    def abandoned(self) -> str:
        """Why it was left as it was; empty if it was made anew."""
        ...


class Replacer(Protocol):
    """Makes anew what can't be changed (see `migration.migrator`, which takes long to import)."""

    async def replace(self, change: Change) -> Replaced:
        """Raises PipelineError, Unreachable."""
        ...

    async def close(self) -> None:
        """After the last one. Raises PipelineError, Unreachable."""
        ...


async def apply(
    plan: Plan,
    client: ManagementClient,
    progress: Callable[[Outcome], None] | None = None,
    *,
    pruner: Pruner | None = None,
    migrator: Replacer | None = None,
) -> Applied:
    """Make what the plan creates, update what it updates, make anew what it replaces, delete what it prunes.

    Policies, then exchanges, then queues, then bindings, those of a kind side by side: nothing flows into a queue
    whose TTL and dead letters are not in force yet, and a binding whose queue or policy failed is not made. Users
    and what they may do come after that, permissions last. Every
    step is idempotent: after a failure or a kill, planning and applying again completes what is missing. Nothing
    is deleted unless all of that went well, and then only what is empty and unused (see `prune`).

    What was made is recorded on the broker as owned, before it is made, so that a kill leaves nothing unrecorded.
    A user who may not write the record gets a note instead.

    Args:
        progress: called with each outcome as it comes.
        pruner: deletes what a plan that prunes deletes; without one it is left.
        migrator: makes anew what can't be changed; without one it is left.
    Raises: Unreachable if the broker stops answering before anything is done; PipelineError if the record of
        ownership can't be read.
    """
    attempts = [change for change in plan.changes if change.action in (Action.CREATE, Action.UPDATE)]
    before = await read_ownership(client, plan.topology)
    claims = {(change.kind, change.identity) for change in attempts}
    claimed = before.without(plan.vanished).having(change.definition for change in attempts)
    notes = await _record(client, before, claimed)
    run = _Run(client, plan, progress)
    for phase in sorted(set(map(_phase, attempts))):
        await asyncio.gather(*(run.carry_out(change) for change in attempts if _phase(change) == phase))
    replacements = [change for change in plan.changes if change.action is Action.REPLACE]
    if migrator is not None and replacements:
        await run.replace(replacements, migrator)
    else:
        run.leave(replacements)
    deletes = [change for change in plan.changes if change.action is Action.DELETE]
    if plan.prune and pruner is not None:
        await run.prune(deletes, pruner)
    else:
        run.leave(deletes)
    if run.lost is not None and not run.done:
        raise run.lost
    if run.lost is None and not notes:
        unmade = claims - run.made
        kept = claimed.without(unmade - (before.objects - plan.vanished)).without(run.gone)
        kept = kept.having(each for each in run.replaced if (kind_of(each), identity_of(each)) in kept.objects)
        notes = await _record(client, claimed, kept.applied_before(before, unmade))
    return Applied(tuple(run.outcomes), (*run.notes, *notes), plan.prune)


async def _record(client: ManagementClient, before: Ownership, after: Ownership) -> tuple[str, ...]:
    """Write the record if it changed. Returns: notes, empty if all went well."""
    if (after.objects, after.digests) == (before.objects, before.digests):
        return ()
    if not before.known:
        return (_NOT_RECORDED,)
    try:
        await write_ownership(client, after)
    except Denied:
        return (_NOT_RECORDED,)
    return ()


def _phase(change: Change) -> int:
    """When it is its turn. A limit of the vhost is raised before there is more in it, and lowered after that."""
    if change.kind is Kind.VHOST_LIMIT and change.risk is Risk.SAFE:
        return -1
    return _ORDER.index(change.kind)


class _Run:
    """One application under way: outcomes so far, and what they keep from being done."""

    def __init__(self, client: ManagementClient, plan: Plan, progress: Callable[[Outcome], None] | None) -> None:
        self.outcomes: list[Outcome] = []
        self.made: set[tuple[Kind, str]] = set()
        self.gone: set[tuple[Kind, str]] = set()
        self.replaced: list[Definition] = []
        self.notes: list[str] = []
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
        self._unrestricted: set[str] = set()
        # RabbitMQ keeps all limits of a vhost as one value: of two that are set at once one is lost.
        self._limits = asyncio.Lock()

    async def carry_out(self, change: Change) -> None:
        """Never raises but for a cancellation."""
        obstacle = self._obstacle(change)
        if obstacle:
            self._record(change, Status.SKIPPED, obstacle)
            return
        made = await self._tried(change, self._send(change))
        if made is not None:
            if made:
                self.made.add((change.kind, change.identity))
            self._record(change, Status.DONE)

    async def replace(self, changes: Sequence[Change], migrator: Replacer) -> None:
        """One after the other. Raises PipelineError if what was led past them can't be led back."""
        for change in changes:
            if obstacle := self._obstacle(change):
                self._record(change, Status.SKIPPED, obstacle)
                continue
            replaced = await self._tried(change, migrator.replace(change))
            if replaced is None:
                continue
            if replaced.abandoned:
                self._record(change, Status.LEFT, replaced.abandoned)
            else:
                self.replaced.append(change.definition)
                self._record(change, Status.DONE)
            self.notes.append(str(replaced))
        if self.lost is None:
            await migrator.close()

    async def prune(self, deletes: Sequence[Change], pruner: Pruner) -> None:
        """Delete one after the other: what stands on other objects first."""
        failed = any(outcome.status in (Status.FAILED, Status.SKIPPED) for outcome in self.outcomes)
        for change in sorted(deletes, key=lambda each: PRUNING_ORDER.index(each.kind)):
            if failed or self.lost is not None:
                self._record(change, Status.SKIPPED, "nothing is deleted before all the rest is done")
                continue
            reason = await self._tried(change, pruner.delete(change))
            if reason is not None:
                if not reason:
                    self.gone.add((change.kind, change.identity))
                self._record(change, Status.LEFT if reason else Status.DONE, reason)

    def leave(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._record(change, Status.LEFT, _WHY_LEFT[change.action])

    async def _tried(self, change: Change, doing: Awaitable[_T]) -> _T | None:
        """What it returns; None if it failed, which is then recorded."""
        try:
            return await doing
        except Unreachable as error:
            self.lost = error
            self._record(change, Status.SKIPPED, error.what)
        except PipelineError as error:
            self._record(change, Status.FAILED, _reason(error))
        return None

    def _obstacle(self, change: Change) -> str:
        if self.lost is not None:
            return "the management API stopped answering"
        if change.kind in ACCESS:
            return self._obstacle_to_access(change)
        if not isinstance(binding := change.definition, BindingDefinition):
            return ""
        ends = ((Kind.EXCHANGE, binding.source), (Kind(binding.destination_type), binding.destination))
        if missing := next((end for end in ends if end in self._missing), None):
            return f'the {missing[0].value} "{missing[1]}" could not be made'
        if ends[1] in self._unprotected:
            return f'the policy of the queue "{binding.destination}" is not in force'
        return ""

    def _obstacle_to_access(self, change: Change) -> str:
        user = getattr(change.definition, "user", None)
        if (Kind.USER, user) in self._missing:
            return f'the user "{user}" could not be made'
        if isinstance(change.definition, PermissionDefinition) and user in self._unrestricted:
            return f'a topic permission of the user "{user}" could not be made, without which it would be too wide'
        return ""

    async def _send(self, change: Change) -> bool:
        """Returns: whether the object is ours, rather than made by somebody else since the plan."""
        if change.kind in LIMITS:
            async with self._limits:
                return await grant(self._client, change)
        if change.kind in ACCESS:
            return await grant(self._client, change)
        definition, vhost = change.definition, self._client.vhost
        hidden = _NOT_IN_BODY[change.kind]
        body = {key: value for key, value in definition_to_json(definition).items() if key not in hidden}
        if isinstance(definition, BindingDefinition):
            to = "q" if definition.destination_type == "queue" else "e"
            await self._client.post("bindings", vhost, "e", definition.source, to, definition.destination, body=body)
            return True
        created = await self._client.put(_COLLECTIONS[change.kind], vhost, change.name, body=body)
        return created or change.kind is Kind.POLICY

    def _record(self, change: Change, status: Status, reason: str = "") -> None:
        if status is Status.DONE:
            self.done += 1
        elif status is not Status.LEFT:
            self._missing.add((change.kind, change.name))
            if isinstance(change.definition, PolicyDefinition):
                self._unprotected.update(policy_targets(change.definition, self._bound))
            elif isinstance(change.definition, TopicPermissionDefinition):
                self._unrestricted.add(change.definition.user)
        outcome = Outcome(change, status, reason)
        self.outcomes.append(outcome)
        if self._progress is not None:
            self._progress(outcome)


def _reason(error: PipelineError) -> str:
    if isinstance(error, Refused) and "inequivalent arg" in error.reason:
        return f"somebody made it meanwhile with other attributes: {error.reason}. Plan again to see the difference"
    return f"{error.what}. {error.fix}" if error.fix else error.what
