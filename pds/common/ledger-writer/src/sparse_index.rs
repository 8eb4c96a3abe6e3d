//! Index entries: a constant number of (sequence, ledger block) pairs, from which any record is found by a
//! short walk over batches. The longer the ledger, the farther apart they stand.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Index entries at most. With 16 bytes each they and the rest of a snapshot fit one request to the vault;
/// a ledger of 1 GiB is then walked for at most 2 MiB.
pub const MARKS_MAX: usize = 1024;

/// Ledger blocks between marks at first: what one read takes in.
const STRIDE_MIN: u64 = ledger_fmt::batch_header::BATCH_BLOCKS_MAX as u64;

/// Where a batch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct IndexEntry {
    pub sequence: U64,
    /// The block of its batch header, from the start of `ledger/`.
    pub block: U64,
}

/// The index entries of one ledger, in its order.
#[derive(Clone, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SparseIndex {
    /// Blocks between marks at least.
    stride: U64,
    /// Marks in use.
    count: U64,
    sparse_index: [IndexEntry; MARKS_MAX],
}

impl SparseIndex {
    /// Forgets all marks.
    pub fn clear(&mut self) {
        (self.stride, self.count) = (STRIDE_MIN.into(), 0.into());
        self.sparse_index = [IndexEntry::default(); MARKS_MAX];
    }

    /// Whether these can be marks of a ledger with so many blocks and records: for those read from a disk.
    pub fn sound(&self, blocks: u64, records: u64) -> bool {
        let count = self.count.get();
        self.stride.get() >= STRIDE_MIN
            && count <= MARKS_MAX as u64
            && self.in_use().iter().all(|mark| mark.block.get() < blocks && mark.sequence.get() < records)
            && self.in_use().is_sorted_by_key(|mark| (mark.sequence.get(), mark.block.get()))
    }

    fn in_use(&self) -> &[IndexEntry] {
        &self.sparse_index[..(self.count.get() as usize).min(MARKS_MAX)]
    }

    /// Takes note of the batch at `block`, which begins with record `sequence`, if it is far enough from the
    /// last mark. When the table is full, every other mark goes.
    pub fn note(&mut self, sequence: u64, block: u64) {
        let due = self.in_use().last().is_none_or(|last| block - last.block.get() >= self.stride.get());
        if !due {
            return;
        }
        if self.in_use().len() == MARKS_MAX {
            for i in 0..MARKS_MAX / 2 {
                self.sparse_index[i] = self.sparse_index[2 * i];
            }
            self.sparse_index[MARKS_MAX / 2..].fill(IndexEntry::default());
            self.count = (MARKS_MAX as u64 / 2).into();
            self.stride = (self.stride.get() * 2).into();
            return self.note(sequence, block);
        }
        let count = self.in_use().len();
        self.sparse_index[count] = IndexEntry { sequence: sequence.into(), block: block.into() };
        self.count = (count as u64 + 1).into();
    }

    /// The last mark at or before the record `sequence`; the start of the ledger if there is none.
    pub fn before(&self, sequence: u64) -> IndexEntry {
        let sparse_index = self.in_use();
        let behind = sparse_index.partition_point(|mark| mark.sequence.get() <= sequence);
        behind.checked_sub(1).map_or(IndexEntry::default(), |i| sparse_index[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use zerocopy::FromZeros;

    fn sparse_index() -> Box<SparseIndex> {
        let mut sparse_index = Box::new(SparseIndex::new_zeroed());
        sparse_index.clear();
        sparse_index
    }

    #[test]
    fn an_entry_is_never_far_however_long_the_ledger() {
        let mut sparse_index = sparse_index();
        // Three records and two blocks a batch.
        let batches = 100_000;
        for batch in 0..batches {
            sparse_index.note(3 * batch, 2 * batch);
            assert!(sparse_index.in_use().len() <= MARKS_MAX);
        }
        assert!(sparse_index.sound(2 * batches, 3 * batches));
        let blocks_apart = 2 * batches / (MARKS_MAX as u64 / 2);
        for sequence in (0..3 * batches).step_by(97) {
            let mark = sparse_index.before(sequence);
            assert!(mark.sequence.get() <= sequence);
            assert_eq!(mark.sequence.get() * 2, mark.block.get() * 3);
            let batch_block = sequence / 3 * 2;
            assert!(batch_block - mark.block.get() <= blocks_apart + STRIDE_MIN);
        }
    }

    #[test]
    fn without_an_index_the_search_starts_at_the_first_batch() {
        assert_eq!(sparse_index().before(77), IndexEntry::default());
    }

    #[test]
    fn marks_that_cannot_be_are_refused() {
        let mut good = sparse_index();
        good.note(0, 0);
        good.note(10, 8);
        assert!(good.sound(9, 11));
        assert!(!good.sound(8, 11), "a mark behind the ledger's end");
        assert!(!good.sound(9, 10), "a mark of a record that is not there");
        let mut bad = good.clone();
        bad.sparse_index.swap(0, 1);
        assert!(!bad.sound(9, 11), "out of order");
        let mut bad = good.clone();
        bad.count = (MARKS_MAX as u64 + 1).into();
        assert!(!bad.sound(9, 11), "too many");
        let mut bad = good;
        bad.stride = 0.into();
        assert!(!bad.sound(9, 11), "no stride");
    }
}
