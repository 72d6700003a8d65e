#!/usr/bin/env bash
# Fuzzes each target; fails at the first finding, whose input it names.
#   scripts/fuzz.sh [seconds per target] [target …]     default: 600 seconds, all targets
# Targets: tests/fuzz/src/lib.rs. New inputs that reach new code are kept in tests/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../tests/fuzz"

seconds=${1:-600}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "usage: scripts/fuzz.sh [seconds per target] [target …]" >&2; exit 2; }
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(request response chunked route provider text exchange)

command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked --quiet
# The sanitizer is a feature of nightly compilers; a stable one has it under this variable.
if ! cargo --version | grep -q nightly; then
  export RUSTC_BOOTSTRAP=1
fi
# SQLite comes along and is not what is fuzzed: with the sanitizer its build takes many minutes
# when it is optimised and has debug information.
export CFLAGS="${CFLAGS:-} -O1 -g0"
host=$(rustc -vV | sed -n 's/^host: //p')

shown='^(==|stat::|SUMMARY|#[0-9]+.*DONE|artifact_prefix|thread|assertion|panicked|error)|Test unit written'
for target in "${targets[@]}"; do
  echo "== $target, $seconds s"
  mkdir -p "corpus/$target"
  limits=()
  export ASAN_OPTIONS=
  # A simulated shard lives on behind its run, as a real one does: a process for every few thousand,
  # one after another, until the time is over.
  if [ "$target" = exchange ]; then
    limits=(-runs=3000)
    ASAN_OPTIONS=detect_leaks=0
  fi
  cargo fuzz build --fuzz-dir . --target "$host" "$target" 2>&1 | { grep -E "$shown" || true; }
  end=$((SECONDS + seconds))
  while ((SECONDS < end)); do
    # grep finds nothing in a run that does not even build: that is cargo's failure to tell.
    cargo fuzz run --fuzz-dir . --target "$host" "$target" "corpus/$target" -- \
      -max_total_time=$((end - SECONDS)) -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
      -print_final_stats=1 "${limits[@]}" 2>&1 | { grep -E "$shown" || true; } || {
      echo "$target: a finding, or no run; inputs that fail are in tests/fuzz/artifacts/$target" >&2
      exit 1
    }
  done
done
echo "no findings"
