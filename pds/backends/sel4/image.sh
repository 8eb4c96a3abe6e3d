#!/bin/bash
# image.sh CONFIG DIR: the bootable image of the deployment in DIR, for a Microkit configuration (debug or release), at
# DIR/target/sel4/CONFIG/totebox.img, with the tool's report and the capabilities (capdl.json) beside it. Before it
# `totebox system DIR --manifests DIR/target/sel4/manifests` writes what it is filled with, and for which board.
#
# The programs are the same for every deployment, and are built once, into elf/ in target/sel4/CONFIG of this repository:
# those the system description names are in the image; hostile, the failing ones and those of pds/backends/sel4/attacks are for
# tests. The rights in the image are the Microkit tool's: `totebox harden` lowers them, which `make image` does next.
set -euo pipefail
config=$1 deployment=$2
here=$(cd "$(dirname "$0")" && pwd)
programs=$here/../../../target/sel4/$config
manifests=$deployment/target/sel4/manifests
out=$deployment/target/sel4/$config
sdk=${MICROKIT_SDK:-$HOME/microkit-sdk-2.3.0}
MICROKIT_BOARD=$(cat "$manifests/board")
export MICROKIT_BOARD

"$here/cargo.sh" "$config" build --release --workspace --bins
mkdir -p "$programs/elf" "$out"
for program in "$programs"/cargo/aarch64-unknown-none/release/*; do
  if [ -f "$program" ] && [ -x "$program" ]; then cp "$program" "$programs/elf/${program##*/}.elf"; fi
done
# The image and the capabilities hold the archives' keys; a file that is there already would keep its mode.
rm -f "$out/totebox.img" "$out/capdl.json"
umask 077
"$sdk/bin/microkit" "$deployment/system.xml" --search-path "$programs/elf" "$manifests" \
  --board "$MICROKIT_BOARD" --config "$config" \
  -o "$out/totebox.img" -r "$out/report.txt" --capdl-json "$out/capdl.json"
