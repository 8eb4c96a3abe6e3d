//! A block device that counts the flushes it is asked for.

use std::cell::Cell;
use std::rc::Rc;

use totebox_domain::device::{BlockDevice, IoError, Operation};

/// The device behind it, and how often it was to be flushed.
pub struct Counting<D> {
    device: D,
    flushes: Rc<Cell<u64>>,
}

impl<D> Counting<D> {
    /// The device, and the count while it is somebody else's.
    pub fn new(device: D) -> (Counting<D>, Rc<Cell<u64>>) {
        let flushes = Rc::default();
        (Counting { device, flushes: Rc::clone(&flushes) }, flushes)
    }
}

impl<D: BlockDevice> BlockDevice for Counting<D> {
    fn capacity(&self) -> u64 {
        self.device.capacity()
    }

    fn read_only(&self) -> bool {
        self.device.read_only()
    }

    fn can_flush(&self) -> bool {
        self.device.can_flush()
    }

    fn buffers(&self) -> usize {
        self.device.buffers()
    }

    fn buffer(&mut self, index: usize) -> &mut [u8] {
        self.device.buffer(index)
    }

    fn submit(&mut self, index: usize, operation: Operation) -> Result<(), IoError> {
        self.flushes.update(|flushes| flushes + u64::from(operation == Operation::Flush));
        self.device.submit(index, operation)
    }

    fn completed(&mut self) -> Option<(usize, Result<(), IoError>)> {
        self.device.completed()
    }

    fn acknowledge(&mut self) {
        self.device.acknowledge();
    }
}
