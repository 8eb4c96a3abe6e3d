#!/bin/bash
# sysroot.sh DIR: core, alloc and compiler_builtins for aarch64-unknown-none, built from Debian's library
# sources into a sysroot at DIR: for Debian's rustc, which comes without that target.
set -euo pipefail
dir=$1 target=aarch64-unknown-none
lib=$dir/lib/rustlib/$target/lib host=$(/usr/bin/rustc --print sysroot)/lib/rustlib
[ ! -e "$lib/complete" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The three come out as dependencies of an empty crate: with their bitcode, so that a program can be
# optimised as a whole, and without the paths of this machine.
mkdir -p "$work/src" "$lib"
printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n' > "$work/Cargo.toml"
echo '#![no_std]' > "$work/src/lib.rs"
cd "$work"
RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target \
  CARGO_TARGET_AARCH64_UNKNOWN_NONE_RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$host/src/rust=/rust" \
  /usr/bin/cargo build --quiet --release --target $target \
  -Z build-std=core,alloc,compiler_builtins -Z build-std-features=compiler-builtins-mem

ln -sfn "$host/x86_64-unknown-linux-gnu" "$dir/lib/rustlib/x86_64-unknown-linux-gnu"
rm -f target/$target/release/deps/libempty*
cp target/$target/release/deps/lib*.rlib "$lib/"
touch "$lib/complete"
