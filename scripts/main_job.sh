#!/usr/bin/env bash
# The main job at full size on the release build: bodies, replicas, streams, crowds.
#   scripts/main_job.sh [--long] [words of a check's name …]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
cargo build --quiet --release --locked --package ringway-tests --bins
exec cargo run --quiet --release --locked --package ringway-tests --bin main-job -- "$@"
