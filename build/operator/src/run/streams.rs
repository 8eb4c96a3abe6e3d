//! Reading and writing what a pipe, a socket or a terminal takes or has now, without waiting.

use std::os::fd::AsFd;

use rustix::io::Errno;

/// Bytes read at a time: what a pipe or terminal that is ready takes without waiting.
const PIECE: usize = 4096;

/// Writes what the other side takes now; an error if it takes nothing any more.
pub fn write(to: impl AsFd, bytes: &mut Vec<u8>) -> rustix::io::Result<()> {
    match rustix::io::write(to, bytes) {
        Ok(count) => {
            bytes.drain(..count);
            Ok(())
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads what is there: empty at the end, `None` if there is nothing for now.
pub fn read_some(from: impl AsFd) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut piece = vec![0; PIECE];
    match rustix::io::read(from, &mut piece) {
        Ok(count) => {
            piece.truncate(count);
            Ok(Some(piece))
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error),
    }
}
