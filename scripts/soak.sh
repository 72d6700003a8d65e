#!/usr/bin/env bash
# Mixed load on a gateway of each driver at the same time, for so many minutes, on the release build.
#   scripts/soak.sh [minutes, default 30; 0.5 is half of one] [--seed NUMBER]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh
exec "${CARGO_TARGET_DIR:-target}/release/soak" "$@"
