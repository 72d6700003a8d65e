#!/usr/bin/env bash
# A function of any OpenFaaS gateway under load by wrk, in the shapes of bench/'s first workloads.
#   scripts/wrk.sh http://127.0.0.1:8080/function/NAME
#   CONNECTIONS=64 SECONDS_EACH=10 scripts/wrk.sh http://…
# wrk needs about twice the processor time of `ringway-bench`'s own load generator: on a small
# machine it, not the gateway, may be what is saturated.
set -euo pipefail
cd "$(dirname "$0")/.."

url=${1:-}
case "$url" in
  http://*/function/?*) ;;
  *)
    echo "usage: scripts/wrk.sh http://HOST:PORT/function/NAME (not: ${url:-nothing})" >&2
    exit 2
    ;;
esac
connections=${CONNECTIONS:-64}
seconds=${SECONDS_EACH:-10}
for number in "$connections" "$seconds"; do
  case "$number" in
    '' | *[!0-9]* | 0*) echo "CONNECTIONS and SECONDS_EACH are whole numbers above 0" >&2; exit 2 ;;
  esac
done
command -v wrk >/dev/null || scripts/install.sh

status=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 10 "$url" || true)
if [ "$status" = 000 ]; then
  echo "$url does not answer" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# body BYTES: a POST of so many bytes.
body() {
  printf 'wrk.method = "POST"\nwrk.body = string.rep("x", %d)\n' "$1" >"$work/$1.lua"
  cat >>"$work/$1.lua" <<'LUA'
wrk.headers["Content-Type"] = "application/octet-stream"
LUA
  echo "$work/$1.lua"
}
cat >"$work/get.lua" <<'LUA'
wrk.method = "GET"
LUA
cat >"$work/fresh.lua" <<'LUA'
wrk.headers["Connection"] = "close"
LUA
done_lua='
done = function(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format("figures %.0f %.3f %.3f %.3f %d\n",
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3, failed))
end'

printf '%-34s %10s %10s %10s %10s %8s\n' "$url" req/s 'p50 ms' 'p99 ms' 'p99.9 ms' failed
# measure NAME CONNECTIONS SCRIPT
measure() {
  local script="$work/run.lua"
  { cat "$3"; echo "$done_lua"; } >"$script"
  local figures
  figures=$(wrk --threads 1 --connections "$2" --duration "${seconds}s" --timeout 10s \
    --script "$script" "$url" | awk '$1 == "figures" { $1 = ""; print }')
  # shellcheck disable=SC2086 # five words
  printf '%-34s %10s %10s %10s %10s %8s\n' "$1, $2 connections" $figures
}
measure 'GET' "$connections" "$work/get.lua"
measure 'GET' 1 "$work/get.lua"
measure 'POST of 1 KiB' "$connections" "$(body 1024)"
measure 'POST of 64 KiB' "$connections" "$(body 65536)"
measure 'GET, new connection each' "$connections" "$work/fresh.lua"
