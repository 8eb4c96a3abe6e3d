//! The operator's commands: each is taken up, or refused by name and nothing changes.

use zerocopy::{FromBytes, IntoBytes};

use super::Orchestrator;
use super::link::UNASKED;
use super::transitions::Step;
use crate::lifecycle::Standing;
use crate::proto::flag::Acknowledged;
use crate::proto::operator::{ALL_VOLUMES, Op, Outcome, REASON_MAX, Reply, Request};
use crate::proto::page::{ArchiveState, Cause, HISTORY_MAX};

impl Orchestrator {
    /// Carries out a command, and writes the answer.
    pub(super) fn answer(&mut self, request: &[u8], reply: &mut [u8]) -> usize {
        let (outcome, tag) = match self.command(request) {
            Ok(tag) => (Outcome::Accepted, tag),
            Err(outcome) => (outcome, 0),
        };
        let answer = Reply { outcome: outcome as u8, reserved: [0; 3], tag: tag.into() };
        match answer.write_to_prefix(reply) {
            Ok(()) => size_of::<Reply>(),
            Err(_) => 0,
        }
    }

    fn command(&mut self, request: &[u8]) -> Result<u32, Outcome> {
        let (request, reason) = Request::read_from_prefix(request).map_err(|_| Outcome::BadRequest)?;
        let op = Op::from_wire(request.op).ok_or(Outcome::BadRequest)?;
        let (takes_number, takes_reason) = match op {
            Op::Acknowledge => (true, true),
            Op::History => (true, false),
            Op::Verify | Op::Suspend | Op::Resume | Op::Archive => (false, false),
        };
        let takes_volume = !takes_number;
        if request.reserved != [0; 6]
            || (!takes_number && request.number.get() != 0)
            || (!takes_volume && request.volume != 0)
            || (!takes_reason && !reason.is_empty())
        {
            return Err(Outcome::BadRequest);
        }
        match op {
            Op::Verify => self.command_audit(request.volume),
            Op::Suspend => self.command_transition(request.volume, Standing::Suspended),
            Op::Resume => self.command_transition(request.volume, Standing::Active),
            Op::Archive => self.command_transition(request.volume, Standing::Archived),
            Op::Acknowledge => self.command_acknowledgement(request.number.get(), reason),
            Op::History => self.command_history(request.number.get()),
        }
    }

    /// A tag for a command.
    fn next_tag(&mut self) -> u32 {
        self.tag = self.tag.checked_add(1).unwrap_or(UNASKED + 1);
        self.tag
    }

    fn command_audit(&mut self, volume: u8) -> Result<u32, Outcome> {
        let volumes = self.archives.len() + 1;
        let (first, count) = match volume {
            ALL_VOLUMES => (0, volumes),
            volume => (usize::from(volume), 1),
        };
        if first + count > volumes {
            return Err(Outcome::UnknownArchive);
        }
        self.is_ready()?;
        if self.link.is_broken() {
            return Err(Outcome::AuditorUnavailable);
        }
        let tag = self.next_tag();
        match self.audits.command(first..first + count, tag) {
            true => Ok(tag),
            false => Err(Outcome::AlreadyRunning),
        }
    }

    fn is_ready(&self) -> Result<(), Outcome> {
        if self.restored { Ok(()) } else { Err(Outcome::NotReady) }
    }

    fn command_transition(&mut self, volume: u8, to: Standing) -> Result<u32, Outcome> {
        let archive = usize::from(volume);
        if archive >= self.archives.len() {
            return Err(Outcome::UnknownArchive);
        }
        self.is_ready()?;
        let lifecycle = &self.lifecycles[archive];
        let from = lifecycle.standing;
        match (lifecycle.moving, self.archives[archive].state()) {
            (Some(moving), _) if moving.cause == Cause::Restart => return Err(Outcome::NotReady),
            (Some(_), _) => return Err(Outcome::AlreadyRunning),
            _ if from == to => return Err(Outcome::AlreadyThere),
            _ if from == Standing::Archived => return Err(Outcome::ImpossibleTransition),
            (None, ArchiveState::Active | ArchiveState::Suspended) => {}
            (None, _) => return Err(Outcome::ImpossibleTransition),
        }
        if !self.records.transition(archive, from, to, Cause::Operator) {
            return Err(Outcome::NotRecorded);
        }
        let tag = self.next_tag();
        self.lifecycles[archive].begin(to, Cause::Operator, tag, Step::Record);
        Ok(tag)
    }

    fn command_acknowledgement(&mut self, id: u64, reason: &[u8]) -> Result<u32, Outcome> {
        self.is_ready()?;
        let known = u32::try_from(id).ok().and_then(|id| self.flags.get(id)).copied();
        let known = known.ok_or(Outcome::UnknownFlag)?;
        if known.acknowledged != Acknowledged::No as u8 {
            return Err(Outcome::AlreadyAcknowledged);
        }
        if reason.len() > REASON_MAX {
            return Err(Outcome::ReasonTooLong);
        }
        let text = core::str::from_utf8(reason).map_err(|_| Outcome::ReasonUnreadable)?;
        if text.contains(char::is_control) {
            return Err(Outcome::ReasonUnreadable);
        }
        if text.trim().is_empty() {
            return Err(Outcome::ReasonMissing);
        }
        let tag = self.next_tag();
        if !self.records.acknowledgement(&known, reason, tag) {
            return Err(Outcome::NotRecorded);
        }
        self.flags.change(known.id.get(), |row| row.acknowledged = Acknowledged::Recording as u8);
        Ok(tag)
    }

    fn command_history(&mut self, from: u64) -> Result<u32, Outcome> {
        self.is_ready()?;
        if self.history.under_way().is_some() {
            return Err(Outcome::AlreadyRunning);
        }
        if self.link.room() == 0 {
            return Err(Outcome::AuditorUnavailable);
        }
        let tag = self.next_tag();
        self.link.history(from, HISTORY_MAX, tag);
        self.history.begin(tag);
        Ok(tag)
    }
}
