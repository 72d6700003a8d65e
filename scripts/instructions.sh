#!/usr/bin/env bash
# Instructions per request of the data plane, counted by callgrind: repeatable where time is not.
# The count of 2N requests less that of N, divided by N, is compared with bench/instructions.txt.
#   scripts/instructions.sh            fails when one differs by more than TOLERANCE (default 4 %)
#   scripts/instructions.sh --write    writes what was counted to the file instead
# User code only: callgrind does not see the kernel. epoll driver, for valgrind knows no io_uring.
set -euo pipefail
cd "$(dirname "$0")/.."

write=0
case "${1:-}" in
  '') ;;
  --write) write=1 ;;
  *) echo "usage: scripts/instructions.sh [--write]" >&2; exit 2 ;;
esac
tolerance=${TOLERANCE:-4}
file=bench/instructions.txt

if ! command -v valgrind >/dev/null; then
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends \
    valgrind
fi
scripts/build.sh
exec python3 scripts/instructions.py "$file" "$tolerance" "$write"
