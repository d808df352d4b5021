"""Users of a topology on a real RabbitMQ: they do their work and nothing else, and nobody sees their passwords."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelAccessRefused

from tests.acceptance.commands import Commands, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

_FILE = """
version: 1
name: shop
retries: {quick: {delays: [100ms, 200ms]}}
defaults: {stage: {retry: quick}}
exchanges:
  in: {type: topic}
  out: {type: topic}
queues:
  orders: {bindings: [{source: in, routing_key: "order.#"}]}
  audits: {bindings: [{source: in, routing_key: audit}]}
  answers: {external: true, bindings: [{source: out, routing_key: answer}]}
  vault: {external: true, bindings: [{source: out, routing_key: secret}]}
messages:
  order: {model: "shop_steps:Order", exchange: in, routing_key: order.new}
  audit: {model: "shop_steps:Order", exchange: in}
  answer: {model: "shop_steps:Order", exchange: out}
  secret: {model: "shop_steps:Order", exchange: out}
stages:
  work: {from: {orders: order}, run: ["shop_steps:handle"], emits: [answer]}
  audit: {from: {audits: audit}, run: ["shop_steps:handle"], emits: [secret]}
users:
  worker:
    name: "${PREFIX}-worker"
    stages: [work]
    password: {env: WORKER_PASSWORD}
    limits: {max_connections: 2, max_channels: 3}
  front: {name: "${PREFIX}-front", publishes: [order], password: {file: front.password}}
  MORE
limits: {max_queues: 50}
"""
_MONITOR = 'monitor: {name: "${PREFIX}-monitor", tags: [monitoring], password: {env: WORKER_PASSWORD}}'
_STEPS = """
    from pydantic import BaseModel

    from pipeline.errors import Permanent, Transient


    class Order(BaseModel):
        number: int


    def handle(order: Order, context) -> Order:
        if order.number < 0:
            raise Permanent("no such number")
        if order.number == 1 and context.envelope.attempt < 3:
            raise Transient("not yet")
        return order
"""
_PASSWORD, _FRONT_PASSWORD = "w0rker pass/word", "fr0nt-pässword"


class Shop:
    """The topology applied to a vhost, with users whose names nobody else has."""

    def __init__(self, commands: Commands, servers: dict[str, str]) -> None:
        self.prefix = f"shop-{uuid4().hex[:8]}"
        self.commands = commands
        self.servers = {**servers, "PREFIX": self.prefix}
        self.said = ""
        self._file = commands.folder / "shop.yaml"
        self._url = urlsplit(servers["RABBITMQ_URL"])
        self.vhost = self._url.path[1:]
        self.management = httpx.Client(base_url=f"{servers['RABBITMQ_MANAGEMENT_URL']}/api", timeout=30)
        (commands.folder / "shop_steps.py").write_text(textwrap.dedent(_STEPS))
        (commands.folder / "front.password").write_text(f"{_FRONT_PASSWORD}\n")
        self.write(_MONITOR)

    def write(self, more: str = "", **changes: str) -> None:
        text = _FILE.replace("MORE", more)
        for old, new in changes.items():
            text = text.replace(old, new)
        self._file.write_text(text)

    def run(self, *arguments: str, password: str | None = _PASSWORD, **settings: str) -> tuple[int, str]:
        """Exit code and everything that it said."""
        secret = {} if password is None else {"WORKER_PASSWORD": password}
        done = self.commands.run("--topology", str(self._file), *arguments, **{**self.servers, **secret, **settings})
        self.said += done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr

    def apply(self, *arguments: str) -> None:
        code, said = self.run("apply", "--yes", *arguments)
        assert code == 0, said
        code, said = self.run("plan")
        assert code == 0, said

    def name(self, user: str) -> str:
        return f"{self.prefix}-{user}"

    def url(self, user: str, password: str) -> str:
        where = self._url.netloc.rpartition("@")[2]
        return f"{self._url.scheme}://{self.name(user)}:{quote(password, safe='')}@{where}{self._url.path}"

    def depth(self, queue: str) -> int:
        query = {"disable_stats": "true", "enable_queue_totals": "true"}
        rows = self.management.get(f"/queues/{self.vhost}", params=query).raise_for_status().json()
        return int(next(row.get("messages", 0) for row in rows if row["name"] == queue))

    def user(self, name: str) -> dict[str, Any] | None:
        answer = self.management.get(f"/users/{self.name(name)}")
        return answer.json() if answer.status_code == 200 else None

    def connections(self, user: str) -> int:
        return len(self.management.get(f"/connections/username/{self.name(user)}").raise_for_status().json())

    def close(self) -> None:
        for user in self.management.get("/users").json():
            if user["name"].startswith(self.prefix):
                self.management.delete(f"/users/{user['name']}").raise_for_status()
        self.management.close()


@pytest.fixture
def shop(commands: Commands, servers: dict[str, str]) -> Iterator[Shop]:
    shop = Shop(commands, servers)
    try:
        yield shop
    finally:
        commands.end()
        shop.close()


def _start_worker(shop: Shop) -> Any:
    settings = {**shop.servers, "PIPELINE_TOPOLOGY": str(shop.commands.folder / "shop.yaml")}
    url = shop.url("worker", _PASSWORD)
    process = shop.commands.start("run", "--stage", "work", **{**settings, "RABBITMQ_URL": url})
    eventually("the worker's consumer", lambda: shop.connections("worker") == 2 and _consumers(shop) == 1)
    return process


def _consumers(shop: Shop) -> int:
    rows = shop.management.get(f"/consumers/{shop.vhost}").raise_for_status().json()
    return sum(row["queue"]["name"] == "orders" for row in rows)


def test_a_workers_user_can_do_its_work(shop: Shop) -> None:
    shop.apply()
    worker = _start_worker(shop)
    front = shop.url("front", _FRONT_PASSWORD)
    for number in (0, 1, -1):
        code, said = shop.run("publish", "order", json.dumps({"number": number}), RABBITMQ_URL=front)
        assert code == 0, said
    # One at once, one after two retries, one never.
    eventually("two answers", lambda: shop.depth("answers") == 2)
    eventually("a dead letter", lambda: shop.depth("orders.dlq") == 1)
    assert shop.depth("orders") == 0
    with pytest.raises(AMQPError, match=r"Connection\.Close"):
        asyncio.run(_connected(shop.url("worker", _PASSWORD), _nothing))
    worker.terminate()
    assert worker.wait(timeout=30) == 0
    assert "refused" not in shop.commands.log("run").read_text().lower()
    code, said = shop.run("publish", "audit", '{"number": 1}', RABBITMQ_URL=front)
    assert code == 1
    assert "ACCESS_REFUSED" in said


async def _connected(url: str, doing: Callable[[AbstractChannel], Awaitable[object]]) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        await doing(await connection.channel())


async def _nothing(channel: AbstractChannel) -> None:
    return None


def _publishing(exchange: str, routing_key: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    async def publish(channel: AbstractChannel) -> None:
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        await target.publish(aio_pika.Message(b"{}"), routing_key, mandatory=False)

    return publish


async def _consume(channel: AbstractChannel, queue: str) -> None:
    async def ignore(message: object) -> None:
        raise AssertionError("nothing is delivered")

    await (await channel.get_queue(queue, ensure=False)).consume(ignore)


async def _take(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get(fail=False)


async def _purge(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).purge()


async def _bind(channel: AbstractChannel, queue: str, exchange: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).bind(exchange, "#")


async def _unbind(channel: AbstractChannel, queue: str, exchange: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).unbind(exchange, "order.#")


_FORBIDDEN: dict[str, Callable[[AbstractChannel], Awaitable[object]]] = {
    "declare a queue": lambda channel: channel.declare_queue("mine"),
    "declare a queue that the broker names": lambda channel: channel.declare_queue("", exclusive=True),
    "declare its own queue with other arguments": lambda channel: channel.declare_queue("orders", durable=True),
    "delete its queue": lambda channel: channel.queue_delete("orders"),
    "declare an exchange": lambda channel: channel.declare_exchange("mine"),
    "delete an exchange": lambda channel: channel.exchange_delete("out"),
    "consume another queue": lambda channel: _consume(channel, "audits"),
    "consume what it answers": lambda channel: _consume(channel, "answers"),
    "consume its dead letters": lambda channel: _consume(channel, "orders.dlq"),
    "consume what waits": lambda channel: _consume(channel, "shop.retry.100ms"),
    "take from another queue": lambda channel: _take(channel, "vault"),
    "purge another queue": lambda channel: _purge(channel, "audits"),
    "bind its queue": lambda channel: _bind(channel, "orders", "out"),
    "bind another queue": lambda channel: _bind(channel, "audits", "in"),
    "unbind its queue": lambda channel: _unbind(channel, "orders", "in"),
    "publish to another exchange": _publishing("in", "audit"),
    "publish its own input": _publishing("in", "order.new"),
    "publish with another routing key": _publishing("out", "secret"),
    "publish to the default exchange": _publishing("", "audits"),
    "publish into its own queue": _publishing("", "orders"),
    "retry into another queue": _publishing("shop.retry.100ms", "audits"),
    "bury in another dead-letter queue": _publishing("shop.dlx", "audits.dlq"),
    "bury in a queue": _publishing("shop.dlx", "audits"),
    "go round the dead-letter exchange": _publishing("shop.dlx.queues", "orders.dlq"),
    "publish to RabbitMQ's own exchanges": _publishing("amq.topic", "answer"),
}


def test_a_workers_user_can_do_nothing_else(shop: Shop) -> None:
    shop.apply()
    url = shop.url("worker", _PASSWORD)
    for what, doing in _FORBIDDEN.items():
        with pytest.raises(ChannelAccessRefused) as refused:
            asyncio.run(_connected(url, doing))
        assert "ACCESS_REFUSED" in str(refused.value), what
    for allowed in (_publishing("out", "answer"), _publishing("shop.retry.100ms", "orders")):
        asyncio.run(_connected(url, allowed))
    eventually("the retry", lambda: shop.depth("orders") == 1)
    assert shop.depth("answers") == 1
    assert {name: shop.depth(name) for name in ("audits", "vault", "orders.dlq", "audits.dlq")} == {
        "audits": 0,
        "vault": 0,
        "orders.dlq": 0,
        "audits.dlq": 0,
    }
    other = httpx.get(f"{shop.management.base_url}overview", auth=(shop.name("worker"), _PASSWORD), timeout=10)
    assert other.status_code == 401
    watching = httpx.get(f"{shop.management.base_url}overview", auth=(shop.name("monitor"), _PASSWORD), timeout=10)
    assert watching.status_code == 200
    with pytest.raises(AMQPError):
        asyncio.run(_connected(shop.url("worker", "a guess"), _nothing))


def test_keys_in_cc_are_not_checked_before_rabbitmq_4_0_3(shop: Shop) -> None:
    """What remains on older brokers, of which ARCHITECTURE.md speaks."""
    shop.apply()
    version = shop.management.get("/overview").json()["rabbitmq_version"]
    checked = tuple(int(part) for part in version.split(".")[:3]) >= (4, 0, 3)

    async def publish(channel: AbstractChannel) -> None:
        message = aio_pika.Message(b"{}", headers={"CC": ["secret"]})
        await (await channel.get_exchange("out", ensure=False)).publish(message, "answer")

    if checked:
        with pytest.raises(ChannelAccessRefused):
            asyncio.run(_connected(shop.url("worker", _PASSWORD), publish))
    else:
        asyncio.run(_connected(shop.url("worker", _PASSWORD), publish))
    assert shop.depth("vault") == (0 if checked else 1)


def test_a_changed_password_is_told_and_set_and_no_password_is_ever_shown(shop: Shop, tmp_path: Path) -> None:
    kept = tmp_path / "plan.json"
    assert shop.run("plan", "--out", str(kept))[0] == 2
    assert shop.run("apply", str(kept), "--yes", "--output", "json")[0] == 0
    assert shop.run("plan")[0] == 0
    code, said = shop.run("plan", "--output", "json", "--out", str(tmp_path / "second.json"), password="another")
    changes = json.loads(said)["changes"]
    assert code == 2
    assert [(each["kind"], each["name"], each["risk"]) for each in changes] == [
        ("user", shop.name("monitor"), "live"),
        ("user", shop.name("worker"), "live"),
    ]
    assert shop.run("drift", password="another")[0] == 2
    assert shop.run("apply", "--yes", password="another")[0] == 0
    asyncio.run(_connected(shop.url("worker", "another"), _nothing))
    with pytest.raises(AMQPError):
        asyncio.run(_connected(shop.url("worker", _PASSWORD), _nothing))
    assert shop.run("drift", password="another")[0] == 0
    assert shop.run("lint", "--print")[0] == 0
    everywhere = shop.said + kept.read_text() + (tmp_path / "second.json").read_text()
    everywhere += shop.management.get("/global-parameters").text
    worker = shop.user("worker")
    assert worker is not None
    assert worker["password_hash"] == _hashed("another", worker["password_hash"])
    for secret in (_PASSWORD, _FRONT_PASSWORD, quote(_PASSWORD, safe=""), worker["password_hash"], "password_hash"):
        assert secret not in everywhere


def _hashed(password: str, like: str) -> str:
    salt = base64.b64decode(like)[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def test_without_the_password_a_user_is_not_made_and_applying_again_completes_it(shop: Shop) -> None:
    shop.write()
    code, said = shop.run("apply", "--yes", password=None)
    assert code == 3
    assert "the environment variable WORKER_PASSWORD is not set" in said
    assert f'the user "{shop.name("worker")}" could not be made' in said
    assert (shop.user("worker"), shop.user("front") is None) == (None, False)
    shop.apply()
    code, said = shop.run("plan", password=None)
    assert code == 0
    assert "so it is not compared" in said


def test_fewer_permissions_are_live_and_a_user_in_use_is_not_pruned(shop: Shop) -> None:
    shop.apply()
    shop.write(**{"stages: [work]": "stages: [work]\n    publishes: [secret]"})
    code, said = shop.run("plan")
    assert code == 2, said
    assert "live" not in said
    shop.apply()
    shop.write()
    code, said = shop.run("plan")
    assert code == 2
    lines = [line.split() for line in said.splitlines() if line.startswith("~")]
    (topic,) = lines
    assert (topic[1:5], topic[-1]) == (["topic-permission", shop.name("worker"), "→", "out"], "live")
    assert "write answer, secret → answer" in " ".join(topic)
    shop.apply()

    async def while_connected(channel: AbstractChannel) -> None:
        eventually("the connection", lambda: shop.connections("worker") == 1)
        code, said = await asyncio.to_thread(shop.run, "apply", "--prune", "--yes")
        assert code == 3
        assert "1 connection of it open" in said

    worker = shop.url("worker", _PASSWORD)
    shop.write(_MONITOR)
    text = (shop.commands.folder / "shop.yaml").read_text()
    start, end = text.index("  worker:\n"), text.index("  front:")
    (shop.commands.folder / "shop.yaml").write_text(text[:start] + text[end:])
    code, said = shop.run("plan")
    assert code == 0
    (gone,) = [" ".join(line.split()) for line in said.splitlines() if line.startswith("-")]
    assert gone == f"- user {shop.name('worker')} not declared any more needs --prune"
    asyncio.run(_connected(worker, while_connected))
    assert shop.user("worker") is not None
    nothing = {"configure": "^$", "write": "^$", "read": "^$"}
    shop.management.put(f"/permissions/%2F/{shop.name('worker')}", json=nothing).raise_for_status()
    code, said = shop.run("apply", "--prune", "--yes")
    assert code == 3
    assert 'it has permissions on the vhost "/" too' in said
    assert shop.user("worker") is not None
    assert shop.run("apply", "--prune", "--yes", "--force", shop.name("worker"))[0] == 0
    assert shop.user("worker") is None
    assert shop.run("plan", "--prune")[0] == 0


def test_who_is_no_administrator_is_told_that_users_are_not_looked_at(shop: Shop) -> None:
    shop.apply()
    name = shop.name("operator")
    user = {"password": "operator", "tags": "policymaker"}
    shop.management.put(f"/users/{name}", json=user).raise_for_status()
    all_there_is = {"configure": ".*", "write": ".*", "read": ".*"}
    shop.management.put(f"/permissions/{shop.vhost}/{name}", json=all_there_is).raise_for_status()
    base = urlsplit(shop.servers["RABBITMQ_MANAGEMENT_URL"])
    url = base._replace(netloc=f"{name}:operator@{base.netloc.rpartition('@')[2]}").geturl()
    shop.management.delete(f"/permissions/{shop.vhost}/{shop.name('front')}").raise_for_status()
    code, said = shop.run("plan", RABBITMQ_MANAGEMENT_URL=url)
    assert code == 0
    assert "Users, permissions and limits are not looked at" in said
    # What such a user applies leaves the record of who owns what.
    shop.write(_MONITOR, **{"audits: {bindings": "audits: {ttl: 1h, bindings"})
    assert shop.run("apply", "--yes", RABBITMQ_MANAGEMENT_URL=url)[0] == 0
    code, said = shop.run("drift")
    assert code == 2
    assert f"permission {shop.name('front')}: is gone" in said


def test_a_limit_of_the_vhost_is_raised_before_there_is_more_in_it(shop: Shop) -> None:
    limit = f"/vhost-limits/{shop.vhost}/max-queues"
    shop.management.put(limit, json={"value": 1}).raise_for_status()
    shop.apply()
    shop.write(**{"max_queues: 50": "max_queues: 11, max_connections: 70"})
    code, said = shop.run("plan")
    assert code == 2
    assert [" ".join(line.split()) for line in said.splitlines() if "vhost-limit" in line] == [
        "+ vhost-limit max-connections value 70 live",
        "~ vhost-limit max-queues value 50 → 11 live",
    ]
    shop.apply()
    refused = shop.management.put(f"/queues/{shop.vhost}/one-more", json={})
    assert "limit" in refused.text


def test_the_user_who_applies_is_not_declared(shop: Shop) -> None:
    acting = urlsplit(shop.servers["RABBITMQ_MANAGEMENT_URL"]).username or "guest"
    shop.write(f"me: {{name: {acting}, tags: [monitoring], password: {{env: WORKER_PASSWORD}}}}")
    code, said = shop.run("apply", "--yes")
    assert code == 1
    assert "as whom this command is logged in" in said
    assert shop.user("worker") is None
