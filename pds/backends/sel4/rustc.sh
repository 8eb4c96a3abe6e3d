#!/bin/bash
# rustc.sh RUSTC ARGS...: cargo's RUSTC_WRAPPER. Names this repository's crates by their place in it, where
# cargo gives a hash of their absolute path; so the same sources make the same program images in any folder.
args=()
for arg; do
  if [[ $arg == metadata=* && ${CARGO_MANIFEST_DIR:-} == "$TOTEBOX_ROOT"/* ]]; then
    arg=metadata=${CARGO_MANIFEST_DIR#"$TOTEBOX_ROOT"}
  fi
  args+=("$arg")
done
exec "${args[@]}"
