//! What became of the files that were sent: told by the appliance unasked, in answer to a question, or by what the
//! archive lists. Nothing is called unknown before all three were tried.

use std::time::Instant;

use anyhow::{Result, bail};
use totebox_shown::ShowPath;

use super::{Begun, Outcome, Present, Sender};
use crate::client::lines::{Line, Refusal};
use crate::client::ls::ls;
use crate::client::session::{Fate, Heard, TRIES};

impl Sender<'_> {
    /// Waits until at least one submission has ended.
    pub(super) fn await_one(&mut self) -> Result<()> {
        let (start, before) = (Instant::now(), self.waiting.len());
        while self.waiting.len() == before {
            match self.session.hear(self.session.timing.quiet)? {
                Heard::Line(line) => self.session.note(line),
                Heard::Disturbed | Heard::Silence => self.inquire_all()?,
            }
            self.settle()?;
            let timeout = self.session.timing.timeout;
            if start.elapsed() > timeout && self.waiting.len() == before {
                let (archive, seconds) = (self.order.archive, timeout.as_secs());
                let documents = if before == 1 { "1 document" } else { &format!("{before} documents") };
                bail!("archive {archive} has not said for {seconds} s whether {documents} will be committed")
            }
        }
        Ok(())
    }

    fn inquire_all(&mut self) -> Result<()> {
        let tags: Vec<u32> = self.waiting.keys().copied().collect();
        tags.into_iter().try_for_each(|tag| self.inquire(tag).map(drop))
    }

    /// Asks what became of a submission; whether it still waits.
    pub(super) fn inquire(&mut self, tag: u32) -> Result<bool> {
        'tries: for _ in 0..TRIES {
            self.session.send(&format!("receipt {tag}"))?;
            loop {
                match self.session.hear(self.session.timing.quiet)? {
                    Heard::Line(Line::Pending(of)) if of == tag => return Ok(true),
                    Heard::Line(Line::Receipt(receipt)) if receipt.tag == tag => {
                        self.conclude(tag, Fate::Receipt(receipt), true)?;
                    }
                    Heard::Line(Line::Refused(refusal)) if refusal.tag == Some(tag) && !refusal.event => {
                        self.conclude(tag, Fate::Refused(refusal), true)?;
                    }
                    Heard::Line(Line::Refused(refusal))
                        if refusal.tag.is_none() && refusal.name == "not-found" =>
                    {
                        // It was begun before the appliance was restarted.
                        if let Some(begun) = self.waiting.remove(&tag) {
                            self.newest = 0;
                            self.look_up(begun, None)?;
                        }
                    }
                    Heard::Line(Line::Refused(refusal)) if refusal.tag.is_none() => continue 'tries,
                    Heard::Line(line) => {
                        self.session.note(line);
                        continue;
                    }
                    Heard::Disturbed | Heard::Silence => {
                        self.session.start_anew()?;
                        continue 'tries;
                    }
                }
                return Ok(false);
            }
        }
        bail!("the line is too disturbed: {TRIES} times no whole answer about submission {tag}")
    }

    /// Tells of the submissions that have ended.
    pub(super) fn settle(&mut self) -> Result<()> {
        for fate in self.session.take_ended() {
            let tag = match &fate {
                Fate::Receipt(receipt) => Some(receipt.tag),
                Fate::Refused(refusal) => refusal.tag,
            };
            if let Some(tag) = tag {
                self.conclude(tag, fate, false)?;
            }
        }
        Ok(())
    }

    /// Ends a submission. One that does not wait has been told of already: it ended by itself, and in answer to a
    /// question; or it is another client's.
    fn conclude(&mut self, tag: u32, fate: Fate, asked: bool) -> Result<()> {
        let Some(begun) = self.waiting.remove(&tag) else { return Ok(()) };
        let declared = begun.declared;
        match fate {
            Fate::Receipt(receipt) if (receipt.size, receipt.hash) == (declared.size, declared.hash) => {
                self.claimed.insert(receipt.sequence);
                self.report(begun.index, Outcome::Committed(receipt))
            }
            // The receipt of another day, whose submissions had the same tags.
            Fate::Receipt(_) => self.look_up(begun, None),
            // Given up when the session began anew.
            Fate::Refused(refusal) if refusal.name == "cancelled" => self.again(begun),
            Fate::Refused(refusal) => {
                // The archive was lost before it answered; or this may be a refusal of another day.
                let lost = matches!(refusal.name.as_str(), "not-active" | "archive-broken" | "not-answering");
                match asked || (lost && begun.complete) {
                    true => self.look_up(begun, Some(refusal)),
                    false => self.report(begun.index, Outcome::Refused(refusal)),
                }
            }
        }
    }

    /// Looks what became of all that waits.
    pub(super) fn look_up_all(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_values().try_for_each(|begun| self.look_up(begun, None))
    }

    /// Looks whether the archive lists a document of which the appliance does not say what became of it, or says
    /// that it was refused.
    fn look_up(&mut self, begun: Begun, said: Option<Refusal>) -> Result<()> {
        let Begun { index, declared, .. } = begun;
        let (archive, name) = (self.order.archive, &self.order.sources[index].name);
        let listing = match ls(self.session, archive, self.records_before, u64::MAX)? {
            Ok(listing) => listing,
            Err(refusal) => {
                let Refusal { name, text, .. } = said.unwrap_or(refusal);
                return self.report(index, Outcome::Unknown(format!("no receipt came: {name}: {text}")));
            }
        };
        let damaged = listing.damaged.first().map(|range| range.first);
        let present = Present::of(listing.entries);
        let mut records = present.records(name, declared).iter();
        match (records.find(|record| !self.claimed.contains(&record.sequence)), damaged, said) {
            (Some(record), ..) => {
                self.claimed.insert(record.sequence);
                self.report(index, Outcome::Listed(record.clone()))
            }
            (None, Some(first), _) => {
                let why = format!("no receipt came, and record {first} of archive {archive} is damaged");
                self.report(index, Outcome::Unknown(why))
            }
            (None, None, Some(refusal)) => self.report(index, Outcome::Refused(refusal)),
            (None, None, None) => self.again(begun),
        }
    }

    fn again(&mut self, begun: Begun) -> Result<()> {
        self.todo.push_back(begun.index);
        match self.tries[begun.index] {
            TRIES => {
                let path = self.order.sources[begun.index].path.shown();
                bail!("the line is too disturbed: {path} could not be sent in {TRIES} tries")
            }
            _ => Ok(()),
        }
    }

    /// Ends it all because of an error: what can still be found out is, and every file is told of.
    pub(super) fn close(&mut self, why: &str) {
        // Long waiting has been tried.
        let timeout = std::mem::replace(&mut self.session.timing.timeout, self.session.timing.quiet);
        let asked = self.session.start_anew().and_then(|()| self.inquire_all()).and_then(|()| self.settle());
        self.session.timing.timeout = timeout;
        // What it failed with is no news: the files that are open say so.
        drop(asked);
        for index in self.open.clone() {
            let waits = self.waiting.values().any(|begun| begun.index == index);
            let outcome = match waits {
                true => Outcome::Unknown(format!(
                    "no receipt came, and it may be committed or not ({why}); see whether it is there with `totebox ls`"
                )),
                false => Outcome::NotSent(format!("not sent: {why}")),
            };
            // Nothing more can go wrong.
            let _ = self.report(index, outcome);
        }
    }
}
