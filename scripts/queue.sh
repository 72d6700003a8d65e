#!/usr/bin/env bash
# Asynchronous calls at full size on the release build: rate, kills, calls beside a draining
# queue, a million queued calls, the queue in NATS.
#   scripts/queue.sh [words of a check's name …]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
scripts/build.sh
exec "${CARGO_TARGET_DIR:-target}/release/queue-job" "$@"
