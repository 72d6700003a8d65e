#!/usr/bin/env bash
# Property-based tests of the API against its document: no 5xx, no status or content type that
# the document does not name, no body that breaks its schema, no request accepted without
# credentials. Built-in provider, basic auth, release build.
#   scripts/schemathesis.sh [document] [options of `schemathesis run` …]
set -euo pipefail
cd "$(dirname "$0")/.."
document=$(realpath "${1:-docs/openapi.yml}")
[ "$#" = 0 ] || shift

scripts/install.sh
scripts/build.sh
venv=$PWD/target/schemathesis/venv
version=4.32.5
if [ "$("$venv/bin/schemathesis" --version 2>/dev/null)" != "schemathesis, version $version" ]; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

work=$(mktemp -d)
gateway=
finish() {
  code=$?
  if [ -n "$gateway" ]; then
    kill "$gateway" 2>/dev/null || true
    wait "$gateway" 2>/dev/null || true
  fi
  if [ "$code" = 0 ]; then
    echo "schemathesis: 1 passed, 0 failed"
  else
    tail -n 30 "$work/gateway.log" >&2 || true
    echo "schemathesis: 0 passed, 1 failed"
  fi
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT

read -r port metrics < <(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PY
)

mkdir "$work/secrets" "$work/data" "$work/commands"
echo admin >"$work/secrets/basic-auth-user"
echo secret >"$work/secrets/basic-auth-password"
# Deployments name commands at random: there are none to be found, and never many at once.
PATH="$work/commands" RINGWAY_LISTEN="127.0.0.1:$port" \
  RINGWAY_METRICS_LISTEN="127.0.0.1:$metrics" RINGWAY_DATA="$work/data" \
  RINGWAY_REPLICAS_MAX=2 upstream_timeout=2s basic_auth=true \
  secret_mount_path="$work/secrets" \
  "${CARGO_TARGET_DIR:-target}/release/ringway" >"$work/gateway.log" 2>&1 &
gateway=$!
for _ in $(seq 100); do
  curl --silent --fail --output /dev/null "http://127.0.0.1:$port/readyz" && break
  kill -0 "$gateway"
  sleep 0.1
done

# A followed log never ends; all else is free.
cat >"$work/free.toml" <<'TOML'
[[operations]]
include-name = "GET /system/logs"
parameters = { "query.follow" = false }
TOML
# The second time the names are those of a function and a secret that exist.
cat >"$work/known.toml" <<'TOML'
[parameters]
functionName = "known"
namespace = "openfaas-fn"

[[operations]]
include-name = "GET /system/logs"
parameters = { "query.follow" = false, "query.name" = "known" }
TOML
admin() { curl --silent --show-error --fail --user admin:secret "$@"; }
admin --request POST --data '{"service": "known", "image": "x", "envProcess": "/bin/cat"}' \
  "http://127.0.0.1:$port/system/functions"
admin --request POST --data '{"name": "known", "value": "x"}' \
  "http://127.0.0.1:$port/system/secrets"

# run CONFIGURATION [options…]: in the temporary folder, for it leaves files where it runs.
run() (
  configuration=$1
  shift
  cd "$work"
  "$venv/bin/schemathesis" --config-file "$work/$configuration" run "$document" \
    --url "http://127.0.0.1:$port" --auth admin:secret --no-color --warnings off \
    --checks "$checks" --max-examples 50 --request-timeout 10 --generation-database none \
    --suppress-health-check all --continue-on-failure "$@"
)
checks=not_a_server_error,status_code_conformance,content_type_conformance
checks+=,response_headers_conformance,response_schema_conformance,ignored_auth
run free.toml "$@"
run known.toml --exclude-operation-id DeleteFunction "$@"

# It must still be there, and still guard what it guards.
kill -0 "$gateway"
status() { curl --silent --output /dev/null --write-out '%{http_code}' "$@"; }
[ "$(status "http://127.0.0.1:$port/system/functions")" = 401 ]
[ "$(status --user admin:secret "http://127.0.0.1:$port/system/functions")" = 200 ]
