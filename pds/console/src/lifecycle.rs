//! Suspending, resuming and archiving: the order goes to the orchestrator, and how it ended comes back on
//! its status page.

use totebox_console_protocol::change::Change;
use totebox_protocol::operator::{Completion, Op};
use totebox_protocol::page::{ArchiveState, Surface};

use super::context::Context;
use super::errors::Error;
use super::orchestrator::About;
use super::order::{Order, OrderKind};
use super::phrases::state_name;
use super::progress::Then;

static SUSPEND: OrderKind = kind_of(Op::Suspend, Change::Suspend.name());
static RESUME: OrderKind = kind_of(Op::Resume, Change::Resume.name());
static ARCHIVE: OrderKind = kind_of(Op::Archive, Change::Archive.name());

const fn kind_of(op: Op, command: &'static str) -> OrderKind {
    OrderKind { op, command, taken_up, show, goes_on: "it goes on, status will show how it ended", is_overtaken }
}

/// The order for a change.
pub fn kind(change: Change) -> &'static OrderKind {
    match change {
        Change::Suspend => &SUSPEND,
        Change::Resume => &RESUME,
        Change::Archive => &ARCHIVE,
    }
}

/// The archive it is about, and the state it leads to.
fn transition(order: &Order) -> Option<(usize, ArchiveState)> {
    let About::Volume(archive) = order.about else { return None };
    let target = match order.kind.op {
        Op::Suspend => ArchiveState::Suspended,
        Op::Resume => ArchiveState::Active,
        Op::Archive => ArchiveState::Archived,
        _ => return None,
    };
    Some((archive, target))
}

/// Whether it is an order under way whose end tells the operator that this volume has come into this state.
pub fn leads_to(order: &Order, volume: usize, state: u8) -> bool {
    let told = |(archive, target)| archive == volume && target as u8 == state;
    order.is_taken_up() && transition(order).is_some_and(told)
}

fn is_overtaken(order: &Order, surface: &Surface) -> bool {
    transition(order).is_some_and(|(archive, _)| surface.rows[archive].command_tag.get() != order.name)
}

fn taken_up(order: &Order, context: &mut Context) {
    let Some((archive, target)) = transition(order) else { return };
    if !context.machine() {
        let Context { output, volumes, .. } = context;
        let (name, target) = (&volumes[archive], target.name());
        output.line(format_args!("{name} is to be {target}; Ctrl-C stops waiting"));
    }
}

/// Ends the wait if the transition has ended.
fn show(order: &mut Order, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let (Some(surface), Some((archive, _))) = (view.last(), transition(order)) else { return Then::GoesOn };
    let row = &surface.rows[archive];
    if row.command_tag.get() != order.name || row.moving != 0 {
        return Then::GoesOn;
    }
    let (command, archive, state) = (order.kind.command, &volumes[archive], state_name(row));
    let (error, text) = match Completion::from_wire(row.completion) {
        Some(Completion::Done) => {
            match machine {
                true => output.line(format_args!("+{command} archive={archive} state={state}")),
                false => output.line(format_args!("+{command} {archive} is {state}")),
            }
            return Then::Ends;
        }
        Some(Completion::Stopped) => {
            (Error::Stopped, "it did not come to rest in its time and was stopped; see flags")
        }
        Some(Completion::Unrecorded) => {
            (Error::Unrecorded, "that is done, but the audit record or its own ledger does not say so; see flags")
        }
        Some(Completion::Failed) => (Error::Failed, "it could not be done; see flags"),
        Some(Completion::None) | None => (Error::Failed, "the orchestrator does not say how it ended"),
    };
    output.error(error, None, format_args!("{archive} is {state}: {text}"));
    Then::Ends
}
