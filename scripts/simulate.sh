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
# A run leaves its shard's doorbell open: a process of its own for every few thousand.
for ((first = 0; first < seeds; first += 4000)); do
  count=$((seeds - first < 4000 ? seeds - first : 4000))
  RINGWAY_SIM_FIRST=$first RINGWAY_SIM_SEEDS=$count CARGO_PROFILE_TEST_OPT_LEVEL=2 \
    cargo test --quiet --package ringway-proxy --lib --locked --target-dir "${CARGO_TARGET_DIR:-target}/simulate" sim::no_seed
done
