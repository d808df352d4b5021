"""`python -m ops.servers`: a RabbitMQ and a Redis to try things on, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import sys

from pipeline.servers.process import ServerFailed
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.redis import PrivateRedis


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rabbitmq, redis = PrivateRabbitMQ(), PrivateRedis()
    try:
        rabbitmq.start()
        redis.start()
        print(f"export RABBITMQ_URL={rabbitmq.url}")
        print(f"export RABBITMQ_MANAGEMENT_URL={rabbitmq.management_url}")
        print(f"export REDIS_URL={redis.url}")
        print("# ready; Ctrl-C ends both and removes their data", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 0
    except ServerFailed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    finally:
        redis.close()
        rabbitmq.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
