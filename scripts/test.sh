#!/usr/bin/env bash
# All that CI runs: installs what the tests need, checks, builds, tests on every driver.
#   scripts/test.sh          at most 40 minutes from a cold cache on 2 cores
#   scripts/test.sh --long   also the build that is handed out, big bodies, long streams, many
#                            connections, sieges, a soak, fuzzing, benchmarks, instructions per
#                            request
set -euo pipefail
cd "$(dirname "$0")/.."

long=0
for argument in "$@"; do
  case "$argument" in
    --long) long=1 ;;
    *) echo "usage: scripts/test.sh [--long]" >&2; exit 2 ;;
  esac
done

step() { printf '\n== %s\n' "$*"; }

scripts/install.sh

scripts/check.sh

# A test that hangs ends the run instead of holding it for ever.
limit() { timeout --kill-after=10 "$@"; }

step "unit tests, codec, tidy"
limit 900 cargo test --workspace --locked --exclude ringway-tests
limit 600 cargo test --package ringway-tests --locked --lib --bin soak --test tidy --test codec --test corpus
limit 300 cargo test --package ringway-proxy --locked --doc
cargo build --workspace --bins --locked

for driver in io_uring epoll refused; do
  step "the gateway from outside, driver: $driver"
  RINGWAY_TEST_DRIVER=$driver limit 900 \
    cargo test --package ringway-tests --locked --test e2e -- --test-threads 4
done

step "the main job, release build"
scripts/build.sh
limit 600 scripts/main_job.sh

step "replaced, ended, and robbed of replicas under load"
limit 300 scripts/siege.sh sigterm takeover kill

step "where requests end, between nginx, HAProxy and an origin"
limit 300 scripts/smuggle.sh

step "soak, one minute"
limit 300 scripts/soak.sh 1

step "the API against its document"
limit 600 scripts/schemathesis.sh

step "replicas by Prometheus and Alertmanager"
limit 600 scripts/alerts.sh

if [ "$long" = 1 ]; then
  step "long runs"
  limit 3600 scripts/release.sh
  RINGWAY_TEST_BINARY=$(realpath "${CARGO_TARGET_DIR:-target}")/dist/ringway limit 600 scripts/main_job.sh
  limit 7200 scripts/main_job.sh --long
  limit 3600 scripts/siege.sh
  limit 3600 scripts/soak.sh 30
  limit 3600 scripts/queue.sh
  limit 7200 scripts/fuzz.sh 600
  limit 3600 scripts/simulate.sh
  limit 3600 scripts/miri.sh
  limit 7200 scripts/bench.sh --full
  cargo bench --package ringway-bench --locked --benches
  scripts/instructions.sh
  cargo run --release --quiet --package ringway-bench --locked --example lookup_by_size
fi
echo
echo "all passed"
