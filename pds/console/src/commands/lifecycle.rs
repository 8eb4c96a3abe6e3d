//! Suspending, resuming and archiving: the order goes to the orchestrator, and how it ended comes back on
//! its status page.

use totebox_console_protocol::change::Change;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::{Completion, Order};
use totebox_protocol::page::{ApplianceStatus, ArchiveState, VolumeStatus};

use crate::command::{Action, Command, ParseError};
use crate::context::Context;
use crate::errors::Error;
use crate::order::{Fact, GivenOrder, OrderKind};
use crate::progress::Then;

pub static SUSPEND: Command = Command {
    name: SUSPENSION.command,
    arguments: "ARCHIVE",
    summary: "bring an archive to rest and stop it",
    details: &["It takes and gives nothing until: resume ARCHIVE. Ctrl-C stops waiting, not the archive."],
    read: |reader, words| match *words {
        [name] => change(reader.archive(name)?, Standing::Suspended, &SUSPENSION),
        _ => Err(reader.usage()),
    },
};

pub static RESUME: Command = Command {
    name: RESUMPTION.command,
    arguments: "ARCHIVE",
    summary: "let a suspended archive go on",
    details: &[],
    read: |reader, words| match *words {
        [name] => change(reader.archive(name)?, Standing::Active, &RESUMPTION),
        _ => Err(reader.usage()),
    },
};

pub static ARCHIVE: Command = Command {
    name: CLOSURE.command,
    arguments: "ARCHIVE final",
    summary: "close an archive for good; the word final confirms it",
    details: &["The vault seals its volume: what is in it can be read, and nothing is added ever again."],
    read: |reader, words| match *words {
        [name, "final"] => change(reader.archive(name)?, Standing::Archived, &CLOSURE),
        [name] => Err(reader.archive(name).err().unwrap_or(ParseError::NotConfirmed(name))),
        _ => Err(reader.usage()),
    },
};

fn change<'a>(archive: usize, to: Standing, kind: &'static OrderKind) -> Result<Action<'a>, ParseError<'a>> {
    Ok(Action::Order(Order::Change(archive, to), kind, &[]))
}

pub static SUSPENSION: OrderKind = kind(Change::Suspend.name());
pub static RESUMPTION: OrderKind = kind(Change::Resume.name());
pub static CLOSURE: OrderKind = kind(Change::Archive.name());

const fn kind(command: &'static str) -> OrderKind {
    let goes_on = "the change goes on; status shows how it ends";
    OrderKind { taken_up, goes_on, is_overtaken, tells, ..OrderKind::new(command, show) }
}

/// The archive it is about, and the state it leads to.
fn transition(order: &GivenOrder) -> Option<(usize, ArchiveState)> {
    if let Order::Change(archive, to) = order.order { Some((archive, to.state())) } else { None }
}

fn tells(order: &GivenOrder, volume: usize, fact: Fact) -> bool {
    transition(order).is_some_and(|(archive, target)| archive == volume && fact == Fact::State(target))
}

/// How the order ended, if it was the archive's last.
fn completion(order: &GivenOrder, volume: &VolumeStatus) -> Option<Completion> {
    volume.command.filter(|&(name, _)| name == order.name).map(|(_, completion)| completion)
}

fn is_overtaken(order: &GivenOrder, status: &ApplianceStatus) -> bool {
    // An order for an archive is only taken up when the one before it has ended, so later names are of later orders.
    let last = transition(order).and_then(|(archive, _)| status.volumes[archive].command);
    last.is_some_and(|(name, _)| name > order.name)
}

fn taken_up(order: &GivenOrder, context: &mut Context) {
    let Some((archive, target)) = transition(order) else { return };
    if !context.machine() {
        let Context { output, volumes, .. } = context;
        let (name, target) = (&volumes[archive], target.name());
        output.line(format_args!("{name} is changing to {target}; Ctrl-C stops waiting"));
    }
}

/// Ends the wait if the transition has ended.
fn show(order: &mut GivenOrder, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let (Some(status_page), Some((archive, _))) = (view.last(), transition(order)) else { return Then::GoesOn };
    let volume = &status_page.volumes[archive];
    let Some(completion) = completion(order, volume).filter(|_| !volume.moving) else { return Then::GoesOn };
    let (command, archive, state) = (order.kind.command, &volumes[archive], volume.state.name());
    let (error, text) = match completion {
        Completion::Done => {
            match machine {
                true => output.line(format_args!("+{command} archive={archive} state={state}")),
                false => output.line(format_args!("+{command} {archive} is {state}")),
            }
            return Then::Ends;
        }
        Completion::Stopped => (Error::Stopped, "it did not come to rest in its time and was stopped; see flags"),
        Completion::Unrecorded => (
            Error::Unrecorded,
            "it is done, but not in the audit record or not in the archive's own ledger; see flags",
        ),
        Completion::Failed => (Error::Failed, "it failed; see flags"),
    };
    output.error(error, None, format_args!("{archive} is {state}: {text}"));
    Then::Ends
}
