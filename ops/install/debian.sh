#!/bin/sh
# Installs the Debian packages named on the command line, as root or through sudo; none of them starts a server.
set -eu

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
[ $# -gt 0 ] || exit 0

have apt-get || fail "please install by hand: $* (Debian's names; what they hold has to be on the PATH)"
if [ "$(id -u)" = 0 ]; then
    sudo=
elif have sudo; then
    sudo=sudo
else
    fail "not root and no sudo; please have somebody run: apt-get install $*"
fi

# A package that starts its server at once would take the standard ports: ours are private ones.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod +x "$policy"
    trap '$sudo rm -f "$policy"' EXIT
fi
say "installing $*"
$sudo apt-get update -q >/dev/null
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null
