#!/bin/sh
# Fetches the official JSON Schema of AsyncAPI into build/asyncapi, at the version and hash that the lock names.
set -eu
cd "$(dirname "$0")/../.."

folder=build/asyncapi
lock=ops/install/asyncapi/package-lock.json
cmp -s "$lock" "$folder/fetched.json" && exit 0

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
command -v npm >/dev/null 2>&1 || fail "npm is missing: run \`make servers\`"
printf '==> fetching the JSON Schema of AsyncAPI\n'
mkdir -p "$folder"
cp ops/install/asyncapi/package.json "$lock" "$folder/"
(cd "$folder" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null) || fail "npm ci in $folder failed"
cp "$lock" "$folder/fetched.json"
