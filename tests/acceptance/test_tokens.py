"""Outside the profile dev nobody comes in without a token."""

from __future__ import annotations

import httpx

from tests.acceptance.commands import Commands, answers, eventually

SECRET = "only for this test, and longer than thirty-two bytes"


def test_the_api_refuses_to_start_without_a_key_and_says_what_to_do(commands: Commands) -> None:
    refused = commands.run("up", str(commands.folder), PIPELINE_PROFILE="cluster")
    assert refused.returncode == 1
    assert "API_JWT_KEY_FILE" in refused.stderr
    assert "Traceback" not in refused.stderr
    weak = commands.run("up", str(commands.folder), API_JWT_KEY="short")
    assert weak.returncode == 1
    assert "openssl rand" in weak.stderr


def test_a_token_lets_commands_and_clients_in(commands: Commands) -> None:
    settings = {"API_JWT_KEY": SECRET, "PIPELINE_PROFILE": "cluster"}
    commands.start("up", str(commands.folder), **settings)
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    assert httpx.get(f"{commands.api}/v1/info").status_code == 401
    made = commands.run("token", "ada", "--scope", "read", "--scope", "write", "--for", "1h", **settings)
    token = made.stdout.strip()
    shown = httpx.get(f"{commands.api}/v1/info", headers={"Authorization": f"Bearer {token}"})
    assert shown.json()["subject"] == "ada"
    refused = commands.run("status", **settings)
    assert refused.returncode == 1
    assert "API_TOKEN" in refused.stderr
    assert commands.run("status", API_TOKEN=token, **settings).returncode == 0
    assert token not in (commands.folder / "up.log").read_text()


def test_there_is_no_token_without_a_secret_to_sign_it_with(commands: Commands) -> None:
    refused = commands.run("token", "ada")
    assert refused.returncode == 1
    assert "openssl rand" in refused.stderr
    (commands.folder / "key.pem").write_text("-----BEGIN PUBLIC KEY-----\n" + "A" * 100)
    refused = commands.run("token", "ada", API_JWT_KEY_FILE=str(commands.folder / "key.pem"))
    assert refused.returncode == 1
    assert "where the private key is" in refused.stderr
