//! The operator's orders: each is taken up, or refused by name and nothing changes.

use totebox_manifest::{Role, conversation};
use totebox_protocol::audit::{Asked, UNASKED};
use totebox_protocol::flag::Acknowledged;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::{Order, Reason, Refusal, Traced};
use totebox_protocol::page::{ArchiveState, Cause, HISTORY_MAX, degraded};
use totebox_protocol::trace::Event;

use super::console::Received;
use super::transitions::TransitionStep;
use super::{Now, Orchestrator};

/// Orders taken up at a time, at most.
const ORDERS: usize = match conversation::queue(Role::Console, Role::Orchestrator) {
    Some(form) => form.slots,
    None => 0,
};

impl Orchestrator {
    /// Carries out the orders that have come: no more than the queue holds, however fast more of them follow.
    pub(super) fn take_orders(&mut self) {
        for _ in 0..ORDERS {
            let Some(Received { request, order }) = self.console.receive(self.now_ms) else { return };
            let outcome = order.and_then(|(order, reason)| self.take_up(order, reason));
            self.console.answer(request.answer(outcome));
        }
    }

    /// Takes an order up; returns what the status page will call it.
    fn take_up(&mut self, order: Order, reason: Reason) -> Result<u32, Refusal> {
        // The console asks for a sign of life once a second: in the end nothing else would be in the trace.
        if order != Order::Ping {
            self.traces.note(Event::Order(order.op()));
        }
        match order {
            Order::Verify(volume) => self.command_audit(volume),
            Order::Change(archive, to) => self.command_transition(archive, to),
            Order::Acknowledge(flag) => self.command_acknowledgement(flag, reason),
            Order::History(from) => self.command_history(from),
            Order::Findings(volume) => self.command_findings(volume),
            Order::Trace(domain) => self.command_trace(domain),
            Order::Ping => Ok(UNASKED),
        }
    }

    fn next_tag(&mut self) -> u32 {
        self.tag = self.tag.checked_add(1).unwrap_or(UNASKED + 1);
        self.tag
    }

    fn command_audit(&mut self, volume: Option<usize>) -> Result<u32, Refusal> {
        let volumes = 0..self.archives.len() + 1;
        let volumes = match volume {
            None => volumes,
            Some(volume) if volumes.contains(&volume) => volume..volume + 1,
            Some(_) => return Err(Refusal::UnknownArchive),
        };
        self.is_ready()?;
        if self.degraded & degraded::AUDITOR != 0 {
            return Err(Refusal::AuditorUnavailable);
        }
        let tag = self.next_tag();
        match self.audits.command(volumes, tag) {
            true => Ok(tag),
            false => Err(Refusal::AlreadyRunning),
        }
    }

    fn is_ready(&self) -> Result<(), Refusal> {
        if self.restored { Ok(()) } else { Err(Refusal::NotReady) }
    }

    fn command_transition(&mut self, archive: usize, to: Standing) -> Result<u32, Refusal> {
        if archive >= self.archives.len() {
            return Err(Refusal::UnknownArchive);
        }
        self.is_ready()?;
        let lifecycle = &self.lifecycles[archive];
        let from = lifecycle.standing;
        match (lifecycle.moving, self.archives[archive].state()) {
            (Some(moving), _) if moving.cause == Cause::Restart => return Err(Refusal::NotReady),
            (Some(_), _) => return Err(Refusal::AlreadyRunning),
            // What a faulted archive was to be it is not; one that is closed is that whatever has become of it.
            (None, ArchiveState::Active | ArchiveState::Suspended) if from == to => {
                return Err(Refusal::AlreadyThere);
            }
            _ if from == to && to == Standing::Archived => return Err(Refusal::AlreadyThere),
            _ if from == Standing::Archived => return Err(Refusal::ImpossibleTransition),
            (None, ArchiveState::Active | ArchiveState::Suspended) => {}
            (None, _) => return Err(Refusal::ImpossibleTransition),
        }
        if !self.records.transition(archive, from, to, Cause::Operator) {
            return Err(Refusal::NotRecorded);
        }
        let tag = self.next_tag();
        self.lifecycles[archive].begin(to, Cause::Operator, tag, TransitionStep::Record);
        Ok(tag)
    }

    fn command_acknowledgement(&mut self, id: u32, reason: Reason) -> Result<u32, Refusal> {
        self.is_ready()?;
        let known = *self.flags.get(id).ok_or(Refusal::UnknownFlag)?;
        if known.acknowledged != Acknowledged::No {
            return Err(Refusal::AlreadyAcknowledged);
        }
        let tag = self.next_tag();
        if !self.records.acknowledgement(&known, reason, tag) {
            return Err(Refusal::NotRecorded);
        }
        self.flags.change(known.id, |flag| flag.acknowledged = Acknowledged::Recording);
        Ok(tag)
    }

    fn command_findings(&mut self, volume: usize) -> Result<u32, Refusal> {
        if volume > self.archives.len() {
            return Err(Refusal::UnknownArchive);
        }
        self.is_ready()?;
        let tag = self.next_tag();
        self.findings_asked = Some((tag, volume));
        Ok(tag)
    }

    /// Reads a trace. That needs nobody but this domain, so it can be had whatever else is wrong.
    fn command_trace(&mut self, domain: Traced) -> Result<u32, Refusal> {
        if !self.traces.has(domain) {
            return Err(Refusal::UnknownArchive);
        }
        let tag = self.next_tag();
        self.traces.read(domain, tag, Now { counter_ms: self.now_ms, wall_ms: self.time.wall_ms.get() });
        Ok(tag)
    }

    fn command_history(&mut self, from: Option<u64>) -> Result<u32, Refusal> {
        self.is_ready()?;
        if self.history.under_way().is_some() {
            return Err(Refusal::AlreadyRunning);
        }
        if self.degraded & degraded::AUDITOR != 0 || self.link.room() == 0 {
            return Err(Refusal::AuditorUnavailable);
        }
        let tag = self.next_tag();
        self.link.ask(&Asked::History { tag, from, count: HISTORY_MAX as u32 });
        self.history.begin(tag);
        Ok(tag)
    }
}
