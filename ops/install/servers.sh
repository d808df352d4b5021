#!/bin/sh
# Installs what the tests run against where it is missing: RabbitMQ, Redis, Chromium with a font, cuetools; and npm,
# with which they fetch the schema of AsyncAPI.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
# Installed also where RABBITMQ_URL and REDIS_URL are set or Docker answers: some tests stop, kill and restart
# servers, which is done only to those they started themselves.
set --
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || set -- "$@" rabbitmq-server
have redis-server || set -- "$@" redis-server
have chromium || set -- "$@" chromium fonts-dejavu-core
have cuebreakpoints || set -- "$@" cuetools
have npm || set -- "$@" npm
exec "$(dirname "$0")/debian.sh" "$@"
