//! A bounded table of flags: the orchestrator's, and what the auditor reads back from the audit record.

use alloc::vec::Vec;

use crate::proto::flag::{Acknowledged, FLAGS_MAX, FlagKind, FlagRow};

/// The table. When it is full the least of all flags has to go: acknowledged ones first, then the least
/// serious, then the newest.
#[derive(Debug)]
pub struct Flags {
    rows: Vec<FlagRow>,
    hidden: u32,
    /// The highest id seen.
    last_id: u32,
}

/// What makes two flags the same one, raised twice.
fn identity(row: &FlagRow) -> (u8, u8, u8, u8, u64, u64) {
    (row.kind, row.volume, row.area, row.what, row.block.get(), row.record.get())
}

/// Whether the operator has not acknowledged it.
pub fn is_open(row: &FlagRow) -> bool {
    row.acknowledged != Acknowledged::Yes as u8
}

/// Where it stands among the others: the first comes first.
fn rank(row: &FlagRow) -> (bool, u8, u32) {
    let severity = FlagKind::from_wire(row.kind).map_or(0, FlagKind::severity);
    (!is_open(row), u8::MAX - severity, row.id.get())
}

impl Flags {
    /// An empty table.
    pub fn new() -> Flags {
        Flags { rows: Vec::with_capacity(FLAGS_MAX), hidden: 0, last_id: 0 }
    }

    /// The flags, the most serious unacknowledged one first.
    pub fn rows(&self) -> &[FlagRow] {
        &self.rows
    }

    /// Unacknowledged flags there is no room for.
    pub fn hidden(&self) -> u32 {
        self.hidden
    }

    /// The id the next flag gets.
    pub fn next_id(&self) -> u32 {
        self.last_id.saturating_add(1)
    }

    /// Unacknowledged flags in the table that `counts` picks.
    pub fn open(&self, counts: impl Fn(&FlagRow) -> bool) -> u32 {
        self.rows.iter().filter(|row| is_open(row) && counts(row)).count() as u32
    }

    /// The flag with this id.
    pub fn get(&self, id: u32) -> Option<&FlagRow> {
        self.rows.iter().find(|row| row.id.get() == id)
    }

    /// A flag that says the same: it is not raised again.
    pub fn same(&self, as_this: &FlagRow) -> Option<&FlagRow> {
        self.rows.iter().find(|row| identity(row) == identity(as_this))
    }

    /// Adds a flag, or replaces the one with its id.
    pub fn insert(&mut self, row: FlagRow) {
        self.last_id = self.last_id.max(row.id.get());
        self.rows.retain(|other| other.id != row.id);
        if self.rows.len() < FLAGS_MAX {
            self.rows.push(row);
        } else {
            let least = self.rows.last_mut().expect("a full table has a last row");
            let dropped = if rank(&row) < rank(least) { core::mem::replace(least, row) } else { row };
            self.hidden += u32::from(is_open(&dropped));
        }
        self.rows.sort_unstable_by_key(rank);
    }

    /// Changes the flag with this id; false if there is none.
    pub fn change(&mut self, id: u32, change: impl FnOnce(&mut FlagRow)) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| row.id.get() == id) else { return false };
        change(row);
        self.rows.sort_unstable_by_key(rank);
        true
    }
}

impl Default for Flags {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    fn flag(id: u32, kind: FlagKind) -> FlagRow {
        let mut row = FlagRow::new_zeroed();
        (row.id, row.kind, row.block) = (id.into(), kind as u8, u64::from(id).into());
        row
    }

    fn ids(flags: &Flags) -> Vec<u32> {
        flags.rows().iter().map(|row| row.id.get()).collect()
    }

    #[test]
    fn the_most_serious_unacknowledged_one_comes_first() {
        let mut flags = Flags::new();
        for (id, kind) in
            [(1, FlagKind::Hint), (2, FlagKind::Asset), (3, FlagKind::AuditVolume), (4, FlagKind::Asset)]
        {
            flags.insert(flag(id, kind));
        }
        assert_eq!(ids(&flags), [3, 2, 4, 1]);
        assert!(flags.change(3, |row| row.acknowledged = Acknowledged::Yes as u8));
        assert_eq!(ids(&flags), [2, 4, 1, 3]);
        assert_eq!((flags.open(|_| true), flags.next_id()), (3, 5));
        assert!(!flags.change(9, |_| panic!("there is none")));
    }

    #[test]
    fn a_full_table_keeps_what_matters_and_counts_the_rest() {
        let mut flags = Flags::new();
        for id in 1..=FLAGS_MAX as u32 {
            flags.insert(flag(id, FlagKind::Hint));
        }
        flags.insert(flag(100, FlagKind::Hint));
        assert_eq!((flags.get(100), flags.hidden()), (None, 1), "the newest of the least serious");
        flags.insert(flag(101, FlagKind::Rollback));
        assert_eq!((ids(&flags)[0], flags.hidden()), (101, 2));
        flags.change(1, |row| row.acknowledged = Acknowledged::Yes as u8);
        flags.insert(flag(102, FlagKind::Hint));
        assert_eq!((flags.get(1), flags.hidden()), (None, 2), "an acknowledged one goes first, and is no loss");
        assert_eq!((flags.rows().len(), flags.next_id()), (FLAGS_MAX, 103));
    }

    #[test]
    fn the_same_thing_at_the_same_place_is_the_same_flag() {
        let mut flags = Flags::new();
        let first = flag(1, FlagKind::Asset);
        flags.insert(first);
        assert_eq!(
            flags.same(&FlagRow { id: 2.into(), detail: 5.into(), ..first }).map(|row| row.id.get()),
            Some(1)
        );
        assert_eq!(flags.same(&FlagRow { block: 2.into(), ..first }), None);
        assert_eq!(flags.same(&FlagRow { volume: 2, ..first }), None);
        flags.insert(FlagRow { raised_ms: 9.into(), ..first });
        assert_eq!(flags.rows().len(), 1, "one with a known id replaces it");
    }
}
