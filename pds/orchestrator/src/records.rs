//! What is to be entered into the audit record: one queue, in the order in which things happened, so that a
//! flag is recorded before what follows from it. Nothing of it is shown or done before it is recorded, or
//! cannot be.
//!
//! **An audit record that takes nothing locks nobody out.** What could not be entered takes effect all the same,
//! is shown as not recorded, and is *kept*: at the front of the queue, to be entered as soon as the record takes
//! records again, before anything that came later. As long as something is kept, one entry is tried at a time,
//! the oldest; if it is refused, so is all that came since. At most [`KEPT_MAX`] are kept: transitions of an
//! archive are merged into one, and what is left out beyond that is counted.

use alloc::collections::VecDeque;

use totebox_domain::Fault;
use totebox_protocol::audit::{Asked, AuditEvent, Entered, Entry};
use totebox_protocol::flag::{Flag, Flags};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::Reason;
use totebox_protocol::page::Cause;
use totebox_shm::PeerError;

use super::link::AuditorLink;

/// New entries that wait at most. The verifications under way can leave 64 flags, and every archive a few; more
/// are counted as hidden, and of an archive that much is wrong with that is enough.
const WAITING_MAX: usize = 160;

/// Entries kept at most that could not be entered: what an operator does in a day of trouble.
pub const KEPT_MAX: usize = 96;

/// Beats between two tries to enter the oldest that is kept, when nothing new is to be entered.
pub const RETRY_BEATS: u32 = 60;

/// What an entry is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// A flag. It gets its id when it is sent.
    Flag(Flag),
    /// The acknowledgement of a flag: its id, and the tag of the operator's command.
    Acknowledgement(u32, u32),
    Transition(usize),
    /// A fault; there is a flag for it, too.
    Fault,
}

/// An entry that is recorded, or could not be.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub subject: Subject,
    /// Its sequence number in the audit record, if it is there.
    pub sequence: Option<u64>,
    /// It had been kept: it took effect when it could not be entered.
    pub kept: bool,
}

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    subject: Subject,
    sent: Option<u32>,
    /// Kept, since then, in milliseconds since the machine started.
    kept: Option<u64>,
}

pub struct Records {
    waiting: VecDeque<Waiting>,
    tag: u32,
    /// The oldest that is kept is to be tried again; and the beats since it was.
    retry: bool,
    beats: u32,
    /// It was refused: what came since cannot be entered either.
    refused: bool,
    /// Events that could not even be kept.
    left_out: u32,
}

impl Records {
    pub fn new() -> Records {
        let waiting = VecDeque::with_capacity(WAITING_MAX + KEPT_MAX + 1);
        Records { waiting, tag: 0, retry: false, beats: 0, refused: false, left_out: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.len() == self.kept()
    }

    fn kept(&self) -> usize {
        self.waiting.iter().filter(|waiting| waiting.kept.is_some()).count()
    }

    /// Events of this start that the audit record does not tell of.
    pub fn unrecorded(&self) -> u32 {
        self.left_out.saturating_add(self.kept() as u32)
    }

    fn enter(&mut self, volume: Option<u8>, subject: Subject, event: AuditEvent) -> bool {
        if self.waiting.len() - self.kept() == WAITING_MAX {
            return false;
        }
        self.push(volume, subject, None, event);
        true
    }

    fn push(&mut self, volume: Option<u8>, subject: Subject, kept: Option<u64>, event: AuditEvent) {
        self.waiting.push_back(Waiting { entry: Entry::new(volume, event), subject, sent: None, kept });
    }

    /// A flag is to be raised. False if there is no room.
    pub fn flag(&mut self, flag: Flag) -> bool {
        let Flag { id, about, .. } = flag;
        self.enter(flag.volume, Subject::Flag(flag), AuditEvent::Flag { id, about })
    }

    /// Keeps a flag that is shown without having been entered.
    pub fn keep_flag(&mut self, flag: Flag, now_ms: u64) {
        let Flag { id, about, .. } = flag;
        self.push(flag.volume, Subject::Flag(flag), Some(now_ms), AuditEvent::Flag { id, about });
        self.limit_kept();
    }

    /// Keeps a transition that the audit record does not tell of: it is what the archive's ledger says.
    pub fn keep_transition(&mut self, archive: usize, from: Standing, to: Standing, now_ms: u64) {
        let event = AuditEvent::Transition { from, to, cause: Cause::Restart };
        self.push(Some(archive as u8), Subject::Transition(archive), Some(now_ms), event);
        self.limit_kept();
        self.retry = true;
    }

    /// A flag is acknowledged. False if there is no room.
    pub fn acknowledgement(&mut self, flag: &Flag, reason: Reason, tag: u32) -> bool {
        let (id, kind) = (flag.id, flag.about.kind());
        let event = AuditEvent::Acknowledgement { flag: id, kind, reason };
        self.enter(flag.volume, Subject::Acknowledgement(id, tag), event)
    }

    /// An archive is to change its standing. False if there is no room.
    pub fn transition(&mut self, archive: usize, from: Standing, to: Standing, cause: Cause) -> bool {
        let event = AuditEvent::Transition { from, to, cause };
        self.enter(Some(archive as u8), Subject::Transition(archive), event)
    }

    pub fn fault(&mut self, archive: usize, fault: Fault) {
        self.enter(Some(archive as u8), Subject::Fault, AuditEvent::Fault(fault));
    }

    /// Whether a flag that says the same waits.
    pub fn has_flag(&self, as_this: &Flag) -> bool {
        self.flags().any(|flag| flag.is_same_thing(as_this))
    }

    /// Whether flags about a volume, or about none, wait.
    pub fn has_flags_about(&self, volume: Option<u8>) -> bool {
        self.flags().any(|flag| flag.volume == volume)
    }

    /// The flags that are not shown yet.
    fn flags(&self) -> impl Iterator<Item = &Flag> {
        self.waiting.iter().filter(|waiting| waiting.kept.is_none()).filter_map(|waiting| match &waiting.subject {
            Subject::Flag(flag) => Some(flag),
            _ => None,
        })
    }

    /// A beat: now and then it is tried whether the audit record takes records again.
    pub fn beat(&mut self) {
        self.beats = self.beats.saturating_add(1);
        self.retry |= self.beats >= RETRY_BEATS;
    }

    /// The audit record took something: what is kept may be entered now.
    pub fn takes_again(&mut self) {
        self.retry = true;
    }

    /// Sends what there is room for, kept entries first, one at a time; flags the table covers are dropped.
    pub fn send(&mut self, link: &mut AuditorLink, flags: &mut Flags, now_ms: u64) {
        self.drop_no_news(flags);
        if let Some(oldest) = self.waiting.iter().position(|waiting| waiting.kept.is_some()) {
            let is_new = |waiting: &Waiting| waiting.kept.is_none() && waiting.sent.is_none();
            let wanted = self.retry || self.waiting.iter().any(is_new);
            let under_way = self.waiting.iter().any(|waiting| waiting.sent.is_some());
            if wanted && !under_way && link.room() > 0 {
                (self.retry, self.beats) = (false, 0);
                self.send_one(oldest, link, flags, now_ms);
            }
            return;
        }
        for position in 0..self.waiting.len() {
            if self.waiting[position].sent.is_none() {
                if link.room() == 0 {
                    return;
                }
                self.send_one(position, link, flags, now_ms);
            }
        }
    }

    fn send_one(&mut self, position: usize, link: &mut AuditorLink, flags: &mut Flags, now_ms: u64) {
        let waiting = &mut self.waiting[position];
        match waiting.kept {
            Some(since_ms) => waiting.entry.late_ms = now_ms.saturating_sub(since_ms),
            None => waiting.give_id(flags),
        }
        self.tag = self.tag.checked_add(1).unwrap_or(1);
        link.ask(&Asked::Record { tag: self.tag, entry: Some(waiting.entry.clone()) });
        waiting.sent = Some(self.tag);
    }

    fn drop_no_news(&mut self, flags: &Flags) {
        self.waiting.retain(|waiting| match &waiting.subject {
            Subject::Flag(flag) if waiting.sent.is_none() && waiting.kept.is_none() => !flags.covers(flag),
            _ => true,
        });
    }

    /// The tag of the oldest entry that was sent.
    pub fn oldest_sent(&self) -> Option<u32> {
        self.waiting.iter().find_map(|waiting| waiting.sent)
    }

    /// Takes the auditor's report on an entry. One that there is no room for is kept.
    pub fn entered(&mut self, tag: u32, outcome: Entered, now_ms: u64) -> Result<Ended, PeerError> {
        let position = self.waiting.iter().position(|waiting| waiting.sent == Some(tag)).ok_or(PeerError)?;
        let waiting = &mut self.waiting[position];
        waiting.sent = None;
        let sequence = if let Entered::Recorded(sequence) = outcome { Some(sequence) } else { None };
        let ended = Ended { subject: waiting.subject, sequence, kept: waiting.kept.is_some() };
        if outcome == Entered::NotRecorded {
            self.refused |= ended.kept;
            waiting.kept.get_or_insert(now_ms);
            self.limit_kept();
        } else {
            self.waiting.remove(position);
        }
        Ok(ended)
    }

    /// The next new entry of those that cannot be entered, because an older one was refused. It is kept.
    pub fn refused(&mut self, flags: &mut Flags, now_ms: u64) -> Option<Ended> {
        self.drop_no_news(flags);
        let is_new = |waiting: &&mut Waiting| waiting.kept.is_none() && waiting.sent.is_none();
        let Some(waiting) = self.waiting.iter_mut().find(is_new).filter(|_| self.refused) else {
            self.refused = false;
            return None;
        };
        waiting.give_id(flags);
        waiting.kept = Some(now_ms);
        let ended = Ended { subject: waiting.subject, sequence: None, kept: false };
        self.limit_kept();
        Some(ended)
    }

    /// The next flag that waits to be entered, if it is to be shown before that. It is kept.
    pub fn show_flag(&mut self, flags: &mut Flags, now_ms: u64) -> Option<Flag> {
        self.drop_no_news(flags);
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.is_hidden_flag())?;
        waiting.give_id(flags);
        waiting.kept = Some(now_ms);
        let Subject::Flag(flag) = waiting.subject else { return None };
        self.limit_kept();
        Some(flag)
    }

    /// The next entry of those that cannot be recorded before the next start.
    pub fn lost(&mut self, flags: &mut Flags) -> Option<Ended> {
        self.drop_no_news(flags);
        loop {
            let mut waiting = self.waiting.pop_front()?;
            self.left_out = self.left_out.saturating_add(1);
            if waiting.kept.is_none() {
                if waiting.sent.is_none() {
                    waiting.give_id(flags);
                }
                return Some(Ended { subject: waiting.subject, sequence: None, kept: false });
            }
        }
    }

    /// How many events were left out, once everything that was kept has been entered.
    pub fn take_left_out(&mut self) -> Option<u32> {
        (self.left_out > 0 && self.kept() == 0).then(|| core::mem::take(&mut self.left_out))
    }

    /// Keeps the number of those kept within its limit.
    fn limit_kept(&mut self) {
        while self.kept() > KEPT_MAX {
            if !self.merge_transitions() {
                // What is left out first is what is shown anyway: the newest flag or fault.
                let kept = |waiting: &Waiting| waiting.kept.is_some() && waiting.sent.is_none();
                let expendable = |waiting: &Waiting| {
                    kept(waiting) && matches!(waiting.subject, Subject::Flag(_) | Subject::Fault)
                };
                let newest = self.waiting.iter().rposition(expendable);
                let Some(newest) = newest.or_else(|| self.waiting.iter().rposition(kept)) else { return };
                self.waiting.remove(newest);
                self.left_out = self.left_out.saturating_add(1);
            }
        }
    }

    /// Makes one of the oldest two transitions of an archive that are kept; false if no archive has two.
    fn merge_transitions(&mut self) -> bool {
        let archive = |waiting: &Waiting| match waiting.subject {
            Subject::Transition(archive) if waiting.kept.is_some() && waiting.sent.is_none() => Some(archive),
            _ => None,
        };
        for first in 0..self.waiting.len() {
            let Some(of) = archive(&self.waiting[first]) else { continue };
            let next = self.waiting.iter().skip(first + 1).position(|waiting| archive(waiting) == Some(of));
            let Some(next) = next.map(|behind| first + 1 + behind) else { continue };
            let AuditEvent::Transition { from: before, .. } = self.waiting[first].entry.event else { continue };
            if let AuditEvent::Transition { from, to, .. } = &mut self.waiting[next].entry.event {
                *from = before;
                if *from == *to {
                    // There and back again.
                    self.waiting.remove(next);
                    self.left_out = self.left_out.saturating_add(1);
                }
            }
            self.waiting.remove(first);
            self.left_out = self.left_out.saturating_add(1);
            return true;
        }
        false
    }
}

impl Waiting {
    /// Whether it is a flag that is not shown yet.
    fn is_hidden_flag(&self) -> bool {
        self.kept.is_none() && matches!(self.subject, Subject::Flag(_))
    }

    /// A flag gets its id when it is first sent, or shown.
    fn give_id(&mut self, flags: &mut Flags) {
        if let Subject::Flag(flag) = &mut self.subject
            && flag.id == 0
        {
            flag.id = flags.take_id();
            self.entry.event = AuditEvent::Flag { id: flag.id, about: flag.about };
        }
    }
}
