#!/bin/sh
# Breaks a copy of the source with each patch in this folder, one at a time, and runs the test the patch names. A mutant
# that compiles and passes for sound fails this script, and so does a patch that no longer applies, a mutant that does
# not compile, and a test that fails on the sound source.
set -eu
cd "$(dirname "$0")/../.."
work=target/mutants
copy=$work/source
rm -rf $copy
mkdir -p $copy
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t $copy
export CARGO_TARGET_DIR="$PWD/$work/target"

# The host tool is only the simulator's model here; it is built in the quickest way.
run() {
    (cd $copy && cargo test -q -p totebox-tests --config profile.dev.package.totebox.opt-level=0 \
        --config profile.dev.package.totebox.debug=false "$@" </dev/null)
}
named() { sed -n 's/^Caught by: //p' "$1"; }

# $test is a target and a test: two or three words.
for patch in tests/mutants/*.patch; do named "$patch"; done | sort -u | while read -r test; do
    run $test >$work/sound.log 2>&1 || { cat $work/sound.log; echo "mutants: the sound source fails $test"; exit 1; }
done

for patch in tests/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    test=$(named "$patch")
    git apply --directory=$copy "$patch" || { echo "mutants: $patch no longer applies"; exit 1; }
    run $test --no-run >$work/$name.log 2>&1 || { cat $work/$name.log; echo "mutants: $name does not compile"; exit 1; }
    if run $test >$work/$name.log 2>&1; then
        echo "mutants: $name passes for sound under $test"
        exit 1
    fi
    git apply --directory=$copy --reverse "$patch"
    echo "mutants: $name is caught by $test: $(grep -A1 'panicked at' $work/$name.log | sed -n 2p | cut -c1-100)"
done
