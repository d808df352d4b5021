"""Users, permissions and limits, made and deleted over the management API."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pipeline.errors import PipelineError
from pipeline.provision.changes import Action, Change
from pipeline.provision.definitions_json import definition_to_json, user_to_json
from pipeline.provision.management import ManagementClient
from pipeline.topology.definitions import (
    PermissionDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    UserLimitDefinition,
    VhostLimitDefinition,
)


async def grant(client: ManagementClient, change: Change) -> bool:
    """Make it, or have it as the change says.

    Returns: whether it is ours, rather than made by somebody else before.
    Raises: PipelineError for a user whose password is not known; Refused, Denied, Unreachable.
    """
    vhost, created = client.vhost, change.action is Action.CREATE
    match change.definition:
        case UserDefinition() as user:
            return await client.put("users", user.name, body=_user(user))
        case PermissionDefinition(user=name) as permission:
            return await client.put("permissions", vhost, name, body=definition_to_json(permission))
        case TopicPermissionDefinition(user=name) as permission:
            # RabbitMQ says only of the first one of a user whether it was there.
            await client.put("topic-permissions", vhost, name, body=definition_to_json(permission))
        case UserLimitDefinition(user=user_name, name=name, value=value):
            await client.put("user-limits", user_name, name, body={"value": value})
        case VhostLimitDefinition(name=name, value=value):
            await client.put("vhost-limits", vhost, name, body={"value": value})
    return created


def _user(user: UserDefinition) -> dict[str, Any]:
    if user.password_hash is None:
        raise PipelineError(
            f'The password of the user "{user.name}" is not known here', fix="The notes of the plan say what is missing"
        )
    # A list is understood since RabbitMQ 3.9, this always.
    return {**user_to_json(user), "tags": ",".join(user.tags)}


async def revoke(client: ManagementClient, change: Change, forced: Collection[str]) -> str:
    """Delete it, but a user or its permission only if nobody is logged in as it, and it has none in other vhosts.

    Returns: why it is left as it is; empty if it is gone. Raises NotFound, Denied, Unreachable, PipelineError.
    """
    vhost = client.vhost
    match change.definition:
        case UserDefinition(name=name):
            if reason := await _in_use(client, name, forced, elsewhere=True):
                return reason
            await client.delete("users", name)
        case PermissionDefinition(user=name):
            if reason := await _in_use(client, name, forced, elsewhere=False):
                return reason
            await client.delete("permissions", vhost, name)
        case TopicPermissionDefinition(user=name, exchange=exchange):
            await client.delete("topic-permissions", vhost, name, exchange)
        case UserLimitDefinition(user=user_name, name=name):
            await client.delete("user-limits", user_name, name)
        case VhostLimitDefinition(name=name):
            await client.delete("vhost-limits", vhost, name)
    return ""


async def _in_use(client: ManagementClient, user: str, forced: Collection[str], *, elsewhere: bool) -> str:
    if user in forced:
        return ""
    hint = f"`--force {user}` deletes it all the same"
    if elsewhere:
        others = {str(row.get("vhost")) for row in await client.list("users", user, "permissions")} - {client.vhost}
        if others:
            return f'it has permissions on the vhost "{min(others)}" too. {hint}'
    open_now = [
        row
        for row in await client.list("connections", "username", user)
        if elsewhere or row.get("vhost") == client.vhost
    ]
    if open_now:
        return f"{len(open_now)} connection{'' if len(open_now) == 1 else 's'} of it open. {hint}"
    return ""
