#!/bin/bash
# image.sh CONFIG SYSTEM_XML MANIFESTS: the bootable image of a deployment, for a Microkit configuration
# (debug or release), at target/sel4/CONFIG/totebox.img, with the tool's report and the capabilities
# (capdl.json) beside it, and the programs in elf/: those the system description names are in the image;
# hostile, the failing ones and those of pds/sel4/attacks are for tests. MANIFESTS is the folder
# `totebox system --manifests` wrote.
# The rights in the image are the Microkit tool's: `totebox harden` lowers them, which `make image` does next.
set -euo pipefail
config=$1 system=$2 manifests=$3
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../target/sel4/$config
sdk=${MICROKIT_SDK:-$HOME/microkit-sdk-2.3.0}

"$here/cargo.sh" "$config" build --release --workspace --bins
mkdir -p "$out/elf"
for pd in archive auditor clock console orchestrator vault hostile failing-{vault,clock,orchestrator,auditor,console} \
  last starter thief victim watcher; do
  cp "$out/cargo/aarch64-unknown-none/release/$pd" "$out/elf/$pd.elf"
done
# The image and the capabilities hold the archives' keys; a file that is there already would keep its mode.
rm -f "$out/totebox.img" "$out/capdl.json"
umask 077
"$sdk/bin/microkit" "$system" --search-path "$out/elf" "$manifests" \
  --board "${MICROKIT_BOARD:-qemu_virt_aarch64}" --config "$config" \
  -o "$out/totebox.img" -r "$out/report.txt" --capdl-json "$out/capdl.json"
