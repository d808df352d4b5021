"""`pipeline run` and `pipeline publish` as a user sees them when the broker turns them away."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from pipeline.errors import ExitCode
from tests.acceptance.commands import Commands
from tests.integration.hostile.bad_messages import BOMB, BROKEN, GOOD, HEADERS, REFUSED, table
from tests.integration.hostile.conftest import SECRET, Properties, Stranger, User
from tests.shop import Shop, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]


@pytest.fixture
def commands(shop: Shop, user: User, rabbitmq_management_url: str) -> Iterator[Commands]:
    made = Commands(shop.folder)
    made.environment |= {
        "PIPELINE_TOPOLOGY": str(shop.folder / "topology.json"),
        "RABBITMQ_URL": user.url,
        "RABBITMQ_MANAGEMENT_URL": rabbitmq_management_url,
        "REDIS_URL": shop.redis_url,
    }
    yield made
    made.end()
    for log in shop.folder.glob("*.log"):
        said = log.read_text()
        assert "Traceback" not in said
        assert SECRET not in said


def says(commands: Commands, what: str) -> bool:
    return what in commands.log("run").read_text()


async def ended(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(process.wait, 30)


async def test_a_worker_started_with_a_wrong_password_waits_for_the_right_one(
    shop: Shop, user: User, commands: Commands
) -> None:
    await shop.open("answer")
    await user.create()
    await user.change_password("another")
    process = commands.start("run")
    await eventually(lambda: says(commands, "Check user and password"))
    await user.change_password(SECRET)
    await shop.publish({"number": 1}, id=str(uuid.uuid4()))
    assert await shop.answers(1) == [1]
    assert await ended(process) == ExitCode.DONE


async def test_a_worker_locked_out_while_it_runs_ends_when_it_is_told(
    shop: Shop, user: User, commands: Commands
) -> None:
    await shop.open("answer")
    await user.create()
    process = commands.start("run")
    await shop.publish({"number": 1}, id=str(uuid.uuid4()))
    assert await shop.answers(1) == [1]
    await user.delete()  # RabbitMQ closes its connections, too
    await eventually(lambda: says(commands, "refuses the login of user"))
    await shop.publish({"number": 2}, id=str(uuid.uuid4()))
    assert await ended(process) == ExitCode.DONE
    assert await shop.depth("orders") == 1


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [("exchanges", "in", "no exchange 'in'"), ("queues", "orders", "No queue is bound to 'in'")],
    ids=["the exchange is missing", "no queue is bound"],
)
async def test_who_publishes_to_nowhere_is_told_in_a_line_what_is_missing(
    shop: Shop, user: User, commands: Commands, kind: str, name: str, reason: str
) -> None:
    await shop.open("answer")
    await user.create()
    await shop.management.delete(kind, shop.vhost, name)
    done = await asyncio.to_thread(commands.run, "publish", "order", f'{{"number": 1, "path": "{SECRET}"}}')
    assert done.returncode == ExitCode.ERROR
    assert reason in done.stderr
    assert "pipeline apply" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr


async def test_letters_of_the_worst_kind_are_shown_kept_by_a_replay_saved_and_purged(
    shop: Shop, user: User, commands: Commands, stranger: Stranger
) -> None:
    await shop.open("answer")
    await user.create()
    letters = [(body, properties) for body, properties, _ in REFUSED.values()]
    letters += [(BROKEN, Properties(headers=table(entries), message_id=b"\x1b[2J")) for entries in HEADERS.values()]
    for body, properties in letters:
        await stranger.send(body, properties, exchange="", key="orders.dlq")
    for arguments in (["list"], ["group"], ["show", "orders"], ["show", "orders", "--bodies"]):
        for output in ("text", "json"):
            shown = await asyncio.to_thread(commands.run, "dlq", *arguments, "--output", output)
            assert shown.returncode == ExitCode.DONE, (arguments, shown.stderr)
            assert "\x1b[2J" not in shown.stdout
    replayed = await asyncio.to_thread(commands.run, "dlq", "replay", "orders")
    assert replayed.returncode == ExitCode.PARTLY_DONE, replayed.stderr
    assert "Traceback" not in replayed.stderr
    assert await shop.depth("orders.dlq") == len(letters)
    file = shop.folder / "letters.jsonl"
    purged = await asyncio.to_thread(commands.run, "dlq", "purge", "orders", "--yes", "--save", str(file))
    assert purged.returncode == ExitCode.DONE, purged.stderr
    saved = [base64.b64decode(json.loads(line)["body_base64"]) for line in file.read_text().splitlines()]
    assert saved == [body for body, _ in letters]
    assert await shop.depth("orders.dlq") == 0


async def test_a_compressed_letter_is_worked_on_when_its_body_has_been_corrected(
    shop: Shop, user: User, commands: Commands, stranger: Stranger
) -> None:
    await shop.open("answer")
    await user.create()
    await shop.start()
    await stranger.send(BOMB, Properties(content_encoding=b"gzip", message_id=b"bomb"))
    await eventually(lambda: depth_is(shop, "orders.dlq", 1))
    (shop.folder / "body.json").write_bytes(GOOD)
    edited = await asyncio.to_thread(commands.run, "dlq", "edit", "orders", "--id", "bomb", "--body", "body.json")
    assert edited.returncode == ExitCode.DONE, edited.stderr
    assert await shop.answers(1) == [5]
    assert await shop.depth("orders.dlq") == 0


async def depth_is(shop: Shop, queue: str, count: int) -> bool:
    return await shop.depth(queue) == count
