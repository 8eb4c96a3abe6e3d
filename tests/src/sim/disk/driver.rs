//! The handles on a disk: the vault's driver, and the test's.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

use ledger_fmt::layout::BLOCK_SIZE;
use totebox_domain::device::{BlockDevice, IoError, Operation, TRANSFER_SIZE};

use super::{InFlight, Medium};

/// A driver's handle on a [`Medium`].
#[derive(Clone)]
pub struct SimDisk {
    medium: Rc<RefCell<Medium>>,
    buffers: Vec<Vec<u8>>,
}

/// The test's handle on a [`Medium`].
#[derive(Clone)]
pub struct DiskHandle(Rc<RefCell<Medium>>);

impl DiskHandle {
    /// A handle on a disk with this content.
    pub fn new(content: Vec<u8>) -> DiskHandle {
        DiskHandle(Rc::new(RefCell::new(Medium::new(content))))
    }

    /// Another machine with a copy of what no power cut can take from this one, and the same time of day.
    pub fn copy(&self) -> DiskHandle {
        let mut medium = Medium::new(self.borrow().stable.clone());
        medium.older = self.borrow().older.clone();
        medium.left_at(self.borrow().wall_ms);
        DiskHandle(Rc::new(RefCell::new(medium)))
    }

    /// The disk, to look at.
    pub fn borrow(&self) -> Ref<'_, Medium> {
        self.0.borrow()
    }

    /// The disk, to meddle with.
    pub fn borrow_mut(&self) -> RefMut<'_, Medium> {
        self.0.borrow_mut()
    }

    /// A driver for it.
    pub fn driver(&self) -> SimDisk {
        let buffers = vec![vec![0; TRANSFER_SIZE]; self.borrow().abilities.buffers];
        SimDisk { medium: self.0.clone(), buffers }
    }
}

impl BlockDevice for SimDisk {
    fn capacity(&self) -> u64 {
        let medium = self.medium.borrow();
        medium.abilities.blocks.unwrap_or((medium.stable.len() / BLOCK_SIZE) as u64)
    }

    fn read_only(&self) -> bool {
        self.medium.borrow().abilities.read_only
    }

    fn can_flush(&self) -> bool {
        self.medium.borrow().abilities.flush
    }

    fn buffers(&self) -> usize {
        self.buffers.len()
    }

    fn buffer(&mut self, index: usize) -> &mut [u8] {
        let in_flight = self.medium.borrow().in_flight.iter().any(|operation| operation.buffer == index);
        assert!(!in_flight, "a buffer in flight is the device's");
        &mut self.buffers[index]
    }

    fn submit(&mut self, index: usize, operation: Operation) -> Result<(), IoError> {
        let (capacity, read_only, can_flush) = (self.capacity(), self.read_only(), self.can_flush());
        let mut medium = self.medium.borrow_mut();
        assert!(medium.in_flight.iter().all(|other| other.buffer != index), "a buffer is in flight once");
        let mut bytes = Vec::new();
        if let Operation::Read { block, blocks } | Operation::Write { block, blocks } = operation {
            assert!(blocks > 0 && blocks * BLOCK_SIZE <= TRANSFER_SIZE, "a transfer fits its buffer");
            assert!(block + blocks as u64 <= capacity, "a transfer lies on the disk");
            if let Operation::Write { .. } = operation {
                assert!(!read_only, "nothing is written to a disk that refuses writes");
                bytes = self.buffers[index][..blocks * BLOCK_SIZE].to_vec();
                if let Some(alter) = &mut medium.alter {
                    alter(block, &mut bytes);
                }
            }
        } else {
            assert!(can_flush, "a disk that cannot flush is not asked to");
        }
        if medium.is_without_power() {
            return Ok(());
        }
        if let Operation::Write { block, .. } = operation {
            medium.judge(block, &bytes);
        }
        medium.events += 1;
        let covers = medium.completions;
        medium.in_flight.push(InFlight { buffer: index, operation, bytes, covers });
        Ok(())
    }

    fn completed(&mut self) -> Option<(usize, Result<(), IoError>)> {
        let done = self.medium.borrow_mut().done.pop_front()?;
        self.buffers[done.buffer][..done.bytes.len()].copy_from_slice(&done.bytes);
        Some((done.buffer, done.result))
    }

    fn acknowledge(&mut self) {
        self.medium.borrow_mut().interrupt = false;
    }
}
