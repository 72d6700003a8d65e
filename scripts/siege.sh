#!/usr/bin/env bash
# Hostile clients, overload and replacement at full size on the release build.
#   scripts/siege.sh [words of a check's name …]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh
exec "${CARGO_TARGET_DIR:-target}/release/siege" "$@"
