//! Images for seL4: put together by the Microkit tool from the programs `make image` leaves, and hardened.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use totebox_capdl::{Fill, FrameInit, Image, Json, Object};

use crate::appliance::workspace;

/// Why this machine cannot run the tests on seL4; `None` if it can.
pub fn missing() -> Option<String> {
    let tool = sdk().join("bin/microkit");
    if !tool.is_file() {
        return Some(format!("no Microkit SDK at {} (how to get one: docs/builder.md)", sdk().display()));
    }
    if !["debug", "release"].iter().all(|config| programs(config).join("thief.elf").is_file()) {
        return Some("the program images are not built (`make test` builds them)".into());
    }
    let qemu = Command::new("qemu-system-aarch64").arg("--version").output();
    qemu.is_err().then(|| "no qemu-system-aarch64 (Debian: qemu-system-arm ipxe-qemu)".into())
}

/// Has the Microkit tool write the image of a system, and its capabilities beside it as `capdl.json`. Files it
/// is filled with are looked for beside the programs of `config`, and in `folder`.
pub fn put_together(system: &Path, folder: &Path, board: &str, config: &str, image: &Path) {
    let mut command = Command::new(sdk().join("bin/microkit"));
    command.arg(system).arg("--search-path").arg(programs(config)).arg(folder);
    command.args(["--board", board, "--config", config]).arg("-o").arg(image);
    command.arg("-r").arg(image.with_file_name("report.txt"));
    command.arg("--capdl-json").arg(capdl(image));
    done(&mut command);
}

/// Hardens an image and what stands beside it. `system` is what they were made from.
pub fn harden(system: &Path, image: &Path) {
    done(totebox().arg("harden").arg(image).arg(capdl(image)).arg("--system").arg(system));
}

/// Holds an image, and what stands beside it, to the rules.
pub fn check(system: &Path, image: &Path) {
    done(totebox().arg("check").arg(system).arg("--image").arg(image));
    done(totebox().arg("check").arg(system).arg("--capdl").arg(capdl(image)));
}

/// An image has the specification that the Microkit tool wrote beside it, which has the names of everything:
/// so it is read as it was written.
pub fn says_what_stands_beside_it(image: &Path) {
    let bytes = fs::read(image).expect("the image is there");
    let text = fs::read_to_string(capdl(image)).expect("the JSON is there");
    let in_image = Image::parse(bytes).and_then(|image| image.spec()).unwrap_or_else(|error| panic!("{error}"));
    let in_json = Json::parse(text).and_then(|json| json.spec()).unwrap_or_else(|error| panic!("{error}"));
    let [in_image, in_json] = [in_image, in_json].map(|mut spec| {
        // What only the one has: the initialiser's own, the frames' content, and in a release image no names.
        (spec.cached_orig_cap_slots, spec.log_level) = (None, None);
        for named in &mut spec.objects {
            named.name = None;
            if let Object::Frame(frame) = &mut named.object {
                frame.init = FrameInit::Fill(Fill { entries: Vec::new() });
            }
        }
        spec
    });
    assert!(in_image == in_json, "the image does not say what the JSON says");
}

fn capdl(image: &Path) -> PathBuf {
    image.with_file_name("capdl.json")
}

fn totebox() -> Command {
    Command::new(workspace().join("target/release/totebox"))
}

fn done(command: &mut Command) {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (`make build` makes totebox)"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(status.success(), "{command:?}\n{}\n{}", text(&stdout), text(&stderr));
}

/// The Microkit SDK.
fn sdk() -> PathBuf {
    let default = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join("microkit-sdk-2.3.0");
    std::env::var_os("MICROKIT_SDK").filter(|path| !path.is_empty()).map_or_else(default, PathBuf::from)
}

/// Where `make image` leaves the program images of a configuration.
fn programs(config: &str) -> PathBuf {
    workspace().join("target/sel4").join(config).join("elf")
}
