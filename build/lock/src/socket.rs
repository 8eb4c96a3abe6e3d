//! Whether a socket in the file system is somebody's, or was left behind by a process that was killed.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

use super::{PAUSE, TIMEOUT};

/// Whether `path` is a socket at which nobody listens any more. The processes of an appliance that was killed close
/// their socket each in its own time, so somebody who hangs up is asked again for half a second: only who is still
/// there then, or keeps the connection, goes on listening.
pub fn is_left_behind(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket()) && !goes_on_listening(path)
}

fn goes_on_listening(path: &Path) -> bool {
    let deadline = Instant::now() + TIMEOUT;
    while let Ok(mut peer) = UnixStream::connect(path) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || peer.set_read_timeout(Some(left)).is_err() {
            return true;
        }
        match peer.read(&mut [0]) {
            Ok(0) => sleep(PAUSE),
            Ok(_) => return true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return true,
            Err(_) => sleep(PAUSE),
        }
    }
    false
}
