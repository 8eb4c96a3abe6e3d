//! `trace`: what a domain noted last, read from its own trace by the orchestrator. What stands there is the domain's word:
//! it is read as events of a few kinds with numbers, and no text of the domain is shown.

use core::fmt::{self, Display, Formatter};

use totebox_console_protocol::table::Table;
use totebox_console_protocol::views::NoteLine;
use totebox_console_protocol::words::QuotedText;
use totebox_protocol::audit::Verdict;
use totebox_protocol::operator::{Order, Traced};
use totebox_protocol::trace::{Event, EventRow, NoteRow};

use crate::command::{Action, Command};
use crate::context::Context;
use crate::order::{GivenOrder, OrderKind};
use crate::progress::Then;
use crate::volumes::Volumes;

/// A volume by the number that stands in a trace.
struct VolumeText<'a>(&'a Volumes, u8);

impl Display for VolumeText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.get(self.1) {
            Some(name) => f.write_str(name),
            None => write!(f, "a volume {} that does not exist", self.1),
        }
    }
}

/// What a domain noted, for a person.
struct NoteText<'a>(&'a Volumes, EventRow);

impl Display for NoteText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let NoteText(volumes, row) = self;
        let name = |volume| VolumeText(volumes, volume);
        let Some(event) = row.decode() else {
            return write!(f, "an event that cannot be read, of kind {}", row.kind);
        };
        match event {
            Event::Started => f.write_str("started"),
            Event::Order(op) => write!(f, "order: {}", op.name()),
            Event::Request { archive, op } => write!(f, "request to {}: {}", name(archive), op.name()),
            Event::Committed { records: 1 } => f.write_str("committed 1 record"),
            Event::Committed { records } => write!(f, "committed {records} records"),
            Event::Flushed => f.write_str("flushed the disk"),
            Event::FlushFailed => f.write_str("a flush of the disk failed"),
            Event::AuditBegan { volume, scope } => write!(f, "audit of {} began: {}", name(volume), scope.name()),
            Event::AuditEnded { volume, verdict: Verdict::NotVerified } => {
                write!(f, "audit of {} was given up", name(volume))
            }
            Event::AuditEnded { volume, verdict } => {
                write!(f, "audit of {} ended: {}", name(volume), verdict.name())
            }
            Event::Refused { volume, status } => {
                write!(f, "refused a request about {}: {}", name(volume), status.name())
            }
            Event::CutOff { volume } => {
                write!(f, "cut off the client of {}, which broke its protocol", name(volume))
            }
            Event::Commanded(standing) => write!(f, "was told to be {}", standing.name()),
            Event::Obeyed(standing) => write!(f, "is {}, as it was told", standing.name()),
            Event::LedgerFailed => f.write_str("its ledger cannot be continued"),
            Event::VaultLost => f.write_str("lost the vault"),
            Event::Faulted { archive } => write!(f, "{} faulted", name(archive)),
        }
    }
}

fn line<'a>(volumes: &'a Volumes, note: &NoteRow) -> NoteLine<NoteText<'a>> {
    let (sequence, time_ms) = (note.sequence.get(), note.event.time_ms.get());
    NoteLine { sequence, time_ms, text: NoteText(volumes, note.event) }
}

pub static COMMAND: Command = Command {
    name: ORDER.command,
    arguments: "DOMAIN",
    summary: "what a domain noted last: an archive, or vault, auditor, console, ...",
    details: &[
        "Of a domain that has faulted, what it noted before. It is the domain's own word: one that",
        "was taken over may have noted what it liked.",
    ],
    read: |reader, words| match *words {
        [name] => {
            let domain = Traced::service(name).map_or_else(|| reader.archive(name).map(Traced::Archive), Ok)?;
            Ok(Action::Order(Order::Trace(domain), &ORDER, &[]))
        }
        _ => Err(reader.usage()),
    },
};

pub static ORDER: OrderKind = OrderKind::new("trace", show);

/// Shows the trace that was asked for, if it has come.
fn show(order: &mut GivenOrder, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let asked = view.last().filter(|status_page| status_page.trace == order.name);
    let (Some(status_page), Order::Trace(domain)) = (asked, order.order) else { return Then::GoesOn };
    let rows = || status_page.notes.iter().map(|note| line(volumes, note));
    if machine {
        for NoteLine { sequence, time_ms, text } in rows() {
            let text = QuotedText(&text);
            output.line(format_args!("=note seq={sequence} time={time_ms} text={text}"));
        }
    } else if !status_page.notes.is_empty() {
        let table = Table::new(NoteLine::columns(), rows());
        output.line(format_args!("{}", table.header()));
        for row in rows() {
            output.line(format_args!("{}", table.row(&row)));
        }
    }
    let (name, noted) = (domain_name(volumes, domain), status_page.notes.len());
    output.line(format_args!("+trace domain={name} notes={noted}"));
    Then::Ends
}

fn domain_name(volumes: &Volumes, domain: Traced) -> &str {
    match domain {
        Traced::Archive(archive) => &volumes[archive],
        Traced::Service(role) => role.name(),
    }
}
