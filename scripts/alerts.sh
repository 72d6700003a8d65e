#!/usr/bin/env bash
# A real Prometheus scrapes the gateway and evaluates OpenFaaS's alert rule; a real Alertmanager
# posts to /system/alert with basic auth. Replicas must rise under load and fall after it.
#   scripts/alerts.sh
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
scripts/build.sh

work=$(mktemp -d)
pids=()
finish() {
  code=$?
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ "$code" != 0 ]; then
    for log in "$work"/*.log; do printf '\n== %s\n' "${log##*/}"; tail -n 30 "$log"; done >&2
    echo "alerts: 0 passed, 1 failed"
  fi
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT

fail() { echo "alerts: $*" >&2; exit 1; }

# Four ports that are free together.
read -r port metrics prometheus alertmanager < <(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(4)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PY
)

# until SECONDS WHAT COMMAND…: runs the command until it succeeds.
until_true() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain for $what"
    sleep 0.2
  done
}

admin() { curl --silent --show-error --fail --user admin:secret "$@"; }

# Replicas wanted, as the API tells.
replicas() {
  admin "http://127.0.0.1:$port/system/function/busy" |
    python3 -c 'import json, sys; print(json.load(sys.stdin).get("replicas", 0))'
}
has_replicas() { [ "$(replicas)" = "$1" ]; }
answers() { curl --silent --fail --output /dev/null "$1"; }

mkdir "$work/secrets" "$work/data"
echo admin >"$work/secrets/basic-auth-user"
echo secret >"$work/secrets/basic-auth-password"

RINGWAY_LISTEN="127.0.0.1:$port" RINGWAY_METRICS_LISTEN="127.0.0.1:$metrics" \
  RINGWAY_DATA="$work/data" basic_auth=true secret_mount_path="$work/secrets" \
  "${CARGO_TARGET_DIR:-target}/release/ringway" >"$work/gateway.log" 2>&1 &
pids+=($!)
until_true 20 "the gateway" answers "http://127.0.0.1:$port/readyz"

admin --output /dev/null --request POST --data '{
  "service": "busy", "image": "test", "envProcess": "cat",
  "labels": {
    "com.openfaas.scale.min": "1",
    "com.openfaas.scale.max": "4",
    "com.openfaas.scale.factor": "25"
  }
}' "http://127.0.0.1:$port/system/functions"
until_true 20 "the first replica" has_replicas 1

# The rule of OpenFaaS's chart, with shorter intervals.
cat >"$work/rules.yml" <<'YML'
groups:
  - name: openfaas
    rules:
      - alert: APIHighInvocationRate
        expr: sum(rate(gateway_function_invocation_total{code="200"}[10s])) by (function_name) > 5
        for: 2s
        labels:
          service: gateway
          severity: major
        annotations:
          description: High invocation total on "{{$labels.instance}}"
          summary: High invocation total on "{{$labels.instance}}"
YML
cat >"$work/prometheus.yml" <<YML
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: ["$work/rules.yml"]
scrape_configs:
  - job_name: gateway
    static_configs: [{targets: ["127.0.0.1:$metrics"]}]
alerting:
  alertmanagers:
    - static_configs: [{targets: ["127.0.0.1:$alertmanager"]}]
YML
cat >"$work/alertmanager.yml" <<YML
route:
  group_by: [alertname, function_name]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 3s
  receiver: scale-up
receivers:
  - name: scale-up
    webhook_configs:
      - url: http://127.0.0.1:$port/system/alert
        send_resolved: true
        http_config:
          basic_auth: {username: admin, password: secret}
YML
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
  --web.listen-address="127.0.0.1:$prometheus" --log.level=warn >"$work/prometheus.log" 2>&1 &
pids+=($!)
prometheus-alertmanager --config.file="$work/alertmanager.yml" \
  --storage.path="$work/alertmanager" --web.listen-address="127.0.0.1:$alertmanager" \
  --cluster.listen-address= --log.level=warn >"$work/alertmanager.log" 2>&1 &
pids+=($!)
until_true 30 "Prometheus" answers "http://127.0.0.1:$prometheus/-/ready"
until_true 30 "Alertmanager" answers "http://127.0.0.1:$alertmanager/-/ready"

# Prometheus reads every line of the page.
scraped() {
  curl --silent "http://127.0.0.1:$prometheus/api/v1/targets" |
    python3 -c 'import json, sys
targets = json.load(sys.stdin)["data"]["activeTargets"]
up = [t for t in targets if t["health"] == "up" and not t["lastError"]]
sys.exit(0 if up else 1)'
}
until_true 30 "a clean scrape" scraped

wrk --threads 1 --connections 2 --duration 120s "http://127.0.0.1:$port/function/busy" \
  >"$work/wrk.log" 2>&1 &
load=$!
pids+=("$load")
until_true 90 "replicas to rise to 4" has_replicas 4
# The highest number stays, however often the alert is repeated.
posts() {
  curl --silent "http://127.0.0.1:$metrics/metrics" |
    awk '/^http_requests_total\{/ && /\/system\/alert"/ && /"200"/ { n += $NF } END { print n + 0 }'
}
before=$(posts)
has_more_posts() { [ "$(posts)" -ge $((before + 2)) ]; }
until_true 60 "two more alerts" has_more_posts
has_replicas 4 || fail "4 replicas became $(replicas)"

kill "$load"
until_true 90 "replicas to fall to 1" has_replicas 1
curl --silent "http://127.0.0.1:$metrics/metrics" >"$work/page"
if grep -E '^http_requests_total\{.*/system/alert"' "$work/page" | grep -qvE '"200"'; then
  fail "an alert was refused: $(grep '/system/alert"' "$work/page")"
fi
echo "replicas rose from 1 to 4 and fell to 1 with $(posts) alerts"
echo "alerts: 1 passed, 0 failed"
