//! What others than its owner may read of what the commands make: nothing that holds a key or a document,
//! whatever the operator's umask is.

#![allow(clippy::disallowed_methods, reason = "the paths are the test's own")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs `totebox` where new files would be open to everybody.
fn totebox(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_totebox")]).args(args);
    command.current_dir(directory).output().unwrap()
}

#[track_caller]
fn done(directory: &Path, args: &[&str]) {
    let output = totebox(directory, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// Everything below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut next = 0;
    while let Some(path) = found.get(next) {
        if path.is_dir() {
            found.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
        }
        next += 1;
    }
    found
}

/// All below a folder, and itself, is its owner's alone.
#[track_caller]
fn secret(folder: &Path) {
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    let found = below(folder);
    assert!(!found.is_empty());
    for path in found {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn keys_and_documents_are_their_owners_and_the_rest_is_as_usual() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let run = |args: &[&str]| done(directory.path(), args);
    run(&["new", "house", "--archive", "contracts"]);
    run(&["disk", "create", "disk.img", "--deployment", "house"]);
    assert_eq!(mode(&path("disk.img")), 0o600);
    assert_eq!((mode(&path("house/keys")), mode(&path("house/keys/contracts.key"))), (0o700, 0o600));
    run(&["system", "house", "--manifests", "house/target/manifests"]);
    secret(&path("house/target/manifests"));
    run(&["disk", "extract", "disk.img", "extracted", "--names"]);
    secret(&path("extracted"));
    // What is not secret stays shared as the operator's umask has it.
    for name in ["totebox.toml", "system.xml", "keys/contracts.vkey"] {
        assert_eq!(mode(&path("house").join(name)), 0o666, "{name}");
    }

    // A disk that is given up and made again is as a new one, and so is no more open than one.
    fs::set_permissions(path("disk.img"), fs::Permissions::from_mode(0o644)).unwrap();
    run(&["disk", "create", "disk.img", "--force", "--deployment", "house"]);
    assert_eq!(mode(&path("disk.img")), 0o600);
}

#[test]
fn a_file_that_is_written_anew_keeps_its_mode() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    done(directory.path(), &["new", "house"]);
    for name in ["house/totebox.toml", "house/system.xml"] {
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o640)).unwrap();
    }
    done(directory.path(), &["provision", "minutes", "--deployment", "house"]);
    for name in ["house/totebox.toml", "house/system.xml"] {
        assert_eq!(mode(&path(name)), 0o640, "{name}");
    }
}

/// The script that builds the image, with a Microkit tool and a build that only write files of these names.
#[test]
fn the_image_and_its_capabilities_are_their_owners() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../pds/backends/sel4/image.sh");
    fs::create_dir_all(path("pds/backends/sel4")).unwrap();
    fs::copy(script, path("pds/backends/sel4/image.sh")).unwrap();
    let stub = |name: &str, text: &str| {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs::write(path(name), format!("#!/bin/bash\n{text}\n")).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    stub("pds/backends/sel4/cargo.sh", "");
    stub("programs/cp", "");
    stub(
        "sdk/bin/microkit",
        "while [ $# -gt 0 ]; do case $1 in -o|-r|--capdl-json) echo > $2;; esac; shift; done",
    );
    fs::create_dir_all(path("house/target/sel4/manifests")).unwrap();
    fs::write(path("house/target/sel4/manifests/board"), "a board\n").unwrap();
    // What an earlier build left may be open.
    let made = ["totebox.img", "capdl.json"].map(|name| path("house/target/sel4/debug").join(name));
    fs::create_dir_all(path("house/target/sel4/debug")).unwrap();
    for file in &made {
        fs::write(file, "old").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let programs = format!("{}:{}", path("programs").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 0; exec \"$@\"", "sh"])
        .arg(path("pds/backends/sel4/image.sh"))
        .arg("debug")
        .arg(path("house"));
    let output = command.env("MICROKIT_SDK", path("sdk")).env("PATH", programs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in &made {
        assert_eq!((mode(file), fs::read_to_string(file).unwrap().as_str()), (0o600, "\n"), "{}", file.display());
    }
}
