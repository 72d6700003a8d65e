#!/usr/bin/env bash
# Asynchronous calls at full size on the release build: rate, kills, calls beside a draining
# queue, a million queued calls, the queue in NATS.
#   scripts/queue.sh [words of a check's name …]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
cargo build --quiet --release --locked --package ringway-tests --bins
exec cargo run --quiet --release --locked --package ringway-tests --bin queue-job -- "$@"
