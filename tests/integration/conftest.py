"""A shop of the test's own."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shop import STEPS, Shop


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A topology's folder, with a module of steps beside it."""
    (tmp_path / "shop_steps.py").write_text(textwrap.dedent(STEPS))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shop_steps", raising=False)
    return tmp_path


@pytest.fixture
async def shop(rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, folder: Path) -> AsyncIterator[Shop]:
    shop = Shop(rabbitmq_url, rabbitmq_management_url, redis_url, folder)
    yield shop
    await shop.close()
