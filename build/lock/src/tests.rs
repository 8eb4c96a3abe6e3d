//! Two openings of one disk. What QEMU makes of the lock is tested with QEMU: `build/tests/run`.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::*;

struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        fs::write(site.path("disk"), "content").unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn disk(&self) -> PathBuf {
        self.path("disk")
    }
}

#[track_caller]
fn refused(opened: Result<LockedDisk>) -> String {
    let error = opened.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
    error.to_string()
}

#[test]
fn a_writer_is_alone_until_it_is_done_or_its_last_descriptor_is_closed() {
    let site = Site::new();
    let first = LockedDisk::open(&site.disk()).unwrap();
    let said = refused(LockedDisk::open(&site.disk()));
    let me = std::env::current_exe().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(said, format!("it is in use by {me}, process {}; end that first", std::process::id()));
    refused(LockedDisk::open_read_only(&site.disk()));

    let copy = first.try_clone().unwrap();
    drop(first);
    let second = LockedDisk::open(&site.disk()).unwrap();
    drop(copy);
    refused(LockedDisk::open(&site.disk()));

    let copy = second.keep().unwrap();
    refused(LockedDisk::open(&site.disk()));
    drop(copy);
    drop(LockedDisk::open(&site.disk()).unwrap());
    assert_eq!(fs::read(site.disk()).unwrap(), b"content");
}

#[test]
fn a_disk_is_the_same_by_every_name() {
    let site = Site::new();
    symlink(site.disk(), site.path("symbolic")).unwrap();
    fs::hard_link(site.disk(), site.path("hard")).unwrap();
    let _held = LockedDisk::open(&site.path("symbolic")).unwrap();
    refused(LockedDisk::open(&site.path("hard")));
    refused(LockedDisk::open(&site.disk()));
}

#[test]
fn readers_share_a_disk_and_keep_writers_out() {
    let site = Site::new();
    let first = LockedDisk::open_read_only(&site.disk()).unwrap();
    let second = LockedDisk::open_read_only(&site.disk()).unwrap();
    drop(first);
    refused(LockedDisk::open(&site.disk()));
    drop(second);
    LockedDisk::open(&site.disk()).unwrap();
}

#[test]
fn what_is_left_to_qemu_is_refused_to_everybody_else() {
    let site = Site::new();
    let disk = LockedDisk::open(&site.disk()).unwrap().leave_to_qemu().unwrap();
    refused(LockedDisk::open(&site.disk()));
    // QEMU locks through an opening of its own.
    let qemu = File::open(site.disk()).unwrap();
    let its_own = [(DONE, READING), (DONE, WRITING), (NOT_SHARED, WRITING)].map(|(base, n)| Bytes::one(base, n));
    its_own.into_iter().for_each(|bytes| lock(&qemu, bytes, libc::F_RDLCK).unwrap());
    drop(disk);
    refused(LockedDisk::open(&site.disk()));
    refused(LockedDisk::open_read_only(&site.disk()));
}

#[test]
fn a_reader_without_the_lock_is_told_of_a_writer() {
    let site = Site::new();
    let reader = File::open(site.disk()).unwrap();
    assert_eq!(writer(&reader).unwrap(), None);
    let held = LockedDisk::open_read_only(&site.disk()).unwrap();
    assert_eq!(writer(&reader).unwrap(), None, "whoever reads writes nothing");
    drop(held);
    let held = LockedDisk::open(&site.disk()).unwrap();
    assert!(writer(&reader).unwrap().unwrap().ends_with(&format!("process {}", std::process::id())));
    let _left = held.leave_to_qemu().unwrap();
    assert!(writer(&reader).unwrap().is_some());
}

#[test]
fn what_is_no_disk_is_refused() {
    let site = Site::new();
    let missing = LockedDisk::open(&site.path("missing")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let device = LockedDisk::open(Path::new("/dev/null")).unwrap_err();
    assert_eq!(device.to_string(), "it is neither a file nor a block device");
    // Opened for reading it would wait for somebody who writes.
    let fifo = site.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let refused = LockedDisk::open_read_only(&fifo).unwrap_err();
    assert_eq!(refused.to_string(), "it is neither a file nor a block device");
}

#[test]
fn a_socket_is_left_behind_once_its_listener_has_gone_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console");
    assert!(!is_left_behind(&path), "there is none");
    let listener = UnixListener::bind(&path).unwrap();
    assert!(!is_left_behind(&path), "it is somebody's");
    // As a process that was killed: it still takes the connection, and then goes.
    let going = std::thread::spawn(move || {
        let peers = [listener.accept().unwrap(), listener.accept().unwrap()];
        drop(listener);
        drop(peers);
    });
    assert!(is_left_behind(&path), "it has gone");
    going.join().unwrap();
    std::fs::write(dir.path().join("file"), b"").unwrap();
    assert!(!is_left_behind(&dir.path().join("file")), "it is no socket");
}
