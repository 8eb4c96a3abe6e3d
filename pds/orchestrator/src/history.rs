//! Records of the audit record on their way to the operator.

use alloc::vec::Vec;

use totebox_protocol::audit::EventRow;
use totebox_protocol::page::HISTORY_MAX;
use totebox_shm::PeerError;

/// What the operator asked for, and what was read last.
pub struct History {
    under_way: Option<u32>,
    coming: Vec<EventRow>,
    /// The last command that ended: its tag, the records in the audit record then, and the rows.
    tag: u32,
    end: u64,
    rows: Vec<EventRow>,
}

impl History {
    pub fn new() -> History {
        let (coming, rows) = (Vec::with_capacity(HISTORY_MAX), Vec::with_capacity(HISTORY_MAX));
        History { under_way: None, coming, tag: 0, end: 0, rows }
    }

    pub fn under_way(&self) -> Option<u32> {
        self.under_way
    }

    pub fn begin(&mut self, tag: u32) {
        self.coming.clear();
        self.under_way = Some(tag);
    }

    pub fn event(&mut self, tag: u32, event: EventRow) -> Result<(), PeerError> {
        if self.under_way != Some(tag) || self.coming.len() == HISTORY_MAX {
            return Err(PeerError);
        }
        self.coming.push(event);
        Ok(())
    }

    pub fn complete(&mut self, tag: u32, records: u64) -> Result<(), PeerError> {
        if self.under_way != Some(tag) {
            return Err(PeerError);
        }
        self.end(records);
        Ok(())
    }

    /// No more will come.
    pub fn lose(&mut self) {
        self.end(0);
    }

    fn end(&mut self, records: u64) {
        if let Some(tag) = self.under_way.take() {
            (self.tag, self.end) = (tag, records);
            core::mem::swap(&mut self.rows, &mut self.coming);
        }
    }

    /// The last command that ended, and what came of it: records in the audit record then, and the rows.
    pub fn last(&self) -> (u32, u64, &[EventRow]) {
        (self.tag, self.end, &self.rows)
    }
}
