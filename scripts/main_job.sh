#!/usr/bin/env bash
# The main job at full size on the release build: bodies, replicas, streams, crowds.
#   scripts/main_job.sh [--long] [words of a check's name …]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
scripts/build.sh
exec "${CARGO_TARGET_DIR:-target}/release/main-job" "$@"
