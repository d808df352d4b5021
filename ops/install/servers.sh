#!/bin/sh
# Installs what the tests run against where it is missing: RabbitMQ, Redis, Chromium with a font, cuetools; and npm,
# with which they fetch the schema of AsyncAPI.
set -eu

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
# Installed also where RABBITMQ_URL and REDIS_URL are set or Docker answers: some tests stop, kill and restart
# servers, which is done only to those they started themselves.
packages=
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || packages="$packages rabbitmq-server"
have redis-server || packages="$packages redis-server"
have chromium || packages="$packages chromium fonts-dejavu-core"
have cuebreakpoints || packages="$packages cuetools"
have npm || packages="$packages npm"
[ -n "$packages" ] || exit 0

have apt-get || fail "please install by hand:$packages (Debian's names; chromium has to be on the PATH)"
if [ "$(id -u)" = 0 ]; then
    sudo=
elif have sudo; then
    sudo=sudo
else
    fail "not root and no sudo; please have somebody run: apt-get install$packages"
fi

# A package that starts its server at once would take the standard ports: ours are private ones.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod +x "$policy"
    trap '$sudo rm -f "$policy"' EXIT
fi
say "installing$packages"
$sudo apt-get update -q >/dev/null
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >/dev/null
