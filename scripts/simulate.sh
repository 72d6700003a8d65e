#!/usr/bin/env bash
# The shard's own code between simulated clients and functions, one seed after another, with
# optimisation. The ordinary tests run the first 120.
#   scripts/simulate.sh [seeds]      default 5000
#   RINGWAY_SIM_SEED=414 cargo test --package ringway-proxy --lib sim::no_seed -- --nocapture
# shows what happens in one of them.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-5000}
case "$seeds" in
  '' | *[!0-9]* | 0*) echo "usage: scripts/simulate.sh [seeds] (not: $seeds)" >&2; exit 2 ;;
esac
RINGWAY_SIM_SEEDS=$seeds CARGO_PROFILE_TEST_OPT_LEVEL=2 \
  exec cargo test --package ringway-proxy --lib --locked --target-dir "${CARGO_TARGET_DIR:-target}/simulate" sim::no_seed
