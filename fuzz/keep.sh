#!/bin/sh
# Keeps in fuzz/corpus/NAME what of it, and of what fuzzing found, reaches code the seeds do not: the smallest inputs,
# and not too many, since every `make test` reads them. Usage: keep.sh NAME FUZZ...
set -eu
CORPUS_BYTES=65536
CORPUS_FILES=150
name=$1; shift
merged=target/fuzz/merged/$name
rm -rf "$merged" && mkdir -p "$merged"
cp target/fuzz/seeds/"$name"/* "$merged"
"$@" "$name" "$merged" fuzz/corpus/"$name" target/fuzz/found/"$name" -- -merge=1 -max_len=65536
for seed in target/fuzz/seeds/"$name"/*; do rm "$merged/${seed##*/}"; done
# What once failed stays, whatever it reaches.
find fuzz/corpus/"$name" -type f ! -name 'failed-*' -delete
total=0
for input in $(ls -Sr "$merged" | head -n "$CORPUS_FILES"); do
  total=$((total + $(wc -c < "$merged/$input")))
  [ "$total" -le "$CORPUS_BYTES" ] || break
  cp "$merged/$input" fuzz/corpus/"$name"
done
