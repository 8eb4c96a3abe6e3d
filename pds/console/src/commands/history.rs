//! `history`: records of the audit record, read by the auditor and shown on the orchestrator's status page.

use core::fmt::{self, Display, Formatter};

use totebox_console_protocol::text::{Count, Duration, Size};
use totebox_console_protocol::views::EventLine;
use totebox_console_protocol::words::{Quoted, QuotedText};
use totebox_protocol::audit::{AuditEvent, AuditResult, Entry, EventRow};
use totebox_protocol::operator::Order;
use totebox_protocol::page::Cause;

use super::flags::{FlagFields, FlagText};
use crate::command::{Action, Command};
use crate::context::Context;
use crate::errors::Error;
use crate::order::{GivenOrder, OrderKind};
use crate::phrases::{FaultFields, FaultText, FoundFields, first_found};
use crate::progress::Then;
use crate::volumes::Volumes;

/// What a record says, for a person; nothing of one that cannot be read.
struct EventText(Option<Entry>);

impl Display for EventText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(entry) = &self.0 else { return Ok(()) };
        event(&entry.event, f)?;
        match entry.late_ms {
            0 => Ok(()),
            late_ms => write!(f, " (entered {} late)", Duration(late_ms)),
        }
    }
}

fn event(event: &AuditEvent, f: &mut Formatter<'_>) -> fmt::Result {
    match event {
        AuditEvent::Genesis => f.write_str("the record begins"),
        AuditEvent::Boot => f.write_str("the appliance started"),
        AuditEvent::Result(result) => {
            let AuditResult { scope, verdict, records, bytes, duration_ms, .. } = result;
            let (audit, verdict, size, time) =
                (scope.name(), verdict.name(), Size(*bytes), Duration(*duration_ms));
            let records = Count(*records, "record");
            write!(f, "{audit} {verdict}, {records}, {size} read in {time}")?;
            first_found(result).map_or(Ok(()), |found| write!(f, "; {found}"))
        }
        AuditEvent::Flag { id, about } => write!(f, "flag {id}: {}", FlagText(*about)),
        AuditEvent::Acknowledgement { flag, kind, reason } => {
            write!(f, "flag {flag}, {}: {}", kind.name(), Quoted(reason.as_bytes()))
        }
        AuditEvent::Transition { from, to, cause } => {
            let cause = match cause {
                Cause::Operator => "the operator's command",
                Cause::Mismatch => "a mismatch",
                Cause::Restart => "the start",
            };
            write!(f, "from {} to {}, on {cause}", from.name(), to.name())
        }
        AuditEvent::Fault(fault) => write!(f, "{}", FaultText(*fault)),
    }
}

/// What a record says, as `KEY=VALUE` pairs, each with a blank before it.
struct EventFields<'a>(&'a Option<Entry>);

impl Display for EventFields<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(entry) = self.0 else { return Ok(()) };
        match &entry.event {
            AuditEvent::Genesis | AuditEvent::Boot => Ok(()),
            AuditEvent::Result(result) => {
                let AuditResult { scope, verdict, records, bytes, duration_ms, findings, .. } = result;
                let (audit, verdict) = (scope.name(), verdict.name());
                write!(f, " audit={audit} verdict={verdict} records={records} bytes={bytes}")?;
                write!(f, " duration_ms={duration_ms} findings={findings}")?;
                first_found(result).map_or(Ok(()), |found| write!(f, " {}", FoundFields(&found)))
            }
            AuditEvent::Flag { id, about } => write!(f, " flag={id} flag_{}", FlagFields(*about)),
            AuditEvent::Acknowledgement { flag, kind, reason } => {
                write!(f, " flag={flag} flag_kind={} reason={}", kind.name(), Quoted(reason.as_bytes()))
            }
            AuditEvent::Transition { from, to, cause } => {
                write!(f, " from={} to={} cause={}", from.name(), to.name(), cause.name())
            }
            AuditEvent::Fault(fault) => write!(f, " {}", FaultFields(*fault)),
        }?;
        if entry.late_ms > 0 { write!(f, " late_ms={}", entry.late_ms) } else { Ok(()) }
    }
}

fn line<'a>(volumes: &'a Volumes, event: &EventRow) -> EventLine<'a, EventText> {
    let archive = volumes.get(event.entry.volume).unwrap_or("");
    let (sequence, time_ms) = (event.sequence.get(), event.time_ms.get());
    EventLine { sequence, time_ms, kind: event.entry.kind_name(), archive, text: EventText(event.entry.decode()) }
}

pub static COMMAND: Command = Command {
    name: ORDER.command,
    arguments: "[FROM]",
    summary: "the audit record: the last records, or those from number FROM on",
    details: &["At most 24 records at a time."],
    read: |reader, words| {
        let from = match *words {
            [] => None,
            [from] => Some(reader.number(from)?),
            _ => return Err(reader.usage()),
        };
        Ok(Action::Order(Order::History(from), &ORDER, &[]))
    },
};

pub static ORDER: OrderKind = OrderKind::new("history", show);

/// Shows the records that were asked for, if they have come.
fn show(order: &mut GivenOrder, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let asked = view.last().filter(|status_page| status_page.history == order.name);
    let Some(status_page) = asked else { return Then::GoesOn };
    // A record begins with its genesis: without any it could not be read.
    let Some(end) = status_page.history_end else {
        let text = "the audit record could not be read; see status, and flags";
        output.error(Error::Unavailable, None, format_args!("{text}"));
        return Then::Ends;
    };
    let events = &status_page.events;
    if machine {
        for event in events {
            let EventLine { sequence, time_ms, kind, archive, text } = line(volumes, event);
            let (fields, text) = (EventFields(&text.0), QuotedText(&text));
            let (key, archive) = if archive.is_empty() { ("", "") } else { (" archive=", archive) };
            output.line(format_args!(
                "=event seq={sequence} time={time_ms} kind={kind}{key}{archive}{fields} text={text}"
            ));
        }
    } else {
        output.table(EventLine::columns(), events.iter().map(|event| line(volumes, event)));
    }
    output.line(format_args!("+history records={end}"));
    Then::Ends
}
