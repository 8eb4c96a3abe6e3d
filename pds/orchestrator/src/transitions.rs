//! An archive on its way from one lifecycle state to another.
//!
//! 1. The transition is entered into the audit record. Until that is durable nothing happens, so that after a
//!    power cut the state is the old one, or the record says where to go on. If the record takes nothing, it is
//!    done all the same, and shown as not recorded: nobody is locked out by a full record.
//! 2. The archive is told, enters it into its own ledger and comes to rest, or goes on.
//! 3. An archive that is to rest has its thread stopped; one that is closed has its volume sealed by the
//!    vault, and from then on nothing depends on the archive any more.
//!
//! An archive that does not obey in its time is stopped all the same, and flagged.
//!
//! A start goes the same way, from step 2 on, to what the audit record says each archive is. Where that
//! cannot be read, or takes no records, each archive's own ledger is believed; and where the record takes
//! records, an archive that its own ledger calls suspended, or whose volume is sealed, stays so: that may have
//! been ordered when it took none.

use totebox_domain::Kernel;
use totebox_manifest::OnMismatch;
use totebox_protocol::flag::About;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::Completion;
use totebox_protocol::page::{ArchiveState, Cause};
use totebox_protocol::vault::{Status, VolumeState};

use super::flagging::flag;
use super::{Orchestrator, ToldBy};

/// Milliseconds to come to rest: more than committing what waits takes at its share in the largest deployment.
pub const OBEY_MS: u64 = 15_000;

/// Milliseconds to come up after the vault has recovered its volume: more than a healthy archive takes.
const COME_UP_MS: u64 = 30_000;

/// Milliseconds the vault has to seal a volume: one flush, however busy the disk is.
const SEAL_MS: u64 = 15_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionStep {
    Record,
    /// The archive starts and has until then, in milliseconds of uptime, to come up; then it is told all the same.
    ComeUp(u64),
    /// The archive has until then, in milliseconds since the machine started, to obey.
    Obey(u64),
    /// The vault is to be asked to seal the volume.
    Seal,
    /// It is asked, and has until then to answer.
    Sealing(u64),
}

#[derive(Clone, Copy, Debug)]
pub struct Transition {
    pub to: Standing,
    pub cause: Cause,
    /// The operator's command, or 0.
    pub tag: u32,
    pub step: TransitionStep,
    /// The archive did not obey and was stopped.
    pub forced: bool,
    /// The audit record does not tell of it.
    pub unrecorded: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Lifecycle {
    /// What it is to be, by the audit record.
    pub standing: Standing,
    /// What it was before, by the audit record at start: the power may have been cut in between.
    pub before: Standing,
    pub moving: Option<Transition>,
    /// The last command that ended: its tag, and how.
    pub ended: Option<(u32, Completion)>,
    /// An audit has found something, and it is to be suspended as soon as nothing is under way.
    pub must_suspend: bool,
}

impl Lifecycle {
    pub fn begin(&mut self, to: Standing, cause: Cause, tag: u32, step: TransitionStep) {
        self.moving = Some(Transition { to, cause, tag, step, forced: false, unrecorded: false });
    }

    pub fn end(&mut self, completion: Completion) {
        let Some(transition) = self.moving.take() else { return };
        if transition.cause == Cause::Operator {
            self.ended = Some((transition.tag, completion));
        }
    }
}

impl Orchestrator {
    /// What the archives are to be is known, or cannot be.
    pub(super) fn restore(&mut self) {
        if core::mem::replace(&mut self.restored, true) {
            return;
        }
        let now_ms = self.time.uptime_ms.get();
        for lifecycle in &mut self.lifecycles {
            let step = TransitionStep::ComeUp(now_ms.saturating_add(COME_UP_MS));
            lifecycle.begin(lifecycle.standing, Cause::Restart, 0, step);
        }
        self.audits.begin(now_ms);
    }

    /// Lets every transition go as far as it can.
    pub(super) fn advance_transitions(&mut self, kernel: &mut dyn Kernel) {
        for archive in 0..self.archives.len() {
            while self.advance_transition(kernel, archive) {}
            self.suspend_if_it_must(archive);
        }
    }

    /// An audit has found something in the archive.
    fn suspend_if_it_must(&mut self, archive: usize) {
        let lifecycle = &mut self.lifecycles[archive];
        if !lifecycle.must_suspend || lifecycle.moving.is_some() {
            return;
        }
        let (from, to, cause) = (lifecycle.standing, Standing::Suspended, Cause::Mismatch);
        let wanted = from == Standing::Active && self.on_mismatch[archive] == OnMismatch::Suspend;
        if !wanted || !self.archives[archive].is_sound() {
            lifecycle.must_suspend = false;
        } else if self.records.transition(archive, from, to, cause) {
            lifecycle.must_suspend = false;
            lifecycle.begin(to, cause, 0, TransitionStep::Record);
        }
    }

    /// Takes the next step of an archive's transition; false if it has to wait, or there is none.
    fn advance_transition(&mut self, kernel: &mut dyn Kernel, archive: usize) -> bool {
        let Some(transition) = self.lifecycles[archive].moving else { return false };
        match transition.step {
            TransitionStep::Record => false,
            TransitionStep::ComeUp(until_ms) => self.come_up(kernel, archive, &transition, until_ms),
            TransitionStep::Obey(until_ms) => self.obey(kernel, archive, &transition, until_ms),
            TransitionStep::Seal if self.vault.is_broken() => self.not_sealed(kernel, archive),
            TransitionStep::Seal => {
                let step = TransitionStep::Sealing(self.time.uptime_ms.get().saturating_add(SEAL_MS));
                self.vault.seal(archive, archive as u8) && self.go_to(archive, step)
            }
            TransitionStep::Sealing(until_ms)
                if self.vault.is_broken() || self.time.uptime_ms.get() >= until_ms =>
            {
                self.not_sealed(kernel, archive)
            }
            TransitionStep::Sealing(_) => false,
        }
    }

    fn go_to(&mut self, archive: usize, step: TransitionStep) -> bool {
        self.change(archive, |transition| transition.step = step);
        true
    }

    fn change(&mut self, archive: usize, change: impl FnOnce(&mut Transition)) {
        self.lifecycles[archive].moving.as_mut().map(change);
    }

    /// Ends the transition. There is nothing more to wait for.
    fn finish(&mut self, archive: usize, completion: Completion) -> bool {
        self.lifecycles[archive].end(completion);
        false
    }

    /// The transition is recorded, or cannot be.
    pub(super) fn transition_recorded(&mut self, kernel: &mut dyn Kernel, archive: usize, recorded: bool) {
        let Some(transition) = self.lifecycles[archive].moving else { return };
        self.change(archive, |transition| transition.unrecorded = !recorded);
        self.lifecycles[archive].standing = transition.to;
        self.tell(kernel, archive, &transition);
    }

    fn tell(&mut self, kernel: &mut dyn Kernel, archive: usize, transition: &Transition) {
        self.archives[archive].resume(kernel);
        self.archives[archive].command(kernel, transition.to, transition.cause);
        self.go_to(archive, TransitionStep::Obey(self.time.uptime_ms.get().saturating_add(OBEY_MS)));
    }

    fn come_up(
        &mut self,
        kernel: &mut dyn Kernel,
        archive: usize,
        transition: &Transition,
        until_ms: u64,
    ) -> bool {
        let Some(recorded) = self.archives[archive].recorded() else {
            let sound = self.archives[archive].is_sound();
            let in_time = self.time.uptime_ms.get() < until_ms;
            if sound
                && (in_time
                    || self.told_by == ToldBy::Ledger
                    || self.volume_state(archive) == VolumeState::Recovering)
            {
                return false;
            }
            // What is closed is sealed without the archive's help.
            if !sound && transition.to != Standing::Archived {
                return self.finish(archive, Completion::Failed);
            }
            self.tell(kernel, archive, transition);
            return true;
        };
        let mut transition = *transition;
        if let Some(adopted) = self.adopts(archive, recorded) {
            self.lifecycles[archive].standing = adopted;
            transition.to = adopted;
            self.change(archive, |moving| moving.to = adopted);
        }
        self.tell(kernel, archive, &transition);
        true
    }

    /// What an archive is to be of which its own ledger tells this, if that is not what the audit record says.
    fn adopts(&mut self, archive: usize, recorded: Standing) -> Option<Standing> {
        let Lifecycle { standing, before, .. } = self.lifecycles[archive];
        if self.told_by == ToldBy::Ledger {
            return Some(recorded);
        }
        if recorded == standing || !self.is_in_service(archive) {
            return None;
        }
        let is_behind = recorded == before;
        if !is_behind {
            self.flag_lifecycle(archive, recorded);
        }
        let sealed = self.volume_state(archive) == VolumeState::Sealed;
        let believed = match (standing, recorded) {
            (Standing::Archived, _) => false,
            (_, Standing::Archived) => sealed || self.told_by == ToldBy::LedgerFirst,
            _ if self.told_by == ToldBy::LedgerFirst => self.can_tell(archive),
            (_, recorded) => !is_behind && recorded == Standing::Suspended,
        };
        if believed {
            self.records.keep_transition(archive, standing, recorded, self.time.uptime_ms.get());
        }
        believed.then_some(recorded)
    }

    fn obey(&mut self, kernel: &mut dyn Kernel, archive: usize, transition: &Transition, until_ms: u64) -> bool {
        let now_ms = self.time.uptime_ms.get();
        let (sound, obeyed) = (self.archives[archive].is_sound(), self.archives[archive].has_obeyed());
        if sound && !obeyed && now_ms < until_ms {
            return false;
        }
        if !obeyed {
            self.change(archive, |transition| transition.forced = true);
            let starts = self.archives[archive].state() == ArchiveState::Starting;
            match transition.to {
                Standing::Suspended | Standing::Archived if sound => {
                    self.raise(flag(archive, About::StopTimeout));
                }
                // One that is still starting obeys when it has come up.
                Standing::Active if sound && !starts => self.raise(flag(archive, About::Hung)),
                _ => {}
            }
        }
        if transition.to == Standing::Suspended || (!obeyed && transition.to == Standing::Archived) {
            self.archives[archive].stop(kernel);
        }
        if transition.to == Standing::Archived && self.has_to_be_sealed(archive, transition.cause) {
            return self.go_to(archive, TransitionStep::Seal);
        }
        self.arrived(archive)
    }

    /// Whether anything can be appended. A volume that takes no writes when the machine starts takes none
    /// before the next start, and a sealed one never: the vault would count that as a refused request.
    fn has_to_be_sealed(&self, archive: usize, cause: Cause) -> bool {
        match self.volume_state(archive) {
            VolumeState::Sealed => false,
            VolumeState::Ready | VolumeState::Recovering => true,
            _ => cause != Cause::Restart,
        }
    }

    fn volume_state(&self, archive: usize) -> VolumeState {
        self.vault_report.volumes[archive].state
    }

    /// Whether the archive's own ledger can tell of every state it comes into.
    fn can_tell(&self, archive: usize) -> bool {
        self.archives[archive].has_room_to_tell(&self.vault_report.volumes[archive])
    }

    /// Whether the archive's word on its own ledger counts.
    fn is_in_service(&self, archive: usize) -> bool {
        use ArchiveState::{Active, Archived, Suspended};
        matches!(self.archives[archive].state(), Active | Suspended | Archived)
    }

    /// The vault has answered.
    pub(super) fn take_seals(&mut self, kernel: &mut dyn Kernel) {
        while let Ok(Some(reply)) = self.vault.receive() {
            let archive = reply.purpose;
            match reply.answered.status {
                Status::Ok | Status::Sealed => self.arrived(archive),
                _ => self.not_sealed(kernel, archive),
            };
        }
    }

    /// The volume could not be sealed: lest anything be appended, the archive stops until the next start tries again.
    fn not_sealed(&mut self, kernel: &mut dyn Kernel, archive: usize) -> bool {
        if self.lifecycles[archive].moving.is_some() {
            self.flag_lifecycle(archive, self.archives[archive].claim().recorded);
            self.archives[archive].stop(kernel);
        }
        self.finish(archive, Completion::Failed)
    }

    /// It is done. Whether the archive's own ledger says so remains to be seen.
    fn arrived(&mut self, archive: usize) -> bool {
        let Some(transition) = self.lifecycles[archive].moving else { return false };
        let recorded = self.archives[archive].claim().recorded;
        // That a full ledger cannot tell of it is no disagreement: the audit record does.
        let tells = transition.to == Standing::Archived || self.can_tell(archive);
        let disagrees = recorded != transition.to && !transition.forced && self.is_in_service(archive) && tells;
        if disagrees {
            self.flag_lifecycle(archive, recorded);
        }
        let completion = match () {
            () if transition.forced => Completion::Stopped,
            () if transition.unrecorded || disagrees => Completion::Unrecorded,
            () => Completion::Done,
        };
        self.finish(archive, completion)
    }
}
