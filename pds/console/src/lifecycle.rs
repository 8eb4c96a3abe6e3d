//! Suspending, resuming and archiving: the order goes to the orchestrator, and how it ended comes back on
//! its surface.

use totebox_console_protocol::change::Change;
use totebox_protocol::operator::{Completion, Op};
use totebox_protocol::page::{ArchiveState, SurfaceRow};

use super::errors::Error;
use super::orders::Order;
use super::phrases::state_name;
use super::session::{Activity, Session};

/// The order the orchestrator is given for it.
const fn op(change: Change) -> Op {
    match change {
        Change::Suspend => Op::Suspend,
        Change::Resume => Op::Resume,
        Change::Archive => Op::Archive,
    }
}

/// The state it leads to.
const fn target(change: Change) -> ArchiveState {
    match change {
        Change::Suspend => ArchiveState::Suspended,
        Change::Resume => ArchiveState::Active,
        Change::Archive => ArchiveState::Archived,
    }
}

/// A transition the operator waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    tag: u32,
    pub archive: usize,
    pub change: Change,
}

impl Transition {
    /// The one the orchestrator took up under this name.
    pub fn new(tag: u32, archive: usize, change: Change) -> Transition {
        Transition { tag, archive, change }
    }

    /// Whether its end tells the operator that this volume has come into this state.
    pub fn tells(&self, volume: usize, state: u8) -> bool {
        self.archive == volume && target(self.change) as u8 == state
    }

    fn has_ended(&self, row: &SurfaceRow) -> bool {
        row.command_tag.get() == self.tag && row.moving == 0
    }
}

impl Session {
    pub(super) fn begin_transition(&mut self, archive: usize, change: Change) {
        self.order(Order { op: op(change), volume: archive as u8, number: 0 }, "");
    }

    /// The transition was taken up under this name.
    pub(super) fn await_transition(&mut self, archive: usize, change: Change, tag: u32) {
        if !self.machine {
            let (name, target) = (&self.volumes[archive], target(change).name());
            self.output.line(format_args!("{name} is to be {target}; Ctrl-C stops waiting"));
        }
        self.activity = Activity::Transition(Transition::new(tag, archive, change));
    }

    /// Whether the surface tells of another order for its archive by now.
    pub(super) fn is_overtaken(&self, transition: &Transition) -> bool {
        let row = self.surface.last().and_then(|surface| surface.rows.get(transition.archive));
        row.is_some_and(|row| row.command_tag.get() != transition.tag)
    }

    /// Ends the wait if the transition has ended.
    pub(super) fn show_transition(&mut self, transition: Transition) {
        let Some(surface) = self.surface.last() else { return };
        let row = &surface.rows[transition.archive];
        if !transition.has_ended(row) {
            return;
        }
        self.activity = Activity::Idle;
        let (archive, state) = (&self.volumes[transition.archive], state_name(row));
        let command = transition.change.name();
        let (error, text) = match Completion::from_wire(row.completion) {
            Some(Completion::Done) if self.machine => {
                return self.output.line(format_args!("+{command} archive={archive} state={state}"));
            }
            Some(Completion::Done) => return self.output.line(format_args!("+{command} {archive} is {state}")),
            Some(Completion::Stopped) => {
                (Error::Stopped, "it did not come to rest in its time and was stopped; see flags")
            }
            Some(Completion::Unrecorded) => (
                Error::Unrecorded,
                "that is done, but the audit record or its own ledger does not say so; see flags",
            ),
            Some(Completion::Failed) => (Error::Failed, "it could not be done; see flags"),
            Some(Completion::None) | None => (Error::Failed, "the orchestrator does not say how it ended"),
        };
        self.output.error(error, None, format_args!("{archive} is {state}: {text}"));
    }
}
