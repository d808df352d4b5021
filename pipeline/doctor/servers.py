"""RabbitMQ and Redis: whether they answer, are what is needed, and are set up for it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.doctor.findings import Finding, from_error, good, problem, warning
from pipeline.errors import PipelineError, StateUnavailable
from pipeline.provision.changes import Plan
from pipeline.provision.management import Denied, ManagementClient
from pipeline.provision.observe import observe
from pipeline.provision.ownership import read_ownership
from pipeline.provision.plan import plan
from pipeline.settings import Settings, without_credentials
from pipeline.state.store import RedisStore
from pipeline.topology.definitions import Definitions
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from pipeline.topology.values import parse_version

_OLDEST_RABBITMQ, _NEWEST_RABBITMQ = (3, 10), (4, 3)
_OLDEST_REDIS = (6, 2)
_SKEW_S = 2.0


async def examine_rabbitmq(settings: Settings, topology: Topology | None) -> AsyncIterator[Finding]:
    """Each URL, the management API, the broker's version and alarms, and whether it has what the file declares."""
    for url in (settings.rabbitmq_url or "").split(","):
        yield await _logs_in(url.strip())
    async with ManagementClient(settings.management_url, settings.vhost, timeout_s=10) as management:
        try:
            overview = await management.get("overview")
            yield _version(overview)
            for node in await _nodes(management):
                for finding in _alarms(node):
                    yield finding
            if topology is not None:
                for finding in _plugins(overview, topology):
                    yield finding
                yield _provisioned(await _pending(management, topology))
        except PipelineError as error:
            yield from_error("management", error)


async def _logs_in(url: str) -> Finding:
    about = "rabbitmq"
    try:
        broker = RabbitMQBroker(url, name="pipeline doctor", connect_timeout=5)
        try:
            await broker.connect()
            await broker.ping()
        finally:
            await broker.close()
    except PipelineError as error:
        return from_error(about, error)
    return good(about, f"{without_credentials(url)} answers, {broker.user!r} may log in")


def _version(overview: Mapping[str, Any]) -> Finding:
    about, text = "rabbitmq version", str(overview.get("rabbitmq_version") or "unknown")
    try:
        version = parse_version(text)[:2]
    except ValueError:
        return warning(about, f"The broker says that it is {text}", "Use RabbitMQ 3.10 to 4.3")
    if version < _OLDEST_RABBITMQ:
        return problem(about, f"RabbitMQ {text} is too old", "Use 3.10 or later")
    if version > _NEWEST_RABBITMQ:
        return warning(about, f"RabbitMQ {text} is newer than any that this was tried on", "Expect to be the first")
    return good(about, f"{text}, Erlang {overview.get('erlang_version', 'unknown')}")


async def _nodes(management: ManagementClient) -> list[dict[str, Any]]:
    try:
        return await management.list("nodes", columns="name,running,mem_alarm,disk_free_alarm,partitions")
    except Denied:
        return []  # wants the tag `monitoring`


def _alarms(node: Mapping[str, Any]) -> list[Finding]:
    name, found = node.get("name", "a node"), []
    if not node.get("running", True):
        found.append(problem("node", f"{name} is not running", "Start it, or take it out of the cluster"))
    if node.get("mem_alarm"):
        fix = "Drain its queues, or give it memory: it takes no messages meanwhile"
        found.append(problem("node", f"{name} has a memory alarm", fix))
    if node.get("disk_free_alarm"):
        found.append(problem("node", f"{name} has a disk alarm", "Make room: it takes no messages meanwhile"))
    if node.get("partitions"):
        fix = "Follow RabbitMQ's guide to network partitions"
        found.append(problem("node", f"{name} does not see {', '.join(node['partitions'])}", fix))
    return found


def _plugins(overview: Mapping[str, Any], topology: Topology) -> list[Finding]:
    known = {each.get("name") for each in overview.get("exchange_types") or ()}
    wanted = {each.type for each in topology.exchanges.values()}
    wanted |= {"x-consistent-hash" for stage in topology.stages.values() if stage.hashing == "exchange"}
    if known and "x-consistent-hash" in wanted - known:
        fix = "Run `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange` on each node"
        return [
            problem("plugins", "The topology has an x-consistent-hash exchange, which the broker does not know", fix)
        ]
    return []


async def _pending(management: ManagementClient, topology: Topology) -> Plan:
    desired: Definitions = definitions_of(topology).without_access()
    return plan(desired, await observe(management), await read_ownership(management, topology.name))


def _provisioned(pending: Plan) -> Finding:
    about = "provisioned"
    if not pending.changes:
        return good(about, "The broker holds what the topology declares")
    first = pending.changes[0]
    count = len(pending.changes)
    what = f"{first.action.value} {first.kind.value} {first.name!r}"
    rest = f" and {count - 1} more" if count > 1 else ""
    return problem(
        about, f"The broker does not match the topology: {what}{rest}", "Look at `pipeline plan`, run `pipeline apply`"
    )


async def examine_redis(settings: Settings, prefix: str) -> AsyncIterator[Finding]:
    """Whether it answers, its version, what it does when it is full or ends, and its clock."""
    try:
        store = RedisStore(settings.redis_url or "", prefix)
    except PipelineError as error:
        yield from_error("redis", error)
        return
    try:
        await store.ping()
        yield good("redis", f"{store.link.where} answers")
        asked = time.time()
        seconds, micros = await store.link.ask("TIME")
        skew = int(seconds) + int(micros) / 1e6 - (asked + time.time()) / 2
        for finding in (*_clock(skew), *_server(_pairs(await store.link.ask("INFO")))):
            yield finding
        for finding in _keeping(_answer(await store.link.ask("CONFIG", "GET", "maxmemory-policy"))):
            yield finding
    except PipelineError as error:
        yield from_error("redis", error)
    except StateUnavailable:
        pass  # an account that may not ask this, as with most hosted servers
    finally:
        await store.close()


def _pairs(info: Any) -> Mapping[str, Any]:
    if isinstance(info, Mapping):
        return info
    return dict(line.split(":", 1) for line in str(info).splitlines() if ":" in line)


def _answer(answer: Any) -> Mapping[str, Any]:
    return dict(zip(answer[::2], answer[1::2], strict=True)) if isinstance(answer, list) else dict(answer)


def _clock(skew_s: float) -> list[Finding]:
    if abs(skew_s) < _SKEW_S:
        return []
    direction = "ahead of" if skew_s > 0 else "behind"
    what = f"Its clock is {abs(skew_s):.0f} s {direction} this machine's: times on the dashboard will be wrong"
    return [warning("clocks", what, "Run a time service (chrony, systemd-timesyncd) on both")]


def _server(info: Mapping[str, Any]) -> list[Finding]:
    found, text = [], str(info.get("redis_version", "0"))
    version = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    if version < _OLDEST_REDIS:
        found.append(problem("redis version", f"Redis {text} is too old", "Use 6.2 or later"))
    else:
        found.append(good("redis version", text))
    if str(info.get("role", "master")) != "master":
        fix = "Point REDIS_URL at the one that may be written"
        found.append(problem("redis role", "This is a replica, which takes no writes", fix))
    if str(info.get("aof_enabled", "1")) == "0":
        what = "It has no append-only file: what is done since its last snapshot is lost when it ends, and runs again"
        found.append(warning("redis persistence", what, "Set `appendonly yes`"))
    return found


def _keeping(configuration: Mapping[str, Any]) -> list[Finding]:
    policy = str(configuration.get("maxmemory-policy", "noeviction"))
    if policy == "noeviction":
        return []
    what = f"maxmemory-policy is {policy}: when it is full, it forgets recordings, and work that is done runs again"
    return [problem("redis eviction", what, "Set `maxmemory-policy noeviction`")]
