//! Deployments to test with.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod disk;

use std::path::Path;

use totebox_deployment::Deployment;

/// A small deployment with archives `a0`, `a1`, ... of 1 MiB each.
pub fn with_archives(count: usize) -> String {
    let mut text = String::from(HEAD);
    for i in 0..count {
        text += &format!("\n[[archive]]\nname = \"a{i}\"\nsize = \"1 MiB\"\non_mismatch = \"flag\"\n");
    }
    text
}

/// Everything before the first `[[archive]]`: 17 lines.
const HEAD: &str = r#"# A comment.

[deployment]
name = "test"
id = "00112233445566778899aabbccddeeff"
board = "qemu_virt_aarch64"

[disk]
size = "64 MiB"

[audit]
volume = "1 MiB"
period = "15 min"
full_every = 4

# Another comment.
"#;

/// The deployment described by `text`.
pub fn deployment(text: &str) -> Deployment {
    Deployment::parse(Path::new("totebox.toml"), text).unwrap_or_else(|problems| panic!("{problems}"))
}
