"""What a plan says beside its changes: policies of others that bear on our objects, queues that are not well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.provision.access import KINDS, access_of
from pipeline.provision.changes import Kind
from pipeline.provision.compare import Object, named, policy_targets, understood
from pipeline.provision.observe import Observed
from pipeline.provision.ownership import Ownership
from pipeline.topology.definitions import Definitions

_NAMES_SHOWN = 3
_UNWELL = frozenset({"down", "crashed", "stopped", "minority"})


def notes_on(desired: Definitions, observed: Observed, owned: Ownership) -> tuple[str, ...]:
    """One sentence each, in a stable order."""
    return (
        *_ownership(owned),
        *_access(desired, observed, owned),
        *_foreign_policies(desired, observed, owned),
        *_operator_policies(desired, observed),
        *_unwell(desired, observed),
    )


def _ownership(owned: Ownership) -> Iterator[str]:
    if not owned.known:
        yield (
            'The record of what this topology owns can\'t be read without the tag "policymaker": '
            "what is not declared any more is not shown"
        )


def _access(desired: Definitions, observed: Observed, owned: Ownership) -> Iterator[str]:
    concerned = access_of(desired) or any(kind in KINDS for kind, _ in owned.objects)
    if concerned and not observed.access:
        yield (
            'Users, permissions and limits are not looked at, and not changed: that takes the tag "administrator" '
            "(`rabbitmqctl set_user_tags`)"
        )


def _foreign_policies(desired: Definitions, observed: Observed, owned: Ownership) -> Iterator[str]:
    objects = dict.fromkeys(named(desired))
    by_priority = sorted(desired.policies, key=lambda policy: policy.priority)
    ours = {target: policy for policy in by_priority for target in policy_targets(policy, objects)}
    names = {policy.name for policy in desired.policies}
    for policy in observed.definitions.policies:
        if policy.name in names or (Kind.POLICY, policy.name) in owned.objects:
            continue
        if not understood(policy):
            yield f'Whether the policy "{policy.name}" bears on our objects is not known: its pattern is not understood'
            continue
        rivals = {target: ours[target] for target in policy_targets(policy, ours)}
        over = [target for target, rival in rivals.items() if policy.priority > rival.priority]
        even = [target for target, rival in rivals.items() if policy.priority == rival.priority]
        under = [target for target, rival in rivals.items() if policy.priority < rival.priority]
        head = f'The policy "{policy.name}" (priority {policy.priority})'
        if over:
            yield (
                f"{head} wins over ours on {_some(over)}, whose TTLs, limits and dead letters therefore do not hold: "
                "lower its priority, or put into it what the topology says"
            )
        if even:
            yield f"{head} has the priority of ours on {_some(even)}: which of the two holds is undefined"
        if under:
            yield f"{head} does not hold on {_some(under)}, where ours has a higher priority"


def _operator_policies(desired: Definitions, observed: Observed) -> Iterator[str]:
    objects = dict.fromkeys(named(desired))
    for policy in observed.operator_policies:
        if targets := policy_targets(policy, objects):
            limits = ", ".join(f"{key} {value}" for key, value in sorted(policy.definition.items()))
            head = f'The operator policy "{policy.name}" ({limits})'
            yield f"{head} also holds on {_some(targets)}: of each limit the lower one counts"


def _unwell(desired: Definitions, observed: Observed) -> Iterator[str]:
    for queue in desired.queues:
        facts = observed.facts.get(queue.name)
        if facts and facts.state in _UNWELL:
            yield f'The queue "{queue.name}" is {facts.state}: changes to it may be refused until its node is back'


def _some(objects: Sequence[Object]) -> str:
    shown = ", ".join(f'{kind.value} "{name}"' for kind, name in objects[:_NAMES_SHOWN])
    rest = len(objects) - _NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
