"""Dead letters by the commands: looked at, corrected, sent back, taken away; on RabbitMQ and embedded."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import (
    ERROR_CLASS,
    ERROR_CODE,
    ERROR_MESSAGE,
    ERROR_STAGE,
    FAILED_AT,
    MESSAGE_NAME,
    ORIGINAL_EXCHANGE,
    ORIGINAL_ROUTING_KEY,
    Message,
)
from tests.acceptance.commands import Commands, answers, eventually

_TOPOLOGY = """
version: 1
name: shop
exchanges:
  events: {type: topic}
queues:
  orders: {bindings: [{source: events, routing_key: order.placed}]}
messages:
  order.placed: {model: "shop_stage:Order", exchange: events}
stages:
  price:
    from: {orders: order.placed}
    run: ["shop_stage:price"]
"""
_STAGE = """
from pydantic import BaseModel
from pipeline.errors import Permanent

class Order(BaseModel):
    order_id: str
    count: int

def price(order: Order) -> None:
    if order.count < 0:
        raise Permanent("less than nothing", "NEGATIVE")
"""


class Shop:
    """The commands on a topology of its own, and the broker behind them where there is one."""

    def __init__(self, commands: Commands, folder: Path, servers: dict[str, str]) -> None:
        (folder / "topology.yaml").write_text(_TOPOLOGY)
        (folder / "shop_stage.py").write_text(_STAGE)
        self.commands = commands
        self.folder = folder
        self.settings = {**servers, "PIPELINE_TOPOLOGY": str(folder / "topology.yaml")}

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return self.commands.run("dlq", *arguments, **self.settings, **settings)

    def asked(self, *arguments: str) -> dict[str, Any]:
        ended = self.run(*arguments, "--output", "json")
        assert ended.stdout, ended.stderr
        document: dict[str, Any] = json.loads(ended.stdout)
        return document

    def bury(self, *ids: str, body: str | None = None, **headers: str) -> None:
        async def publish() -> None:
            broker = RabbitMQBroker(self.settings["RABBITMQ_URL"])
            await broker.connect()
            await asyncio.gather(*(broker.publish("", "orders.dlq", _letter(each, body, headers)) for each in ids))
            await broker.close()

        asyncio.run(publish())

    def depth(self, queue: str) -> int:
        async def ask() -> int:
            broker = RabbitMQBroker(self.settings["RABBITMQ_URL"])
            await broker.connect()
            try:
                return (await broker.depth(queue)).messages
            finally:
                await broker.close()

        return asyncio.run(ask())

    def taken(self, queue: str) -> list[Message]:
        """What waits in a queue, taken out."""

        async def take() -> list[Message]:
            broker = RabbitMQBroker(self.settings["RABBITMQ_URL"])
            await broker.connect()
            found = []
            while delivery := await broker.get(queue):
                delivery.ack()
                found.append(delivery.message)
            await broker.close()
            return found

        return asyncio.run(take())


def _letter(message_id: str, body: str | None, headers: dict[str, str]) -> Message:
    ours = {
        MESSAGE_NAME: "order.placed",
        ORIGINAL_EXCHANGE: "events",
        ORIGINAL_ROUTING_KEY: "order.placed",
        ERROR_CODE: "TIMEOUT",
        ERROR_CLASS: "TimeoutError",
        ERROR_MESSAGE: "took too long",
        ERROR_STAGE: "price",
        FAILED_AT: "2026-01-02T03:04:05Z",
    }
    content = json.dumps({"order_id": message_id, "count": 1}) if body is None else body
    return Message(content.encode(), message_id=message_id, headers={**ours, **headers})


@pytest.fixture
def shop(commands: Commands, tmp_path: Path, servers: dict[str, str]) -> Shop:
    shop = Shop(commands, tmp_path, servers)
    applied = commands.run("apply", "--yes", **shop.settings)
    assert applied.returncode == 0, applied.stderr
    return shop


def _editor(folder: Path, code: str) -> str:
    """An EDITOR that changes the file as the code says, `text` to `text`."""
    script = folder / "editor.py"
    script.write_text(
        f"import sys\nfrom pathlib import Path\nfile = Path(sys.argv[1])\ntext = file.read_text()\n{code}\n"
        "file.write_text(text)\n"
    )
    return f"{sys.executable} {script}"


def test_letters_are_counted_chosen_and_sent_back(shop: Shop) -> None:
    shop.bury("a", "b", "c")
    shop.bury("d", "e", **{ERROR_CODE: "DECODE_ERROR"})
    shop.bury("bad", body='{"count": "secret"}', **{ERROR_CODE: "DECODE_ERROR"})
    (first, second) = shop.asked("group")["items"]
    assert (first["error_code"], first["count"], first["example_id"]) == ("DECODE_ERROR", 3, "d")
    assert (second["error_code"], second["count"], second["origin"]) == ("TIMEOUT", 3, "orders")
    assert "DECODE_ERROR" in shop.run("group", "orders").stdout
    shown = shop.asked("show", "orders", "--error-code", "DECODE_ERROR", "--older-than", "1h", "--limit", "2")
    assert [letter["message_id"] for letter in shown["items"]] == ["d", "e"]
    assert shop.asked("show", "orders", "--newer-than", "10m")["items"] == []
    assert "secret" not in shop.run("show", "orders").stdout
    assert '"count": "secret"' in shop.run("show", "orders", "--bodies", "--id", "bad").stdout

    dry = shop.run("replay", "orders", "--error-code", "DECODE_ERROR", "--dry-run")
    assert dry.returncode == 3
    assert "2 would be replayed, 3 kept, 1 would fail again." in dry.stdout
    assert "bad: order.placed: order_id: Field required" in dry.stdout
    assert "secret" not in dry.stdout
    assert (shop.depth("orders"), shop.depth("orders.dlq")) == (0, 6)

    replayed = shop.asked("replay", "orders", "--stage", "price", "--rate", "500/s")
    assert (replayed["replayed"], [each["message_id"] for each in replayed["refused"]]) == (5, ["bad"])
    assert [message.message_id for message in shop.taken("orders")] == ["a", "b", "c", "d", "e"]
    assert shop.run("replay", "orders", "--no-validate").returncode == 0
    assert [message.message_id for message in shop.taken("orders")] == ["bad"]
    assert shop.run("replay", "orders", "--id", "gone").returncode == 3

    told = shop.asked("audit")["items"]
    assert [(each["action"], each["count"]) for each in told] == [("replay", 1), ("replay", 5)]
    assert told[0]["who"]["via"] == "cli"
    assert told[1]["selection"] == {"stage": "price"}
    assert "replay 5 of orders.dlq" in shop.run("audit", "--limit", "2").stdout


def test_a_letter_is_corrected_in_the_editor_by_a_field_or_as_a_whole(shop: Shop) -> None:
    shop.bury("a", "b", "c", body='{"order_id":"x","count":-1}')
    useless = shop.run("edit", "orders", "--id", "a", EDITOR=_editor(shop.folder, "pass"))
    assert (useless.returncode, useless.stdout) == (0, "Nothing was changed.\n")
    wrong = shop.run("edit", "orders", "--id", "a", EDITOR=_editor(shop.folder, "text = text.replace('-1', '[]')"))
    assert wrong.returncode == 1
    assert "order.placed: count" in wrong.stderr
    assert shop.depth("orders.dlq") == 3
    right = shop.run("edit", "orders", "--id", "a", EDITOR=_editor(shop.folder, "text = text.replace('-1', '2')"))
    assert (right.returncode, right.stdout) == (0, "a edited and replayed: count\n")
    tried = shop.run("edit", "orders", "--id", "b", "--set", "count=3", "--dry-run")
    assert tried.stdout == "b would be edited and replayed: count\n"
    assert shop.run("edit", "orders", "--id", "b", "--set", "count=3", "--set", 'order_id="y"').returncode == 0
    (shop.folder / "body.json").write_text('{"order_id": "z", "count": 4}')
    assert shop.run("edit", "orders", "--id", "c", "--body", "body.json").returncode == 0
    found = {message.message_id: message for message in shop.taken("orders")}
    assert {name: json.loads(message.body) for name, message in found.items()} == {
        "a": {"order_id": "x", "count": 2},
        "b": {"order_id": "y", "count": 3},
        "c": {"order_id": "z", "count": 4},
    }
    assert all("x-edited-at" in message.headers for message in found.values())
    assert [(each["action"], each["fields"]) for each in shop.asked("audit")["items"]] == [
        ("edit", ["order_id", "count"]),
        ("edit", ["order_id", "count"]),
        ("edit", ["count"]),
    ]
    for arguments, code, said in (
        (("--id", "gone", "--set", "a=1"), 1, "no dead letter"),
        (("--id", "a", "--set", "nothing"), 64, "PATH=VALUE"),
        (("--id", "a", "--body", "x", "--set", "a=1"), 64, "--set"),
        ((), 64, "--id"),
    ):
        ended = shop.run("edit", "orders", *arguments)
        assert ended.returncode == code
        assert said in ended.stderr


def test_letters_are_kept_in_a_file_before_they_are_purged(shop: Shop) -> None:
    shop.bury("a", "b", "c")
    asked = shop.run("purge", "orders")
    assert (asked.returncode, shop.depth("orders.dlq")) == (64, 3)
    assert "--yes" in asked.stderr
    counted = shop.run("purge", "orders", "--id", "a", "--id", "b", "--dry-run")
    assert counted.stdout == "2 would be purged, 1 kept.\n"
    purged = shop.run("purge", "orders", "--id", "a", "--id", "b", "--save", "kept.jsonl", "--yes")
    assert (purged.returncode, purged.stdout) == (0, "2 purged, 1 kept.\n")
    file = shop.folder / "kept.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [json.loads(base64.b64decode(row["body_base64"]))["order_id"] for row in rows] == ["a", "b"]
    assert rows[0]["headers"][ERROR_CODE] == "TIMEOUT"
    assert file.stat().st_mode & 0o077 == 0
    again = shop.run("purge", "orders", "--yes", "--save", "kept.jsonl")
    assert (again.returncode, shop.depth("orders.dlq")) == (1, 1)
    assert "kept.jsonl" in again.stderr
    assert [each["message_ids"] for each in shop.asked("audit")["items"]] == [["a", "b"]]
    assert shop.run("purge", "orders", "--yes", "--id", "gone").returncode == 3


@pytest.mark.parametrize("option", [("--rate", "fast"), ("--older-than", "2"), ("--limit", "0"), ("--stage",)])
def test_an_option_that_makes_no_sense_is_wrong_usage(shop: Shop, option: tuple[str, ...]) -> None:
    ended = shop.run("replay", "orders", *option)
    assert ended.returncode == 64
    assert option[0] in ended.stderr


def test_without_the_queue_for_the_trail_nothing_is_done_but_told_how_to_make_it(shop: Shop) -> None:
    shop.bury("a")
    assert shop.taken("shop.audit") == []

    async def delete() -> None:
        connection = await aio_pika.connect(shop.settings["RABBITMQ_URL"])
        async with connection:
            channel = await connection.channel()
            await channel.queue_delete("shop.audit")

    asyncio.run(delete())
    for arguments in (("replay",), ("purge", "--yes"), ("edit", "--id", "a", "--set", "count=2")):
        ended = shop.run(arguments[0], "orders", *arguments[1:])
        assert ended.returncode == 1
        assert "pipeline apply" in ended.stderr
    assert shop.depth("orders.dlq") == 1
    assert shop.commands.run("apply", "--yes", **shop.settings).returncode == 0
    assert shop.run("replay", "orders").returncode == 0


@pytest.mark.timeout(180)
def test_a_replay_that_is_killed_half_way_loses_none_of_ten_thousand(shop: Shop) -> None:
    ids = {str(number) for number in range(10_000)}
    shop.bury(*sorted(ids))
    eventually("all letters are there", lambda: shop.depth("orders.dlq") == 10_000)
    replaying = shop.commands.start("dlq", "replay", "orders", "--rate", "2000/s", **shop.settings)
    eventually("the replay is under way", lambda: shop.depth("orders") > 1000)
    replaying.send_signal(signal.SIGKILL)
    replaying.wait()
    moved = eventually("it has ended", lambda: shop.depth("orders"))
    assert 1000 < moved < 10_000
    eventually("the rest is back", lambda: shop.depth("orders.dlq") >= 10_000 - moved)
    assert shop.run("replay", "orders").returncode == 0
    arrived = [message.message_id for message in shop.taken("orders")]
    assert set(arrived) == ids
    assert len(arrived) <= 10_000 + 200  # what was sent and not yet acked when it was killed, a batch or two
    told = shop.asked("audit", "--limit", "1000")["items"]
    assert {each for record in told for each in record["message_ids"]} == ids


def test_the_same_holds_on_the_embedded_engines(commands: Commands, tmp_path: Path) -> None:
    shop = Shop(commands, tmp_path, {})
    commands.start("up", **shop.settings)
    eventually("the API", lambda: answers(f"{commands.api}/health/ready"))
    for number in (-1, -2, -3):
        body = json.dumps({"order_id": f"o{number}", "count": number})
        assert commands.run("publish", "order.placed", body, **shop.settings).returncode == 0
    eventually("three letters", lambda: shop.asked("list")["total"] == 3)
    (group,) = shop.asked("group")["items"]
    assert (group["error_code"], group["count"], group["stage"]) == ("NEGATIVE", 3, "price")
    assert shop.asked("replay", "orders", "--dry-run")["replayed"] == 3
    assert shop.asked("replay", "orders", "--id", group["example_id"], "--rate", "50/s")["replayed"] == 1
    eventually("it failed again", lambda: shop.asked("list")["total"] == 3)
    letters = shop.asked("show", "orders", "--bodies", "--message", "order.placed")["items"]
    refused = shop.run("edit", "orders", "--id", letters[0]["message_id"], "--set", "count=many")
    assert refused.returncode == 1
    assert "count" in refused.stderr
    edited = shop.run("edit", "orders", "--id", letters[0]["message_id"], "--set", "count=1")
    assert (edited.returncode, edited.stderr) == (0, "")
    eventually("it is done", lambda: shop.asked("list")["total"] == 2)
    purged = shop.run("purge", "orders", "--older-than", "0s", "--save", "kept.jsonl", "--yes")
    assert (purged.returncode, purged.stdout) == (0, "2 purged, 0 kept.\n")
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == 2
    told = shop.asked("audit")["items"]
    assert [each["action"] for each in told] == ["purge", "edit", "replay"]
    assert told[0]["who"] == {"name": "anonymous", "address": "127.0.0.1", "via": "api"}
