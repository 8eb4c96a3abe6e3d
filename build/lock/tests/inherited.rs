//! A lock that is kept is held by whoever has inherited a descriptor. Alone in its program, since other threads'
//! files are inherited, too, until the child has begun.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use totebox_lock::LockedDisk;

#[test]
fn whoever_inherits_a_descriptor_holds_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    std::fs::write(&path, "content").unwrap();
    let disk = LockedDisk::open(&path).unwrap().keep().unwrap();
    // It has the disk as its standard output, and ends with its input.
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(disk).spawn().unwrap();
    assert_eq!(LockedDisk::open(&path).unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    LockedDisk::open(&path).unwrap();
}
