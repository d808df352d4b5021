"""What REDIS_URL may be, and what an error says of it."""

from __future__ import annotations

import pytest

from pipeline.errors import PipelineError
from pipeline.state.store import RedisStore


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://localhost", "localhost:6379/0"),
        ("redis://user:hunter2@example.org:7000/3", "example.org:7000/3"),
        ("rediss://:hunter2@[::1]:7000/3", "::1:7000/3"),
        ("unix:///run/redis.sock?db=2", "/run/redis.sock/2"),
    ],
)
async def test_server_is_named_without_credentials(url: str, where: str) -> None:
    store = RedisStore(url)
    assert store.link.where == where
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://:hunter2@localhost",
        "redis://:hunter2@localhost:hunter2/0",
        "redis://:hunter2@localhost/hunter2",
        "redis://:hunter2@localhost/0?hunter2=1",
        "redis://:hunter2@localhost/0?socket_timeout=hunter2",
    ],
)
def test_what_is_no_url_of_a_redis_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(PipelineError, match="REDIS_URL") as caught:
        RedisStore(url)
    assert "redis[s]://" in caught.value.fix
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_prefix_that_would_mix_with_others_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot name"):
        RedisStore("redis://localhost", "a:b")
