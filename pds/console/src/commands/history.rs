//! `history`: records of the audit record, read by the auditor and shown on the orchestrator's status page.

use core::fmt::{self, Display, Formatter};

use ledger_fmt::layout::Area;
use ledger_fmt::record::Kind;
use ledger_fmt::verify::FindingKind;
use totebox_console_protocol::table::Table;
use totebox_console_protocol::text::{Duration, Found, Size};
use totebox_console_protocol::views::EventLine;
use totebox_console_protocol::words::{Quoted, QuotedText};
use totebox_domain::FaultKind;
use totebox_protocol::audit::{Entry, Event, NO_RECORD, Verdict};
use totebox_protocol::flag::FlagKind;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::Op;
use totebox_protocol::page::{Cause, HISTORY_MAX};

use super::flags::{FlagFields, FlagText};
use crate::command::{Action, Command};
use crate::context::Context;
use crate::errors::Error;
use crate::orchestrator::About;
use crate::order::{Order, OrderKind};
use crate::phrases::{FaultText, FoundFields, audit_name};
use crate::progress::Then;
use crate::volumes::Volumes;

fn kind_name(entry: &Entry) -> &'static str {
    Kind::from_u16(entry.kind.into()).map_or("unknown", Kind::name)
}

fn verdict_name(entry: &Entry) -> &'static str {
    Verdict::from_wire(entry.what).map_or("unknown", Verdict::name)
}

fn standing_name(state: u8) -> &'static str {
    Standing::from_wire(state).map_or("unknown", Standing::name)
}

fn reason(entry: &Entry) -> &[u8] {
    &entry.reason[..usize::from(entry.reason_len).min(entry.reason.len())]
}

fn found(entry: &Entry) -> Option<Found<'static>> {
    let (kind, area) = FindingKind::from_u8(entry.cause).zip(Area::from_u8(entry.area))?;
    let record = Some(entry.record.get()).filter(|&record| record != NO_RECORD);
    let (block, count) = (entry.block.get(), entry.findings.get().into());
    Some(Found { kind: kind.name(), area: area.name(), block, record, count })
}

/// What a record says, for a person.
struct EventText<'a>(&'a Entry);

impl Display for EventText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let entry = self.0;
        self.event(f)?;
        match late_ms(entry) {
            Some(late_ms) => write!(f, " (entered {} late)", Duration(late_ms)),
            None => Ok(()),
        }
    }
}

/// How long after it happened an event was entered, if that was not possible at once.
fn late_ms(entry: &Entry) -> Option<u64> {
    let late_ms = entry.duration_ms.get();
    (entry.kind != Kind::AuditResult as u8 && late_ms > 0).then_some(late_ms)
}

impl EventText<'_> {
    fn event(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let entry = self.0;
        match Kind::from_u16(entry.kind.into()) {
            Some(Kind::Genesis) => f.write_str("the record begins"),
            Some(Kind::Boot) => f.write_str("the appliance started"),
            Some(Kind::AuditResult) => {
                let (audit, verdict, records) = (audit_name(entry.from), verdict_name(entry), entry.records);
                let (size, time) = (Size(entry.bytes.get()), Duration(entry.duration_ms.get()));
                write!(f, "{audit} {verdict}, {records} records, {size} read in {time}")?;
                found(entry).map_or(Ok(()), |found| write!(f, "; {found}"))
            }
            Some(Kind::Flag) => write!(f, "flag {}: {}", entry.flag, FlagText(entry.into())),
            Some(Kind::Acknowledgement) => {
                let kind = FlagKind::from_wire(entry.what).map_or("unknown", FlagKind::name);
                write!(f, "flag {}, {kind}: {}", entry.flag, Quoted(reason(entry)))
            }
            Some(Kind::Lifecycle) => {
                let cause = match Cause::from_wire(entry.cause) {
                    Some(Cause::Operator) => "the operator's command",
                    Some(Cause::Mismatch) => "a mismatch",
                    Some(Cause::Restart) => "the start",
                    None => "an unknown cause",
                };
                write!(f, "from {} to {}, on {cause}", standing_name(entry.from), standing_name(entry.what))
            }
            Some(Kind::Fault) => write!(f, "{}", FaultText(entry.what, entry.detail.get())),
            Some(Kind::Document | Kind::Checkpoint | Kind::Correction) | None => Ok(()),
        }
    }
}

/// What a record says, as `KEY=VALUE` pairs, each with a blank before it.
struct EventFields<'a>(&'a Entry);

impl Display for EventFields<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let entry = self.0;
        match Kind::from_u16(entry.kind.into()) {
            Some(Kind::AuditResult) => {
                let (audit, verdict, records) = (audit_name(entry.from), verdict_name(entry), entry.records);
                write!(f, " audit={audit} verdict={verdict} records={records} bytes={}", entry.bytes)?;
                write!(f, " duration_ms={} findings={}", entry.duration_ms, entry.findings)?;
                found(entry).map_or(Ok(()), |found| write!(f, " {}", FoundFields(&found)))
            }
            Some(Kind::Flag) => write!(f, " flag={} flag_{}", entry.flag, FlagFields(entry.into())),
            Some(Kind::Acknowledgement) => {
                let kind = FlagKind::from_wire(entry.what).map_or("unknown", FlagKind::name);
                write!(f, " flag={} flag_kind={kind} reason={}", entry.flag, Quoted(reason(entry)))
            }
            Some(Kind::Lifecycle) => {
                let cause = Cause::from_wire(entry.cause).map_or("unknown", Cause::name);
                let (from, to) = (standing_name(entry.from), standing_name(entry.what));
                write!(f, " from={from} to={to} cause={cause}")
            }
            Some(Kind::Fault) => {
                let fault = FaultKind::from_wire(entry.what).map_or("unknown", FaultKind::name);
                write!(f, " fault={fault} address={}", entry.detail)
            }
            _ => Ok(()),
        }?;
        late_ms(entry).map_or(Ok(()), |late_ms| write!(f, " late_ms={late_ms}"))
    }
}

fn line<'a>(volumes: &'a Volumes, event: &'a Event) -> EventLine<'a, EventText<'a>> {
    let entry = &event.entry;
    let archive = volumes.get(entry.volume).unwrap_or("");
    let (sequence, time_ms) = (event.sequence.get(), event.time_ms.get());
    EventLine { sequence, time_ms, kind: kind_name(entry), archive, text: EventText(entry) }
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
        Ok(Action::Order(&ORDER, About::Records(from), &[]))
    },
};

pub static ORDER: OrderKind = OrderKind::new(Op::History, "history", show);

/// Shows the records that were asked for, if they have come.
fn show(order: &mut Order, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let asked = view.last().filter(|surface| surface.history_tag.get() == order.name);
    let Some(surface) = asked else { return Then::GoesOn };
    // A record begins with its genesis: without any it could not be read.
    if surface.history_end.get() == 0 {
        let text = "the audit record could not be read; see status, and flags";
        output.error(Error::Unavailable, None, format_args!("{text}"));
        return Then::Ends;
    }
    let events = &surface.history[..(surface.history_len.get() as usize).min(HISTORY_MAX)];
    if machine {
        for event in events {
            let EventLine { sequence, time_ms, kind, archive, text } = line(volumes, event);
            let fields = EventFields(&event.entry);
            let text = QuotedText(text);
            let (key, archive) = if archive.is_empty() { ("", "") } else { (" archive=", archive) };
            output.line(format_args!(
                "=event seq={sequence} time={time_ms} kind={kind}{key}{archive}{fields} text={text}"
            ));
        }
    } else {
        let rows = || events.iter().map(|event| line(volumes, event));
        let table = Table::new(EventLine::columns(), rows());
        output.line(format_args!("{}", table.header()));
        for row in rows() {
            output.line(format_args!("{}", table.row(&row)));
        }
    }
    output.line(format_args!("+history records={}", surface.history_end));
    Then::Ends
}
