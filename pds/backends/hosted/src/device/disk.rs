//! A block device over a disk image (or a real block device): a small pool of threads does the I/O.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use ledger_fmt::layout::{BLOCK_SIZE as BLOCK, Block};
use rustix::event::{EventfdFlags, eventfd};
use totebox_domain::device::{BlockDevice, IoError, Operation, TRANSFER_SIZE};
use zerocopy::{FromZeros, IntoBytes};

/// Operations in flight at most: two for each thread, so that none waits for the domain.
const BUFFERS: usize = 2 * THREADS;

/// Threads that do I/O: enough to let a flush and its neighbours' reads and writes go on together.
const THREADS: usize = 8;

#[derive(Debug)]
pub struct FileDisk {
    shared: Arc<Shared>,
    blocks: u64,
    read_only: bool,
    /// `None` while in flight.
    buffers: Vec<Option<Buffer>>,
}

type Buffer = Box<[Block]>;

/// What the domain and the I/O threads share.
#[derive(Debug)]
struct Shared {
    queues: Mutex<Queues>,
    submitted: Condvar,
    /// Readable while something has completed: the interrupt.
    completed: OwnedFd,
}

#[derive(Debug)]
struct Image {
    file: File,
    /// It had a name when it was opened.
    named: bool,
}

#[derive(Debug, Default)]
struct Queues {
    submitted: VecDeque<Transfer>,
    completed: VecDeque<(Transfer, Result<()>)>,
}

#[derive(Debug)]
struct Transfer {
    index: usize,
    operation: Operation,
    buffer: Buffer,
}

impl FileDisk {
    /// The disk in `file`; without one, a disk without blocks.
    pub fn new(file: Option<File>, read_only: bool) -> Result<FileDisk> {
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            submitted: Condvar::new(),
            completed: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let mut blocks = 0;
        if let Some(mut file) = file {
            blocks = file.seek(SeekFrom::End(0))? / BLOCK as u64;
            let image = Arc::new(Image { named: has_name(&file)?, file });
            for _ in 0..THREADS {
                let (shared, image) = (shared.clone(), image.clone());
                std::thread::Builder::new().name("disk".into()).spawn(move || shared.serve(&image))?;
            }
        }
        let buffer = || vec![Block::new_zeroed(); TRANSFER_SIZE / BLOCK].into();
        let buffers = (0..BUFFERS).map(|_| Some(buffer())).collect();
        Ok(FileDisk { shared, blocks, read_only, buffers })
    }

    pub fn interrupt(&self) -> BorrowedFd<'_> {
        self.shared.completed.as_fd()
    }

    fn accepts(&self, operation: Operation) -> bool {
        let fits = |block: u64, blocks: usize| {
            blocks <= TRANSFER_SIZE / BLOCK
                && block.checked_add(blocks as u64).is_some_and(|end| end <= self.blocks)
        };
        match operation {
            Operation::Read { block, blocks } => fits(block, blocks),
            Operation::Write { block, blocks } => !self.read_only && fits(block, blocks),
            Operation::Flush => self.blocks > 0,
        }
    }
}

impl BlockDevice for FileDisk {
    fn capacity(&self) -> u64 {
        self.blocks
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn can_flush(&self) -> bool {
        true
    }

    fn buffers(&self) -> usize {
        BUFFERS
    }

    fn buffer(&mut self, index: usize) -> &mut [u8] {
        self.buffers[index].as_mut().expect("buffer in flight").as_mut_bytes()
    }

    fn submit(&mut self, index: usize, operation: Operation) -> core::result::Result<(), IoError> {
        if !self.accepts(operation) {
            return Err(IoError);
        }
        let buffer = self.buffers[index].take().expect("buffer in flight");
        self.shared.queues().submitted.push_back(Transfer { index, operation, buffer });
        self.shared.submitted.notify_one();
        Ok(())
    }

    fn completed(&mut self) -> Option<(usize, core::result::Result<(), IoError>)> {
        let (transfer, result) = self.shared.queues().completed.pop_front()?;
        if let Err(error) = &result {
            eprintln!("disk: {:?}: {error}", transfer.operation);
        }
        self.buffers[transfer.index] = Some(transfer.buffer);
        Some((transfer.index, result.map_err(|_| IoError)))
    }

    fn acknowledge(&mut self) {
        // Fails only if there is nothing to clear.
        let _ = rustix::io::read(&self.shared.completed, &mut [0; 8]);
    }
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().expect("no thread panics with the queues locked")
    }

    /// One thread's work: transfers as they come, for ever.
    fn serve(&self, image: &Image) {
        let mut queues = self.queues();
        loop {
            let Some(mut transfer) = queues.submitted.pop_front() else {
                queues = self.submitted.wait(queues).expect("no thread panics with the queues locked");
                continue;
            };
            drop(queues);
            let result = perform(image, &mut transfer);
            queues = self.queues();
            queues.completed.push_back((transfer, result));
            // Fails only if the counter is full, and then it is readable already.
            let _ = rustix::io::write(&self.completed, &1u64.to_ne_bytes());
        }
    }
}

fn has_name(file: &File) -> Result<bool> {
    Ok(file.metadata()?.nlink() > 0)
}

impl Image {
    /// Makes what was written durable. An image that was removed, or in whose place another was put, is gone with this
    /// process, however well it is written.
    fn flush(&self) -> Result<()> {
        self.file.sync_data()?;
        if self.named && !has_name(&self.file)? {
            return Err(Error::other("the disk image was removed or replaced while in use"));
        }
        Ok(())
    }
}

fn perform(image: &Image, transfer: &mut Transfer) -> Result<()> {
    let file = &image.file;
    match transfer.operation {
        Operation::Read { block, blocks } => {
            file.read_exact_at(transfer.buffer[..blocks].as_mut_bytes(), block * BLOCK as u64)
        }
        Operation::Write { block, blocks } => {
            file.write_all_at(transfer.buffer[..blocks].as_bytes(), block * BLOCK as u64)
        }
        Operation::Flush => image.flush(),
    }
    .map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Error::new(error.kind(), "the disk image became shorter while in use"),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn image(bytes: usize) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(bytes as u64).unwrap();
        file
    }

    /// Waits for the interrupt and returns the one completion.
    fn completion(disk: &mut FileDisk) -> (usize, core::result::Result<(), IoError>) {
        let timeout = Timespec { tv_sec: 60, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&disk.interrupt(), PollFlags::IN)], Some(&timeout)).unwrap();
        assert_eq!(ready, 1, "no interrupt");
        disk.acknowledge();
        disk.completed().expect("an interrupt without a completion")
    }

    #[test]
    fn what_was_written_is_read_back_and_stands_in_the_image() {
        let file = image(4 * BLOCK);
        let mut disk = FileDisk::new(Some(file.try_clone().unwrap()), false).unwrap();
        assert_eq!((disk.capacity(), disk.read_only()), (4, false));
        disk.buffer(3)[..2 * BLOCK].fill(7);
        disk.submit(3, Operation::Write { block: 2, blocks: 2 }).unwrap();
        assert_eq!(completion(&mut disk), (3, Ok(())));
        disk.submit(3, Operation::Flush).unwrap();
        assert_eq!(completion(&mut disk), (3, Ok(())));
        disk.submit(0, Operation::Read { block: 1, blocks: 2 }).unwrap();
        assert_eq!(completion(&mut disk), (0, Ok(())));
        assert!(disk.buffer(0)[..BLOCK].iter().all(|&byte| byte == 0));
        assert!(disk.buffer(0)[BLOCK..2 * BLOCK].iter().all(|&byte| byte == 7));
        let mut stored = [0; 2 * BLOCK];
        file.read_exact_at(&mut stored, 2 * BLOCK as u64).unwrap();
        assert!(stored.iter().all(|&byte| byte == 7));
    }

    #[test]
    fn operations_outside_the_disk_are_refused() {
        // The partial block at the end does not count.
        let mut disk = FileDisk::new(Some(image(2 * BLOCK + 5)), false).unwrap();
        assert_eq!(disk.capacity(), 2);
        for operation in [
            Operation::Read { block: 2, blocks: 1 },
            Operation::Write { block: 1, blocks: 2 },
            Operation::Read { block: u64::MAX, blocks: 1 },
            Operation::Read { block: 0, blocks: TRANSFER_SIZE / BLOCK + 1 },
        ] {
            assert_eq!(disk.submit(0, operation), Err(IoError), "{operation:?}");
        }
        disk.buffer(0)[0] = 1; // a refused operation leaves its buffer with the domain
    }

    #[test]
    fn an_image_cut_short_while_in_use_is_an_error_of_the_device() {
        let file = image(2 * BLOCK);
        let mut disk = FileDisk::new(Some(file.try_clone().unwrap()), false).unwrap();
        file.set_len(BLOCK as u64).unwrap();
        disk.submit(0, Operation::Read { block: 1, blocks: 1 }).unwrap();
        assert_eq!(completion(&mut disk), (0, Err(IoError)));
    }

    #[test]
    fn what_is_written_to_an_image_that_was_removed_is_not_durable() {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(BLOCK as u64).unwrap();
        let mut disk = FileDisk::new(Some(image.reopen().unwrap()), false).unwrap();
        let mut flush = || {
            disk.submit(0, Operation::Flush).unwrap();
            completion(&mut disk)
        };
        assert_eq!(flush(), (0, Ok(())));
        // Renamed it can still be found.
        let (_file, path) = image.keep().unwrap();
        let moved = path.with_extension("moved");
        std::fs::rename(&path, &moved).unwrap();
        assert_eq!(flush(), (0, Ok(())));
        std::fs::remove_file(&moved).unwrap();
        assert_eq!(flush(), (0, Err(IoError)));
    }

    #[test]
    fn a_read_only_disk_refuses_writes_and_no_disk_refuses_everything() {
        let mut disk = FileDisk::new(Some(image(BLOCK)), true).unwrap();
        assert!(disk.read_only());
        assert_eq!(disk.submit(0, Operation::Write { block: 0, blocks: 1 }), Err(IoError));
        disk.submit(0, Operation::Read { block: 0, blocks: 1 }).unwrap();
        assert_eq!(completion(&mut disk), (0, Ok(())));

        let mut absent = FileDisk::new(None, false).unwrap();
        assert_eq!(absent.capacity(), 0);
        assert_eq!(absent.submit(0, Operation::Read { block: 0, blocks: 1 }), Err(IoError));
        assert_eq!(absent.submit(0, Operation::Flush), Err(IoError));
    }
}
