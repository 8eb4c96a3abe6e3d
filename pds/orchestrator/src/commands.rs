//! The operator's orders: each is taken up, or refused by name and nothing changes.

use totebox_manifest::Role;
use totebox_manifest::conversation;
use totebox_protocol::audit::{Asked, Reason, UNASKED};
use totebox_protocol::flag::Acknowledged;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::{ALL_VOLUMES, LATEST, Op, Outcome, REASON_MAX, Reply};
use totebox_protocol::page::{ArchiveState, Cause, HISTORY_MAX, degraded};
use zerocopy::FromZeros;

use super::Orchestrator;
use super::console::Order;
use super::transitions::Step;

/// Orders taken up at a time, at most.
const ORDERS: usize = match conversation::queue(Role::Console, Role::Orchestrator) {
    Some(form) => form.slots,
    None => 0,
};

impl Orchestrator {
    /// Carries out the orders that have come: no more than the queue holds, however fast more of them follow.
    pub(super) fn take_orders(&mut self) {
        for _ in 0..ORDERS {
            let Some(order) = self.console.order(self.now_ms) else { return };
            let (outcome, name) = match self.command(&order) {
                Ok(name) => (Outcome::Accepted, name),
                Err(outcome) => (outcome, UNASKED),
            };
            let mut reply = Reply::new_zeroed();
            (reply.op, reply.outcome) = (order.request.op, outcome as u8);
            (reply.tag, reply.name) = (order.request.tag, name.into());
            self.console.answer(reply);
        }
    }

    fn command(&mut self, order: &Order) -> Result<u32, Outcome> {
        let request = &order.request;
        let reason = order.reason.as_deref().ok_or(Outcome::BadRequest)?;
        let op = Op::from_wire(request.op).ok_or(Outcome::BadRequest)?;
        let (takes_volume, takes_number, takes_reason) = match op {
            Op::Acknowledge => (false, true, true),
            Op::History => (false, true, false),
            Op::Verify | Op::Suspend | Op::Resume | Op::Archive | Op::Findings => (true, false, false),
            Op::Ping => (false, false, false),
        };
        if request.reserved != [0; 48]
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
            Op::Findings => self.command_findings(request.volume),
            Op::Ping => Ok(UNASKED),
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
        if self.degraded & degraded::AUDITOR != 0 {
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
            // What a faulted archive was to be it is not; one that is closed is that whatever has become of it.
            (None, ArchiveState::Active | ArchiveState::Suspended) if from == to => {
                return Err(Outcome::AlreadyThere);
            }
            _ if from == to && to == Standing::Archived => return Err(Outcome::AlreadyThere),
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
        if known.acknowledged != Acknowledged::No {
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
        let text = Reason::try_from(text).map_err(|_| Outcome::ReasonTooLong)?;
        let tag = self.next_tag();
        if !self.records.acknowledgement(&known, text, tag) {
            return Err(Outcome::NotRecorded);
        }
        self.flags.change(known.id, |flag| flag.acknowledged = Acknowledged::Recording);
        Ok(tag)
    }

    fn command_findings(&mut self, volume: u8) -> Result<u32, Outcome> {
        let volume = usize::from(volume);
        if volume > self.archives.len() {
            return Err(Outcome::UnknownArchive);
        }
        self.is_ready()?;
        let tag = self.next_tag();
        self.findings_asked = Some((tag, volume));
        Ok(tag)
    }

    fn command_history(&mut self, from: u64) -> Result<u32, Outcome> {
        self.is_ready()?;
        if self.history.under_way().is_some() {
            return Err(Outcome::AlreadyRunning);
        }
        if self.degraded & degraded::AUDITOR != 0 || self.link.room() == 0 {
            return Err(Outcome::AuditorUnavailable);
        }
        let tag = self.next_tag();
        let from = (from != LATEST).then_some(from);
        self.link.ask(&Asked::History { tag, from, count: HISTORY_MAX as u32 });
        self.history.begin(tag);
        Ok(tag)
    }
}
