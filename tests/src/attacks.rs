//! Attacks by rights a domain should not have: they succeed on an image as the Microkit tool writes it, and
//! fail on the same image hardened. The systems are in `tests/attacks`, the programs in `pds/backends/sel4/attacks`.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::appliance::{Site, TIMEOUT, workspace};
use crate::image::{harden, put_together};

/// An attack: its system, what the watcher prints where it succeeds, and where it fails.
pub struct Attack {
    /// The name of its system description.
    pub system: &'static str,
    succeeds: &'static [&'static str],
    fails: &'static [&'static str],
}

/// Every attack.
pub const ATTACKS: [Attack; 2] = [
    Attack {
        system: "fault-endpoint",
        succeeds: &["the thief received it"],
        fails: &["the thief may not receive", "the watcher has the victim's fault"],
    },
    Attack {
        system: "call-capability",
        succeeds: &["the thief received it", "the victim has a forged answer"],
        fails: &["the thief may not receive", "the victim has the watcher's answer"],
    },
];

/// The attack succeeds on the image as it is, and fails on the hardened one.
pub fn only_hardening_stops(attack: &Attack, config: &str) {
    let site = Site::reference();
    let folder = site.folder.path();
    let system = workspace().join("tests/attacks").join(attack.system).with_extension("system");
    let image = folder.join("attack.img");
    put_together(&system, folder, &site.deployment.board.microkit, config, &image);
    expect(&site, &image, attack.succeeds, attack.fails);
    harden(&system, &image);
    expect(&site, &image, attack.fails, attack.succeeds);
    // A second time there is nothing left to do.
    let hardened = fs::read(&image).expect("the image is there");
    harden(&system, &image);
    assert!(fs::read(&image).expect("the image is there") == hardened, "hardening is not idempotent");
}

/// Boots an image until it has printed all of `expected`, and none of `unexpected`.
fn expect(site: &Site, image: &Path, expected: &[&str], unexpected: &[&str]) {
    let (mut line, theirs) = UnixStream::pair().expect("sockets can be made");
    line.set_read_timeout(Some(TIMEOUT)).expect("a time-out can be set");
    let qemu = site.deployment.board.qemu.as_ref().expect("the board can be emulated");
    let words = qemu.command(image, &site.disk, "stdio");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(OwnedFd::from(theirs));
    let _qemu = Running(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
    let mut shown = String::new();
    while !expected.iter().all(|text| shown.contains(&format!("ATTACK: {text}"))) {
        let mut buffer = [0; 4096];
        let len = line.read(&mut buffer).unwrap_or_else(|error| panic!("{error} after:\n{shown}"));
        assert!(len > 0, "the machine ended after:\n{shown}");
        shown += &String::from_utf8_lossy(&buffer[..len]);
    }
    for text in unexpected {
        assert!(!shown.contains(text), "{shown}");
    }
}

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
