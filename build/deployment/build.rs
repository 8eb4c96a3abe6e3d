//! A board that is added to `build/boards/` is built in at the next build.

#![allow(clippy::disallowed_macros, reason = "to speak to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=../boards");
}
