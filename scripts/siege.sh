#!/usr/bin/env bash
# Hostile clients, overload and replacement at full size on the release build.
#   scripts/siege.sh [words of a check's name …]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --release --locked --package ringway-tests --bins
exec cargo run --quiet --release --locked --package ringway-tests --bin siege -- "$@"
