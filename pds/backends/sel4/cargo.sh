#!/bin/bash
# cargo.sh CONFIG COMMAND...: runs cargo on this workspace for a Microkit configuration (debug or release),
# with the compiler, the linker and the seL4 headers it needs. For example: cargo.sh debug build --release,
# or: cargo.sh debug clippy -- -D warnings
#
# The compiler is rustup's nightly that rust-sel4 names, if it is installed with the target, or else
# Debian's rustc-web. What is missing is said in one go, with how to get it.
set -euo pipefail
config=$1 command=$2; shift 2
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
sdk=${MICROKIT_SDK:-$HOME/microkit-sdk-2.3.0}
board=${MICROKIT_BOARD:-qemu_virt_aarch64}
target=aarch64-unknown-none
nightly=nightly-2026-04-04

missing=()
need() { # need WHAT HOW COMMAND...: notes WHAT, unless COMMAND succeeds
  local what=$1 how=$2; shift 2
  "$@" >/dev/null 2>&1 || missing+=("$what ($how)")
}
compiles() { "$1" "${@:2}" -x c -E - <<< '#include <assert.h>'; }

need "Microkit SDK 2.3.0 at $sdk" "set MICROKIT_SDK, or unpack the one from https://github.com/seL4/microkit/releases there" \
  grep -qx '2\.3\.0' "$sdk/VERSION"
need "board $board in that SDK" "set MICROKIT_BOARD to one of those under $sdk/board" test -d "$sdk/board/$board/$config"
need "a C compiler for blake3's NEON code" "Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross" \
  compiles aarch64-linux-gnu-gcc
need "libclang for bindgen" "Debian: libclang-dev" \
  test -n "${LIBCLANG_PATH:-}$(compgen -G '/usr/lib/llvm-*/lib/libclang*.so*')$(compgen -G '/usr/lib*/libclang*.so*')"
need "rustup's cargo (Debian's cannot fetch git dependencies)" "https://rustup.rs" rustup --version

flags=("--remap-path-prefix=$root=/totebox" "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
if sysroot=$(rustup run $nightly rustc --print sysroot 2>/dev/null) && [ -d "$sysroot/lib/rustlib/$target" ]; then
  export RUSTUP_TOOLCHAIN=$nightly
  cargo=$(rustup which cargo)
else
  need "a Rust compiler for $target" \
    "rustup toolchain install $nightly --target $target --component clippy; or Debian: rustc-web cargo-web rust-web-src lld-19" \
    test -x /usr/bin/rustc -a -x /usr/bin/cargo -a -d /usr/lib/rustlib/src/rust -a -x /usr/bin/ld.lld-19
  [ "$command" != clippy ] || need "clippy of that compiler" "Debian: rust-web-clippy" test -x /usr/bin/cargo-clippy
  cargo=$(rustup which cargo 2>/dev/null || true)
  sysroot=$root/target/sel4/sysroot
  export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc PATH=/usr/bin:$PATH # where its clippy is
  export CARGO_TARGET_AARCH64_UNKNOWN_NONE_LINKER=ld.lld-19
  flags+=("--sysroot=$sysroot")
  [ ${#missing[@]} -gt 0 ] || "$here/sysroot.sh" "$sysroot"
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "The seL4 image cannot be built here. Missing:" >&2
  printf '  - %s\n' "${missing[@]}" >&2
  exit 2
fi

export RUSTC_BOOTSTRAP=1 # rust-sel4 uses unstable features
export CARGO_NET_GIT_FETCH_WITH_CLI=true
export SEL4_INCLUDE_DIRS=$sdk/board/$board/$config/include
export CC_aarch64_unknown_none=aarch64-linux-gnu-gcc
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS
export TOTEBOX_ROOT=$root RUSTC_WRAPPER=$here/rustc.sh
cd "$here"
exec "$cargo" "$command" --locked --target $target --target-dir "$root/target/sel4/$config/cargo" "$@"
