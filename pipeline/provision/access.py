"""Users, permissions and limits: what differs, and what each difference means for programs that are running."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.errors import PipelineError
from pipeline.provision.changes import Action, Change, Detail, Kind, Risk, identity_of, kind_of, name_of
from pipeline.provision.definitions_json import Definition
from pipeline.topology.definitions import (
    Definitions,
    PermissionDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    UserLimitDefinition,
    VhostLimitDefinition,
)
from pipeline.topology.patterns import NOTHING, names_in

LIMITS = frozenset({Kind.USER_LIMIT, Kind.VHOST_LIMIT})
KINDS = frozenset({Kind.USER, Kind.PERMISSION, Kind.TOPIC_PERMISSION}) | LIMITS
_Limit = UserLimitDefinition | VhostLimitDefinition
_Rule = PermissionDefinition | TopicPermissionDefinition
_Access = UserDefinition | _Rule | _Limit


def access_of(definitions: Definitions) -> tuple[_Access, ...]:
    """All of them in a set of definitions."""
    return (
        *definitions.users,
        *definitions.permissions,
        *definitions.topic_permissions,
        *definitions.user_limits,
        *definitions.vhost_limits,
    )


def require_other_user(desired: Definitions, acting: str, where: str) -> None:
    """Raises PipelineError where the topology declares the user who is to apply it, who could lock itself out."""
    if any(user.name == acting for user in desired.users):
        raise PipelineError(
            f'The topology declares the user "{acting}", as whom this command is logged in',
            where=where,
            fix="Plan and apply as another administrator: RABBITMQ_MANAGEMENT_URL",
        )


def access_changes(desired: Definitions, observed: Definitions) -> Iterator[Change]:
    """What is to be created or updated, in no particular order."""
    there = {(kind_of(each), identity_of(each)): each for each in access_of(observed)}
    users = {user.name for user in observed.users}
    for after in access_of(desired):
        kind = kind_of(after)
        before = there.get((kind, identity_of(after)))
        details = tuple(_details(before, after))
        if before is not None and not details:
            continue
        if before is not None:
            risk = Risk.SAFE if _wider(before, after) else Risk.LIVE
            yield Change(Action.UPDATE, kind, name_of(after), after, details, risk)
            continue
        # What restricts matters to a user who is there already; the rest only adds to what there is.
        restricts = isinstance(after, VhostLimitDefinition) or (
            isinstance(after, TopicPermissionDefinition | UserLimitDefinition) and after.user in users
        )
        yield Change(Action.CREATE, kind, name_of(after), after, details, Risk.LIVE if restricts else Risk.SAFE)


def risk_of_losing(definition: Definition) -> Risk:
    """Of a delete. Without a topic permission a user may publish with any key, without a limit it has none."""
    match definition:
        case UserDefinition() | PermissionDefinition():
            return Risk.DESTRUCTIVE
        case TopicPermissionDefinition():
            return Risk.LIVE
    return Risk.SAFE


def _details(before: _Access | None, after: _Access) -> Iterator[Detail]:
    match after:
        case UserDefinition():
            yield from _user_details(before if isinstance(before, UserDefinition) else None, after)
        case UserLimitDefinition() | VhostLimitDefinition():
            old = before.value if isinstance(before, _Limit) else None
            if old != after.value:
                yield Detail("value", old, after.value)
        case PermissionDefinition() | TopicPermissionDefinition():
            for attribute in ("configure", "write", "read"):
                new = getattr(after, attribute, NOTHING)
                was = getattr(before, attribute, NOTHING)
                if was != new and (before is not None or new != NOTHING):
                    yield Detail(attribute, None if before is None else _shown(was), _shown(new))


def _user_details(before: UserDefinition | None, after: UserDefinition) -> Iterator[Detail]:
    if before is None:
        if after.tags:
            yield Detail("tags", None, list(after.tags))
        return
    if before.tags != after.tags:
        yield Detail("tags", list(before.tags), list(after.tags))
    if (before.password_hash, before.hashing_algorithm) != (after.password_hash, after.hashing_algorithm):
        yield Detail("password", "another one", "the declared one")


def _shown(pattern: str) -> Any:
    """The names that a pattern stands for, if it is one of ours."""
    names = names_in(pattern)
    return pattern if names is None else sorted(names)


def _wider(before: _Access, after: _Access) -> bool:
    """Whether everything that was allowed is allowed still."""
    if isinstance(before, _Limit) and isinstance(after, _Limit):
        return before.value <= after.value
    if not isinstance(before, _Rule) or not isinstance(after, _Rule):
        return False
    return all(
        _covers(getattr(before, attribute, NOTHING), getattr(after, attribute, NOTHING))
        for attribute in ("configure", "write", "read")
    )


def _covers(before: str, after: str) -> bool:
    was, new = names_in(before), names_in(after)
    return before == after or (was is not None and new is not None and was <= new)
