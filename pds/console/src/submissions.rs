//! What became of each submission. Kept for a while after its end, so that a peer whose line was
//! disturbed can ask again.

use alloc::vec::Vec;

use ledger_fmt::Hash;
use totebox_protocol::intake::{Refusal, Stored};

use super::errors::Error;

/// Submissions remembered.
pub const KEPT: usize = 64;

/// Submissions that may wait for their receipts at a time.
pub const PENDING_MAX: usize = 32;

/// Bytes of heap they take.
pub const HEAP: usize = KEPT * size_of::<Submission>();

/// A committed document, as its archive acknowledged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub stored: Stored,
    pub record: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    /// All of it was sent; the archive has not answered yet.
    Pending,
    Committed(Receipt),
    /// The archive refused it. Nothing was committed.
    Refused(Refusal),
    /// It was all sent, and then the archive was lost: it may be committed or not.
    Lost(Error),
}

#[derive(Clone, Copy, Debug)]
pub struct Submission {
    pub tag: u32,
    pub link: usize,
    pub fate: Fate,
    /// The peer that sent it is still there; otherwise its end is told as an event.
    pub watched: bool,
}

/// Those whose end somebody who was cut off is still to be told: the terminal, and who is at the line.
pub type Owed = [Option<u32>; 2];

// Whatever comes, something can be forgotten.
const _: () = assert!(PENDING_MAX + size_of::<Owed>() / size_of::<Option<u32>>() < KEPT);

/// The latest submissions, oldest first, and those that are owed to somebody.
pub struct Submissions {
    kept: Vec<Submission>,
    owed: Owed,
}

impl Submissions {
    pub fn new() -> Self {
        Submissions { kept: Vec::with_capacity(KEPT), owed: [None; 2] }
    }

    /// From now on these are not forgotten, and others may be.
    pub fn owe(&mut self, owed: Owed) {
        self.owed = owed;
    }

    /// Remembers a new submission; false if too many wait for their receipts.
    pub fn open(&mut self, tag: u32, link: usize) -> bool {
        let pending = self.kept.iter().filter(|entry| entry.watched && entry.fate == Fate::Pending);
        if pending.count() >= PENDING_MAX {
            return false;
        }
        if self.kept.len() == KEPT {
            // One that has ended, or else one nobody waits for any more.
            let free = |entry: &Submission| !self.owed.contains(&Some(entry.tag));
            let ended = self.kept.iter().position(|entry| free(entry) && entry.fate != Fate::Pending);
            let oldest = ended.or_else(|| self.kept.iter().position(|entry| free(entry) && !entry.watched));
            self.kept.remove(oldest.expect("fewer wait than are kept"));
        }
        self.kept.push(Submission { tag, link, fate: Fate::Open, watched: true });
        true
    }

    pub fn get(&mut self, tag: u32) -> Option<&mut Submission> {
        self.kept.iter_mut().find(|entry| entry.tag == tag)
    }

    /// Notes how a submission goes on.
    pub fn set(&mut self, tag: u32, fate: Fate) {
        if let Some(entry) = self.get(tag) {
            entry.fate = fate;
        }
    }

    /// The peer is gone: the end of what still waits is told as an event.
    pub fn unwatch(&mut self) {
        self.kept.iter_mut().for_each(|entry| entry.watched = false);
    }

    /// Ends one that waits for this archive, and returns its tag and whether it is watched.
    pub fn lose(&mut self, link: usize, error: Error) -> Option<(u32, bool)> {
        let entry = self.kept.iter_mut().find(|entry| entry.link == link && entry.fate == Fate::Pending)?;
        entry.fate = Fate::Lost(error);
        Some((entry.tag, entry.watched))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_may_wait_and_those_left_behind_do_not_count() {
        let mut submissions = Submissions::new();
        for tag in 0..PENDING_MAX as u32 {
            assert!(submissions.open(tag, 0));
            submissions.set(tag, Fate::Pending);
        }
        assert!(!submissions.open(100, 0));
        submissions.set(3, Fate::Refused(Refusal::Full(0)));
        assert!(submissions.open(100, 0));
        submissions.unwatch();
        for tag in 200..400 {
            assert!(submissions.open(tag, 1));
            submissions.set(tag, Fate::Refused(Refusal::Full(0)));
        }
        assert!(submissions.get(200).is_none(), "the oldest that ended is forgotten");
        assert!(submissions.get(399).is_some() && submissions.get(0).is_some());
        assert_eq!(submissions.lose(1, Error::NotActive), None);
        assert_eq!(submissions.lose(0, Error::NotActive), Some((0, false)));
        assert_eq!(submissions.get(0).unwrap().fate, Fate::Lost(Error::NotActive));
    }
}
