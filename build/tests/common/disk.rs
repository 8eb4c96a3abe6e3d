//! A disk with something on it, and the command line to read it with.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ledger_fmt::cbor;
use ledger_fmt::layout::Area;
use ledger_fmt::record::Kind;
use ledger_fmt::testing::TestVolume;
use serde_json::Value;
use tempfile::TempDir;
use totebox_deployment::Deployment;

use super::{deployment, with_archives};

/// A deployment of two archives, its disk, and what its volumes hold.
pub struct Disk {
    pub directory: TempDir,
    pub deployment: Deployment,
    pub volumes: Vec<TestVolume>,
}

/// Documents of archive `a0`: name and content.
pub fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let text = |seed: u8, len: usize| (0..len).map(|i| (i as u8).wrapping_mul(seed) ^ seed).collect();
    vec![
        ("short.txt", b"a short text\n".to_vec()),
        ("empty", Vec::new()),
        ("Vertrag März 2026.pdf", text(7, 10_000)),
        ("the same again", text(7, 10_000)),
        ("../../../etc/passwd", b"hostile".to_vec()),
        ("line\nbreak\u{1b}[31m", text(9, 4096)),
    ]
}

impl Disk {
    pub fn new() -> Disk {
        let deployment = deployment(&with_archives(2));
        let directory = TempDir::new().unwrap();
        let mut disk = Disk { directory, volumes: Vec::new(), deployment };
        fs::write(disk.directory.path().join("totebox.toml"), with_archives(2)).unwrap();
        disk.deployment.create_disk(&disk.path()).unwrap();
        for volume in &disk.deployment.volumes {
            let mut volume = TestVolume::of(volume.superblock());
            volume.start();
            disk.volumes.push(volume);
        }
        for (name, content) in documents() {
            disk.volumes[0].document(name, &content);
            disk.volumes[0].commit();
        }
        disk.volumes[0].checkpoint();
        disk.volumes[0].commit();
        disk.volumes[2].write(Kind::Boot, |out| {
            cbor::write(out, |map| {
                map.uint("archives", 2);
                map.bytes("deployment", &[7; 16]);
            })
        });
        disk.volumes[2].commit();
        for volume in &mut disk.volumes {
            volume.hint(0);
            volume.hint(1);
        }
        disk.write();
        disk
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("disk.img")
    }

    pub fn write(&self) {
        for (volume, place) in self.volumes.iter().zip(&self.deployment.volumes) {
            self.poke(place.offset(), &volume.bytes);
        }
    }

    pub fn poke(&self, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    pub fn flip(&self, offset: u64) {
        let file = File::options().read(true).write(true).open(self.path()).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 4], offset).unwrap();
    }

    /// Where a byte of a volume's area is on the disk.
    pub fn offset(&self, volume: usize, area: Area, block: u64, byte: u64) -> u64 {
        let range = self.volumes[volume].range(area, block, 1);
        self.deployment.volumes[volume].offset() + range.start as u64 + byte
    }

    pub fn size(&self) -> u64 {
        self.deployment.disk_size
    }

    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        totebox(self.directory.path(), arguments)
    }
}

pub fn totebox(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_totebox"))
        .current_dir(directory)
        .arg("disk")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
