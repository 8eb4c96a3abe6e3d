//! What is to be entered into the audit record: one queue, in the order in which things happened, so that a
//! flag is recorded before what follows from it. Nothing of it is shown or done before it is recorded, or
//! cannot be.

use alloc::collections::VecDeque;

use ledger_fmt::record::Kind;
use totebox_shm::PeerError;
use zerocopy::FromZeros;

use super::link::AuditorLink;
use crate::Fault;
use crate::flags::{Flags, same_thing};
use crate::lifecycle::Standing;
use crate::proto::audit::{Entry, NO_RECORD, Report, Verdict};
use crate::proto::flag::FlagRow;
use crate::proto::operator::REASON_MAX;
use crate::proto::page::Cause;

/// Entries that wait at most. The verifications under way can leave 64 flags, and every archive a few; more
/// are counted as hidden, and of an archive that much is wrong with that is enough.
const WAITING_MAX: usize = 160;

/// What an entry is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// A flag. It gets its id when it is sent.
    Flag(FlagRow),
    /// The acknowledgement of a flag: its id, and the tag of the operator's command.
    Acknowledgement(u32, u32),
    /// The transition that an archive is to make.
    Transition(usize),
    /// A fault; there is a flag for it, too.
    Fault,
}

/// An entry that is recorded, or could not be.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What it is about.
    pub subject: Subject,
    /// Its sequence number in the audit record, if it is there.
    pub sequence: Option<u64>,
}

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    subject: Subject,
    /// What the request was sent with.
    sent: Option<u32>,
}

/// The queue.
pub struct Records {
    waiting: VecDeque<Waiting>,
    tag: u32,
}

impl Records {
    /// Nothing to be recorded yet.
    pub fn new() -> Records {
        Records { waiting: VecDeque::with_capacity(WAITING_MAX), tag: 0 }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn enter(&mut self, kind: Kind, volume: u8, subject: Subject, fill: impl FnOnce(&mut Entry)) -> bool {
        if self.waiting.len() == WAITING_MAX {
            return false;
        }
        let mut entry = Entry::new_zeroed();
        (entry.kind, entry.volume, entry.record) = (kind as u8, volume, NO_RECORD.into());
        fill(&mut entry);
        self.waiting.push_back(Waiting { entry, subject, sent: None });
        true
    }

    /// A flag is to be raised. False if there is no room.
    pub fn flag(&mut self, row: FlagRow) -> bool {
        self.enter(Kind::Flag, row.volume, Subject::Flag(row), |entry| {
            (entry.what, entry.from, entry.area) = (row.kind, row.what, row.area);
            (entry.block, entry.record, entry.detail) = (row.block, row.record, row.detail);
        })
    }

    /// A flag is acknowledged, for a reason of at most [`REASON_MAX`] bytes. False if there is no room.
    pub fn acknowledgement(&mut self, row: &FlagRow, reason: &[u8], tag: u32) -> bool {
        let subject = Subject::Acknowledgement(row.id.get(), tag);
        self.enter(Kind::Acknowledgement, row.volume, subject, |entry| {
            (entry.what, entry.flag, entry.record) = (row.kind, row.id, row.record);
            entry.reason[..reason.len()].copy_from_slice(reason);
            const { assert!(REASON_MAX <= u8::MAX as usize) };
            entry.reason_len = reason.len() as u8;
        })
    }

    /// An archive is to change its standing. False if there is no room.
    pub fn transition(&mut self, archive: usize, from: Standing, to: Standing, cause: Cause) -> bool {
        self.enter(Kind::Lifecycle, archive as u8, Subject::Transition(archive), |entry| {
            (entry.from, entry.what, entry.cause) = (from.state() as u8, to.state() as u8, cause as u8);
        })
    }

    /// An archive has faulted.
    pub fn fault(&mut self, archive: usize, fault: Fault) {
        self.enter(Kind::Fault, archive as u8, Subject::Fault, |entry| {
            let Fault { kind, address, instruction: _ } = fault;
            (entry.what, entry.detail) = (kind as u8, address.into());
        });
    }

    /// Whether a flag that says the same waits.
    pub fn has_flag(&self, as_this: &FlagRow) -> bool {
        self.flags().any(|row| same_thing(row, as_this))
    }

    /// Whether flags about a volume, or about [`NO_VOLUME`](crate::proto::flag::NO_VOLUME), wait.
    pub fn has_flags_about(&self, volume: u8) -> bool {
        self.flags().any(|row| row.volume == volume)
    }

    fn flags(&self) -> impl Iterator<Item = &FlagRow> {
        self.waiting.iter().filter_map(|waiting| match &waiting.subject {
            Subject::Flag(row) => Some(row),
            _ => None,
        })
    }

    /// Sends what there is room for. Flags the table covers are dropped: they are no news.
    pub fn send(&mut self, link: &mut AuditorLink, flags: &mut Flags) {
        self.drop_no_news(flags);
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.sent.is_none()) {
            if link.room() == 0 {
                return;
            }
            if let Subject::Flag(row) = &mut waiting.subject {
                row.id = flags.take_id().into();
                waiting.entry.flag = row.id;
            }
            self.tag = self.tag.checked_add(1).unwrap_or(1);
            link.record(&waiting.entry, self.tag);
            waiting.sent = Some(self.tag);
        }
    }

    fn drop_no_news(&mut self, flags: &Flags) {
        self.waiting.retain(|waiting| match &waiting.subject {
            Subject::Flag(row) if waiting.sent.is_none() => !flags.covers(row),
            _ => true,
        });
    }

    /// The tag of the oldest entry that was sent.
    pub fn oldest_sent(&self) -> Option<u32> {
        self.waiting.iter().find_map(|waiting| waiting.sent)
    }

    /// Takes the auditor's report on an entry.
    pub fn entered(&mut self, report: &Report) -> Result<Ended, PeerError> {
        let tag = report.tag.get();
        let position = self.waiting.iter().position(|waiting| waiting.sent == Some(tag)).ok_or(PeerError)?;
        let recorded = report.verdict == Verdict::Recorded as u8;
        let sequence = report.audit_record.get();
        if recorded == (sequence == NO_RECORD) {
            return Err(PeerError);
        }
        let Waiting { subject, .. } = self.waiting.remove(position).expect("it was found there");
        Ok(Ended { subject, sequence: recorded.then_some(sequence) })
    }

    /// The next entry of those that cannot be recorded any more.
    pub fn lost(&mut self, flags: &mut Flags) -> Option<Ended> {
        self.drop_no_news(flags);
        let Waiting { mut subject, sent, .. } = self.waiting.pop_front()?;
        if let (Subject::Flag(row), None) = (&mut subject, sent) {
            row.id = flags.take_id().into();
        }
        Some(Ended { subject, sequence: None })
    }
}
