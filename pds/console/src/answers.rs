//! The archives' side of a session: what they answer, what waits for them, and what becomes of it when
//! one does not answer any more.

use totebox_console_protocol::text::{Hex, Time};
use totebox_protocol::intake::{Answer, Failure, Op};
use totebox_protocol::page::ArchiveState;

use super::errors::{Error, Refused};
use super::links::{Message, Misbehaviour};
use super::session::{Activity, Session};
use super::submissions::{Fate, Receipt};

/// Milliseconds in which an archive that is waited for must have taken or sent something: far more than a slow disk
/// takes for a flush.
pub const ANSWER_MS: u64 = 45_000;

impl Session {
    /// Whether a request can go to this archive; says why not.
    pub(super) fn reachable(&mut self, link: usize) -> bool {
        let name = &self.volumes[link];
        if self.links[link].is_closed() {
            let text = format_args!("archive {name} broke its protocol; its link is closed until the next start");
            self.output.error(Error::ArchiveBroken, None, text);
            return false;
        }
        self.surface.refresh();
        let why = match self.surface.state(link) {
            Some(ArchiveState::Starting) => "is still starting; try again in a moment",
            Some(ArchiveState::Suspended) => "is suspended: it takes and gives nothing until it is resumed",
            Some(ArchiveState::Faulted) => "was stopped by a fault; what it committed is on the disk, see status",
            // The others answer for themselves, and so may one the orchestrator says nothing of.
            _ => return true,
        };
        self.output.error(Error::NotActive, None, format_args!("archive {name} {why}"));
        false
    }

    /// Handles one answer of an archive; whether there was one.
    pub(super) fn receive(&mut self) -> bool {
        let Some(mut message) = self.message.take() else { return false };
        let count = self.links.len();
        let mut received = false;
        for link in (self.next_link..count).chain(0..self.next_link) {
            let outcome = match self.links[link].receive(&mut message) {
                Ok(false) => continue,
                Ok(true) => self.answer(link, &message),
                Err(misbehaviour) => Err(misbehaviour),
            };
            if let Err(misbehaviour) = outcome {
                self.close(link, misbehaviour);
            }
            self.next_link = (link + 1) % count;
            self.links[link].moved_ms = self.now_ms;
            received = true;
            break;
        }
        self.message = Some(message);
        received
    }

    fn answer(&mut self, link: usize, message: &Message) -> Result<(), Misbehaviour> {
        let tag = message.header.tag.get();
        if self.activity.awaits() != Some((link, tag)) {
            return self.late_answer(link, tag, message);
        }
        match &self.activity {
            Activity::Put(_) => self.put_answer(message),
            Activity::Get(_) => self.get_answer(message),
            Activity::Sign { .. } => self.sign_answer(link, message),
            _ => self.list_answer(message),
        }
    }

    /// An answer to something the console is no longer busy with: a receipt, or the rest of what was given
    /// up, which nobody wants any more.
    fn late_answer(&mut self, link: usize, tag: u32, message: &Message) -> Result<(), Misbehaviour> {
        if tag == 0 || tag > self.last_tag {
            return Err(Misbehaviour("an answer to nothing that was asked"));
        }
        let Some(entry) = self.submissions.get(tag) else { return Ok(()) };
        if entry.link != link {
            return Err(Misbehaviour("an answer to what another archive was asked"));
        }
        if !matches!(entry.fate, Fate::Pending | Fate::Lost(_)) {
            return Ok(());
        }
        let watched = entry.watched && entry.fate == Fate::Pending;
        self.end_submission(link, message, watched)
    }

    /// The archive's last word on a submission all of which it was sent.
    pub(super) fn end_submission(
        &mut self,
        link: usize,
        message: &Message,
        watched: bool,
    ) -> Result<(), Misbehaviour> {
        let header = &message.header;
        let fate = match message.answer {
            Answer::Receipt => Fate::Committed(Receipt {
                sequence: header.value.get(),
                size: header.extra.get(),
                hash: header.hash,
                record: message
                    .data()
                    .try_into()
                    .map_err(|_| Misbehaviour("a receipt without a record's hash"))?,
                time_ms: header.time_ms.get(),
            }),
            Answer::Failed => Fate::Refused(failure(message)?, header.value.get()),
            _ => return Err(Misbehaviour("an answer that does not end a submission")),
        };
        self.submissions.set(header.tag.get(), fate);
        self.tell_fate(header.tag.get(), link, fate, watched);
        Ok(())
    }

    /// Says what became of a submission: as an answer, or as an event if its sender is gone.
    pub(super) fn tell_fate(&mut self, tag: u32, link: usize, fate: Fate, watched: bool) {
        let archive = &self.volumes[link];
        let event = if watched { "" } else { "*" };
        match fate {
            Fate::Open | Fate::Pending => self.output.line(format_args!("{event}+pending {tag}")),
            Fate::Committed(Receipt { sequence, size, hash, record, time_ms }) => {
                let (hash, record) = (Hex(&hash), Hex(&record));
                let line =
                    format_args!("{event}+receipt {tag} seq={sequence} size={size} hash={hash} record={record}");
                if self.machine {
                    self.output.line(format_args!("{line} time={time_ms}"));
                } else {
                    self.output.line(format_args!("{line} time=\"{}\"", Time(time_ms)));
                }
            }
            Fate::Refused(failure, value) => {
                let refused = Refused { archive, failure, value };
                self.output.submission_error(watched, refused.error(), tag, format_args!("{refused}"));
            }
            Fate::Lost(error) => {
                let why = match error {
                    Error::NotAnswering => "has not answered in its time",
                    _ => "was lost before it answered",
                };
                let text =
                    format_args!("archive {archive} {why}; whether this was committed shows in: ls {archive}");
                self.output.submission_error(watched, error, tag, text);
            }
        }
    }

    pub(super) fn receipt(&mut self, tag: u32) {
        match self.submissions.get(tag) {
            Some(&mut entry) => self.tell_fate(tag, entry.link, entry.fate, true),
            None => {
                let text = "no submission of that number is remembered; look with ls";
                self.output.error(Error::NotFound, None, format_args!("{text}"));
            }
        }
    }

    /// Sends what waits; whether something went out.
    pub(super) fn send(&mut self) -> bool {
        for link in 0..self.links.len() {
            match self.links[link].settle() {
                Ok(false) => {}
                Ok(true) => {
                    self.links[link].moved_ms = self.now_ms;
                    return true;
                }
                Err(misbehaviour) => {
                    self.close(link, misbehaviour);
                    return true;
                }
            }
        }
        let to = self.outbox.link();
        match self.outbox.flush(&mut self.links) {
            Ok(None) => false,
            Ok(Some(op)) => {
                if let Some(link) = to {
                    self.links[link].moved_ms = self.now_ms;
                }
                self.put_sent(op);
                true
            }
            Err(misbehaviour) => {
                let link = self.outbox.link().expect("it was being sent");
                self.close(link, misbehaviour);
                true
            }
        }
    }

    /// The archive broke its protocol: its link is closed for good.
    fn close(&mut self, link: usize, Misbehaviour(how): Misbehaviour) {
        self.links[link].close();
        let archive = &self.volumes[link];
        self.output.line(format_args!("*archive {archive} broke its protocol ({how}); its link is closed"));
        self.abandon(link, Error::ArchiveBroken);
    }

    /// Ends what waits for an archive that will not answer any more; whether there was something.
    pub(super) fn abandon_stopped(&mut self) -> bool {
        for link in 0..self.links.len() {
            let stopped =
                matches!(self.surface.state(link), Some(ArchiveState::Suspended | ArchiveState::Faulted));
            if stopped && !self.links[link].answer_waits() && self.abandon(link, Error::NotActive) {
                return true;
            }
        }
        false
    }

    /// Ends what waits for an archive that has neither taken nor sent anything for [`ANSWER_MS`]; whether there was
    /// something. Only to be called when nothing of it waits to be read.
    pub(super) fn abandon_silent(&mut self) -> bool {
        for link in 0..self.links.len() {
            let overdue = self.now_ms.saturating_sub(self.links[link].moved_ms) >= ANSWER_MS;
            if overdue && !self.links[link].is_closed() && self.give_up_on(link) {
                return true;
            }
        }
        false
    }

    fn give_up_on(&mut self, link: usize) -> bool {
        if let Some((tag, watched)) = self.submissions.lose(link, Error::NotAnswering) {
            if matches!(&self.activity, Activity::Put(put) if put.awaits() == (link, tag)) {
                self.activity = Activity::Idle;
            }
            self.tell_fate(tag, link, Fate::Lost(Error::NotAnswering), watched);
            return true;
        }
        let waits = match &self.activity {
            Activity::Put(put) => put.is_kept_waiting(!self.outbox.is_empty()),
            Activity::Get(_) | Activity::List(_) => true,
            _ => false,
        };
        let Some((_, tag)) = self.activity.awaits().filter(|&(of, _)| waits && of == link) else { return false };
        let text = heapless::format!(96; "archive {} has not answered in its time", self.volumes[link]);
        let text = text.unwrap_or_default();
        if matches!(self.activity, Activity::Put(_)) {
            self.cancel_put(Error::NotAnswering, text);
            self.leave_put();
            return true;
        }
        if self.outbox.withdraw().is_none() {
            self.links[link].owe(Op::Cancel, tag);
        }
        self.output.error(Error::NotAnswering, None, format_args!("{text}; see status"));
        self.activity = Activity::Idle;
        true
    }

    /// Ends the activity with this archive and every submission that waits for it; whether there was any.
    fn abandon(&mut self, link: usize, error: Error) -> bool {
        let mut any = false;
        while let Some((tag, watched)) = self.submissions.lose(link, error) {
            self.tell_fate(tag, link, Fate::Lost(error), watched);
            any = true;
        }
        if self.activity.awaits().is_none_or(|(of, _)| of != link) {
            return any;
        }
        self.outbox.withdraw();
        match &self.activity {
            Activity::Put(_) => self.abandon_put(error),
            _ => {
                let archive = &self.volumes[link];
                self.output.error(error, None, format_args!("archive {archive} was lost; see status"));
                self.activity = Activity::Idle;
            }
        }
        true
    }
}

/// The reason an archive gives for a failure.
pub(super) fn failure(message: &Message) -> Result<Failure, Misbehaviour> {
    Failure::from_wire(message.header.code).ok_or(Misbehaviour("an unknown reason for a failure"))
}
