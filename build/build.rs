//! A board that is added to `boards/` is built in at the next build.

fn main() {
    println!("cargo::rerun-if-changed=boards");
}
