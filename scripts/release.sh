#!/usr/bin/env bash
# Builds `ringway` to be handed out: compiled, put under load, and compiled again by the profile of
# that load (docs/decisions/0016-profile-guided.md).
#   scripts/release.sh       writes target/dist/ringway; about 20 minutes on two cores
# Needs two cores and an llvm-profdata that reads this compiler's profiles: that of rustup's
# component llvm-tools, or the distribution's LLVM 19 or later. $LLVM_PROFDATA names another.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$#" = 0 ] || { echo "usage: scripts/release.sh" >&2; exit 2; }
# Profiles go where this script says, and nowhere else.
unset LLVM_PROFILE_FILE
target=${CARGO_TARGET_DIR:-target}
folder=$target/pgo
host=$(rustc -vV | sed -n 's/^host: //p')
# The optimized one too: cargo does not see that the profile in the same place is a new one.
rm -rf "$folder/raw" "$folder/probe" "$folder/optimized"
mkdir -p "$folder/raw" "$folder/probe"
raw=$(cd "$folder/raw" && pwd)
profile=$(cd "$folder" && pwd)/ringway.profdata

# A program of one line shows whether this compiler can write profiles, and who can read them.
probe=$(cd "$folder/probe" && pwd)
echo 'fn main() {}' >"$probe/main.rs"
if ! rustc -Cprofile-generate="$probe/raw" -o "$probe/main" "$probe/main.rs" || ! "$probe/main"; then
  echo "this rustc writes no profiles; the distribution's may lack them, rustup's does not" >&2
  exit 1
fi

# Whether a program merges this compiler's profiles into what the compiler reads.
reads() {
  [ -x "$1" ] && "$1" merge -o "$probe/profdata" "$probe/raw" 2>/dev/null &&
    rustc -Cprofile-use="$probe/profdata" -o "$probe/main" "$probe/main.rs" 2>/dev/null
}

profdata() {
  local candidate
  for candidate in "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" \
    "$(command -v llvm-profdata || true)" \
    $(find /usr/lib -maxdepth 3 -path '*/llvm-*/bin/llvm-profdata' 2>/dev/null | sort -rV); do
    if reads "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

from_rustup() { rustup component add llvm-tools >/dev/null 2>&1; }

from_distribution() {
  local sudo=() newest
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq || return 1
  newest=$(apt-cache pkgnames llvm- | grep -E '^llvm-[0-9]+$' | sort -rV | head -n 1)
  [ -n "$newest" ] && DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq \
    --no-install-recommends "$newest" >/dev/null
}

if [ -n "${LLVM_PROFDATA:-}" ]; then
  tool=$(command -v "$LLVM_PROFDATA" || true)
  reads "$tool" || {
    echo "LLVM_PROFDATA: $LLVM_PROFDATA does not read the profiles of $(rustc --version)" >&2
    exit 1
  }
else
  tool=$(profdata || { from_rustup && profdata; } || { from_distribution && profdata; }) || {
    echo "no llvm-profdata reads the profiles of $(rustc --version): install rustup's component" \
      "llvm-tools or LLVM 19 or later, or name one in LLVM_PROFDATA" >&2
    exit 1
  }
fi

# build FLAG FOLDER BINARY…: with the target named, so that build scripts and macros get no flags.
build() {
  local flag=$1 into=$2 flags=${CARGO_ENCODED_RUSTFLAGS:-} words binaries=()
  shift 2
  if [ -z "$flags" ]; then
    read -ra words <<<"${RUSTFLAGS:-}"
    flags=$(IFS=$'\x1f' && echo "${words[*]}")
  fi
  for binary in "$@"; do binaries+=(--bin "$binary"); done
  CARGO_ENCODED_RUSTFLAGS=${flags:+$flags$'\x1f'}$flag cargo build --quiet --release --locked \
    --workspace "${binaries[@]}" --target "$host" --target-dir "$folder/$into"
}

echo "compiling it to be profiled"
build "-Cprofile-generate=$raw" profiled ringway ringway-bench

echo "under load"
if ! "$folder/profiled/$host/release/ringway-bench" --peers ringway,ringway-epoll --no-files \
  --no-extras --rounds 3 --slice 500 --only W1,W2,W3,W4,W5,W6,W8,W14-up,W14-down \
  >"$folder/load.log" 2>&1; then
  cat "$folder/load.log" >&2
  exit 1
fi
"$tool" merge -o "$profile" "$raw"

echo "compiling it by its profile"
build "-Cprofile-use=$profile" optimized ringway
mkdir -p "$target/dist"
# In place of one that may be running.
cp "$folder/optimized/$host/release/ringway" "$target/dist/ringway.new"
mv "$target/dist/ringway.new" "$target/dist/ringway"
echo "written to $target/dist/ringway"
