//! What is stored: records of 4 KiB, no two alike.

/// Bytes of a record.
pub const RECORD: usize = 4096;

/// Makes records one after another, in one place.
#[derive(Clone)]
pub struct Records(Box<[u8; RECORD]>);

impl Records {
    /// A maker of records.
    pub fn new() -> Records {
        let mut bytes = Box::new([0; RECORD]);
        blake3::Hasher::new().finalize_xof().fill(&mut *bytes);
        Records(bytes)
    }

    /// The record with this number.
    pub fn get(&mut self, number: u64) -> &[u8; RECORD] {
        self.0[..8].copy_from_slice(&number.to_le_bytes());
        &self.0
    }
}
