//! A bounded table of flags: the orchestrator's, and what the auditor reads back from the audit record.

use alloc::vec::Vec;

use super::{Acknowledged, FLAGS_MAX, Flag};

/// The table. When it is full the least of all flags has to go: acknowledged ones first, then the least
/// serious, then the newest.
#[derive(Debug)]
pub struct Flags {
    rows: Vec<Flag>,
    /// The number of the audit volume: what is wrong with it is the most serious.
    audit_volume: u8,
    hidden: u32,
    last_id: u32,
}

/// Where it stands among the others: the first comes first.
fn rank(row: &Flag, audit_volume: u8) -> (bool, bool, u8, u32) {
    (!row.is_open(), row.volume != Some(audit_volume), u8::MAX - row.about.kind().severity(), row.id)
}

impl Flags {
    pub fn new(audit_volume: u8) -> Flags {
        Flags { rows: Vec::with_capacity(FLAGS_MAX), audit_volume, hidden: 0, last_id: 0 }
    }

    /// The flags, the most serious unacknowledged one first.
    pub fn rows(&self) -> &[Flag] {
        &self.rows
    }

    /// Unacknowledged flags there is no room for.
    pub fn hidden(&self) -> u32 {
        self.hidden
    }

    /// Counts a flag for which there was no room elsewhere.
    pub fn hide(&mut self) {
        self.hidden = self.hidden.saturating_add(1);
    }

    pub fn last_id(&self) -> u32 {
        self.last_id
    }

    /// Takes over the ids given and the flags hidden before this start.
    pub fn go_on_from(&mut self, last_id: u32, hidden: u32) {
        self.last_id = self.last_id.max(last_id);
        self.hidden = self.hidden.max(hidden);
    }

    /// The id for a new flag.
    pub fn take_id(&mut self) -> u32 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// Unacknowledged flags in the table that `counts` picks.
    pub fn open(&self, counts: impl Fn(&Flag) -> bool) -> u32 {
        self.rows.iter().filter(|row| row.is_open() && counts(row)).count() as u32
    }

    pub fn get(&self, id: u32) -> Option<&Flag> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// The flag about the same thing, if there is one.
    pub fn about(&self, as_this: &Flag) -> Option<&Flag> {
        self.rows.iter().find(|row| row.is_same_thing(as_this))
    }

    /// Whether there is no news in a flag: the same is there, and not acknowledged, or it tells of a
    /// condition that was acknowledged and still is. What *happens* again is news.
    pub fn covers(&self, row: &Flag) -> bool {
        self.rows.iter().any(|known| known.is_same_thing(row) && (row.about.is_condition() || known.is_open()))
    }

    /// Adds a flag, or replaces the one with its id.
    pub fn insert(&mut self, row: Flag) {
        self.last_id = self.last_id.max(row.id);
        self.rows.retain(|other| other.id != row.id);
        if self.rows.len() < FLAGS_MAX {
            self.rows.push(row);
        } else {
            // The operator waits for the end of an acknowledgement.
            let least = self.rows.iter_mut().rfind(|row| row.acknowledged != Acknowledged::Recording);
            let dropped = match least {
                Some(least) if rank(&row, self.audit_volume) < rank(least, self.audit_volume) => {
                    core::mem::replace(least, row)
                }
                _ => row,
            };
            if dropped.is_open() {
                self.hide();
            }
        }
        self.sort();
    }

    fn sort(&mut self) {
        let audit_volume = self.audit_volume;
        self.rows.sort_unstable_by_key(|row| rank(row, audit_volume));
    }

    /// Changes the flag with this id; false if there is none.
    pub fn change(&mut self, id: u32, change: impl FnOnce(&mut Flag)) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| row.id == id) else { return false };
        change(row);
        self.sort();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flag::{About, Arguments, FlagKind, Place};
    use crate::vault::VolumeState;
    use ledger_fmt::layout::Area;
    use ledger_fmt::verify::FindingKind::{Asset, Hint, Rollback};

    /// The audit volume's number.
    const AUDIT: u8 = 3;

    fn flag(id: u32, kind: FlagKind) -> Flag {
        let place = Place { area: Area::Input, block: id.into(), record: None };
        // A fault is of a kind.
        let arguments = Arguments { what: u8::from(kind == FlagKind::Fault), ..Arguments::default() };
        Flag { id, ..Flag::new(Some(0), About::of(kind, arguments, place).unwrap()) }
    }

    fn ids(flags: &Flags) -> Vec<u32> {
        flags.rows().iter().map(|row| row.id).collect()
    }

    #[test]
    fn the_most_serious_unacknowledged_one_comes_first() {
        let mut flags = Flags::new(AUDIT);
        for (id, kind) in [
            (1, FlagKind::Finding(Hint)),
            (2, FlagKind::Finding(Asset)),
            (3, FlagKind::AuditVolume),
            (4, FlagKind::Finding(Asset)),
        ] {
            flags.insert(flag(id, kind));
        }
        assert_eq!(ids(&flags), [3, 2, 4, 1]);
        assert!(flags.change(3, |row| row.acknowledged = Acknowledged::Yes));
        assert_eq!(ids(&flags), [2, 4, 1, 3]);
        assert_eq!((flags.open(|_| true), flags.take_id()), (3, 5));
        flags.insert(Flag { volume: Some(AUDIT), ..flag(6, FlagKind::Finding(Hint)) });
        assert_eq!(ids(&flags), [6, 2, 4, 1, 3], "what is wrong with the audit volume comes first");
        assert!(!flags.change(9, |_| panic!("there is none")));
    }

    #[test]
    fn a_full_table_keeps_what_matters_and_counts_the_rest() {
        let mut flags = Flags::new(AUDIT);
        for id in 1..=FLAGS_MAX as u32 {
            flags.insert(flag(id, FlagKind::Finding(Hint)));
        }
        flags.insert(flag(100, FlagKind::Finding(Hint)));
        assert_eq!((flags.get(100), flags.hidden()), (None, 1), "the newest of the least serious");
        flags.insert(flag(101, FlagKind::Finding(Rollback)));
        assert_eq!((ids(&flags)[0], flags.hidden()), (101, 2));
        flags.change(1, |row| row.acknowledged = Acknowledged::Yes);
        flags.insert(flag(102, FlagKind::Finding(Hint)));
        assert_eq!((flags.get(1), flags.hidden()), (None, 2), "an acknowledged one goes first, and is no loss");
        assert_eq!((flags.rows().len(), flags.take_id()), (FLAGS_MAX, 103));
    }

    #[test]
    fn a_flag_whose_acknowledgement_is_being_recorded_stays() {
        let mut flags = Flags::new(AUDIT);
        for id in 1..=FLAGS_MAX as u32 {
            flags.insert(flag(id, FlagKind::Finding(Hint)));
        }
        flags.change(FLAGS_MAX as u32, |row| row.acknowledged = Acknowledged::Recording);
        flags.insert(flag(100, FlagKind::Finding(Rollback)));
        assert!(flags.get(FLAGS_MAX as u32).is_some());
        assert_eq!(flags.get(FLAGS_MAX as u32 - 1), None, "the next one goes");
        for id in 1..=100 {
            flags.change(id, |row| row.acknowledged = Acknowledged::Recording);
        }
        flags.insert(flag(101, FlagKind::AuditVolume));
        assert_eq!((flags.get(101), flags.rows().len(), flags.hidden()), (None, FLAGS_MAX, 2));
    }

    #[test]
    fn the_same_thing_at_the_same_place_is_the_same_flag() {
        let mut flags = Flags::new(AUDIT);
        let first = flag(1, FlagKind::Finding(Asset));
        flags.insert(first);
        assert!(flags.covers(&Flag { id: 2, ..first }));
        assert!(!flags.covers(&flag(2, FlagKind::Finding(Asset))), "another block");
        assert!(!flags.covers(&Flag { volume: Some(2), ..first }));
        flags.insert(Flag { raised_ms: 9, ..first });
        assert_eq!(flags.rows().len(), 1, "one with a known id replaces it");
        let refused = |id, count| Flag { id, ..Flag::new(Some(0), About::Refused(count)) };
        flags.insert(refused(3, 1));
        assert!(flags.covers(&refused(4, 5)), "how many they are makes no other flag");
    }

    #[test]
    fn what_happens_again_is_news_once_the_first_time_was_acknowledged() {
        let mut flags = Flags::new(AUDIT);
        for (id, kind, again) in [(1, FlagKind::Finding(Asset), false), (2, FlagKind::Fault, true)] {
            let row = flag(id, kind);
            flags.insert(row);
            assert!(flags.covers(&row), "{kind:?}");
            flags.change(id, |row| row.acknowledged = Acknowledged::Yes);
            assert_eq!(flags.covers(&row), !again, "{kind:?}");
        }
        let missing = |state| Flag { id: 3, ..Flag::new(Some(0), About::MissingVolume(state)) };
        flags.insert(missing(VolumeState::NoDisk));
        assert!(!flags.covers(&missing(VolumeState::DiskTooSmall)), "missing for another reason");
    }
}
