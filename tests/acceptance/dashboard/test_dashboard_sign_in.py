"""The dashboard where the service asks for a token."""

from __future__ import annotations

import time

import jwt
import pytest
from playwright.async_api import Browser, expect

from api.security.access import Access
from api.security.tokens import Tokens
from tests.api_plane import running_api

pytestmark = pytest.mark.browser

_SECRET = "only for this test, and longer than thirty-two bytes"


async def test_a_token_is_asked_for_kept_and_forgotten(browser: Browser) -> None:
    access = Access(tokens=Tokens(secret=_SECRET, audience=None, issuer=None), anonymous=False)
    claims = {"sub": "ada", "exp": time.time() + 300, "scope": "read write"}
    async with running_api(access=access, profile="prod") as api:
        await api.add_recording("r1", "/music/one.flac")
        page = await browser.new_page()
        await page.goto(f"{api.url}/")
        dialog = page.get_by_role("dialog", name="Who are you?")
        await dialog.get_by_label("Token").fill("nonsense")
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("not a JSON Web Token")
        await dialog.get_by_label("Token").fill(jwt.encode(claims, _SECRET, "HS256"))
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(page.locator("#connection")).to_have_text("Live")
        await expect(page.locator(".row")).to_contain_text("one.flac")
        await page.reload()
        await expect(page.locator(".row")).to_contain_text("one.flac")
        assert "pipeline_token" not in await page.evaluate("document.cookie")
        await page.get_by_role("button", name="Sign out").click()
        await expect(dialog).to_be_visible()
        await page.close()
