//! `flags`: what is to be looked at, as a table, and how a flag is said elsewhere.

use core::fmt::{self, Display, Formatter};

use ledger_fmt::layout::Area;
use totebox_console_protocol::table::Table;
use totebox_console_protocol::text::{Duration, Found};
use totebox_console_protocol::views::{FlagCount, FlagLine};
use totebox_console_protocol::words::QuotedText;
use totebox_protocol::audit::{Entry, NO_RECORD};
use totebox_protocol::flag::{Acknowledged, FlagKind, FlagRow, Loss, OVERWRITTEN};
use totebox_protocol::vault::VolumeState;

use super::findings::{self, beyond_flags};
use crate::command::{Action, Command};
use crate::context::Context;
use crate::errors::Error;
use crate::look::{LookKind, refresh};
use crate::orchestrator::About;
use crate::phrases::{FaultText, trouble};
use crate::volumes::Volumes;

/// What a flag is about, of a row or of the audit record.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    kind: u8,
    what: u8,
    area: u8,
    block: u64,
    record: u64,
    detail: u64,
}

impl From<&FlagRow> for Subject {
    fn from(row: &FlagRow) -> Subject {
        let FlagRow { kind, what, area, .. } = *row;
        Subject { kind, what, area, block: row.block.get(), record: row.record.get(), detail: row.detail.get() }
    }
}

impl From<&Entry> for Subject {
    fn from(entry: &Entry) -> Subject {
        let (kind, what, area) = (entry.what, entry.from, entry.area);
        let (block, record, detail) = (entry.block.get(), entry.record.get(), entry.detail.get());
        Subject { kind, what, area, block, record, detail }
    }
}

impl Subject {
    fn kind_name(&self) -> &'static str {
        FlagKind::from_wire(self.kind).map_or("unknown", FlagKind::name)
    }

    fn place(&self) -> Option<Found<'static>> {
        FlagKind::from_wire(self.kind).filter(|kind| kind.is_about_a_place())?;
        let record = Some(self.record).filter(|&record| record != NO_RECORD);
        let area = Area::from_u8(self.area)?.name();
        Some(Found { kind: self.kind_name(), area, block: self.block, record, count: 1 })
    }
}

/// What a flag says, for a person: its kind, then the place or the reason.
pub struct FlagText(pub Subject);

impl Display for FlagText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let subject = &self.0;
        match subject.place() {
            Some(place) => write!(f, "{place}")?,
            None => f.write_str(subject.kind_name())?,
        }
        let Some(kind) = FlagKind::from_wire(subject.kind) else { return Ok(()) };
        let text = match kind {
            FlagKind::MissingVolume => {
                let state = u8::try_from(subject.detail).ok().and_then(VolumeState::from_wire);
                state.and_then(trouble).unwrap_or("its volume is not in service")
            }
            FlagKind::Fault => return write!(f, ": {}", FaultText(subject.what, subject.detail)),
            FlagKind::Hint if subject.what == OVERWRITTEN => {
                "the vault found it damaged and has written a newer one over it"
            }
            FlagKind::Hung => "it gives no sign of life",
            FlagKind::StopTimeout => "it did not come to rest in its time and was stopped",
            FlagKind::Protocol => "what it publishes cannot be, or the vault has cut it off",
            FlagKind::Refused => return write!(f, ": the vault refused {} requests", subject.detail),
            FlagKind::SelfCheck => "its own integrity pass and the audits disagree",
            FlagKind::Lifecycle => "its own ledger tells of another state than the audit record",
            FlagKind::AuditVolume if subject.detail > 0 => {
                return write!(f, ": {} events are not in the audit record: it took no records", subject.detail);
            }
            FlagKind::AuditVolume => "the audit record takes no records: what happens is not recorded",
            FlagKind::AuditNearlyFull => {
                "the audit record is nearly full; soon it takes no results of audits, then nothing"
            }
            FlagKind::Degraded => {
                let who = kind.what_name(subject.what, subject.detail).unwrap_or("a domain");
                let loss = u8::try_from(subject.detail).ok().and_then(Loss::from_wire);
                return match loss {
                    Some(Loss::Silent) => write!(f, ": the {who} does not answer"),
                    Some(Loss::Device) => write!(f, ": the {who}'s disk does not answer"),
                    Some(Loss::Fails) | None => write!(f, ": the {who} is not working"),
                };
            }
            FlagKind::ClockBack => {
                return write!(f, ": the clock was set back by {}", Duration(subject.detail));
            }
            FlagKind::Rollback => "the volume is older than what the audit record has seen of it",
            FlagKind::HeadDisagreement => "the archive claims another head than its ledger has",
            _ => return Ok(()),
        };
        write!(f, ": {text}")
    }
}

/// What a flag says, as `KEY=VALUE` pairs.
pub struct FlagFields(pub Subject);

impl Display for FlagFields {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let subject = &self.0;
        write!(f, "kind={}", subject.kind_name())?;
        if let Some(Found { area, block, record, .. }) = subject.place() {
            write!(f, " area={area} block={block}")?;
            if let Some(record) = record {
                write!(f, " record={record}")?;
            }
        }
        let kind = FlagKind::from_wire(subject.kind);
        if let Some(what) = kind.and_then(|kind| kind.what_name(subject.what, subject.detail)) {
            write!(f, " what={what}")?;
        }
        if subject.detail != 0 { write!(f, " detail={}", subject.detail) } else { Ok(()) }
    }
}

fn acknowledged(row: &FlagRow) -> &'static str {
    match Acknowledged::from_wire(row.acknowledged) {
        Some(Acknowledged::Yes) => "yes",
        Some(Acknowledged::Recording) => "recording",
        Some(Acknowledged::Unrecorded) => "unrecorded",
        Some(Acknowledged::No) | None => "no",
    }
}

pub fn line<'a>(volumes: &'a Volumes, row: &FlagRow) -> FlagLine<'a, FlagText> {
    let archive = volumes.get(row.volume).unwrap_or("");
    let (id, raised_ms, text) = (row.id.get().into(), row.raised_ms.get(), FlagText(row.into()));
    FlagLine { id, raised_ms, archive, acknowledged: acknowledged(row), text }
}

pub static COMMAND: Command = Command {
    name: LOOK.command,
    arguments: "[VOLUME]",
    summary: "what was found and not acknowledged, the most serious first",
    details: &[
        "A flag stays until it is acknowledged: ack FLAG REASON.",
        "The first 8 findings of an audit become flags. With VOLUME, an archive's name or the audit",
        "record's: where all others are that its last audit found.",
    ],
    read: |reader, words| match *words {
        [] => Ok(Action::Look(&LOOK)),
        [name] => Ok(Action::Order(&findings::ORDER, About::Volume(reader.volume(name)?), &[])),
        _ => Err(reader.usage()),
    },
};

/// `flags` without a volume.
pub static LOOK: LookKind = LookKind { command: "flags", show };

/// Shows what is known of the flags now.
fn show(context: &mut Context) {
    if !refresh(context) {
        return;
    }
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let Some(surface) = view.last() else { return };
    let rows = || surface.flags.iter().take_while(|row| row.id.get() != 0);
    let (open, hidden) = (surface.flags_open, surface.flags_hidden);
    if machine {
        for row in rows() {
            let FlagLine { id, raised_ms, archive, acknowledged, text } = line(volumes, row);
            let (key, archive) = if archive.is_empty() { ("", "") } else { (" archive=", archive) };
            let (fields, text) = (FlagFields(text.0), QuotedText(&text));
            let severity = FlagKind::from_wire(row.kind).map_or(0, FlagKind::severity);
            let recorded = RecordedField(row.audit_record.get());
            output.line(format_args!(
                "=flag id={id}{key}{archive} {fields} severity={severity} raised_ms={raised_ms}{recorded} \
                 acknowledged={acknowledged} text={text}"
            ));
        }
    } else if rows().next().is_some() {
        let table = Table::new(FlagLine::columns(), rows().map(|row| line(volumes, row)));
        output.line(format_args!("{}", table.header()));
        for row in rows() {
            output.line(format_args!("{}", table.row(&line(volumes, row))));
        }
    }
    for (name, row) in volumes.iter().zip(&surface.rows) {
        let more = beyond_flags(row);
        match more {
            0 => {}
            _ if machine => output.line(format_args!("=more archive={name} findings={more}")),
            _ => output.line(format_args!("  {name} has {more} more findings; where they are: flags {name}")),
        }
    }
    if view.is_orchestrator_lost() {
        let age = Duration(view.age_ms());
        let these = if rows().next().is_some() { "these are the flags" } else { "there were no flags as" };
        let text = format_args!("the orchestrator does not answer: {these} of {age} ago");
        return output.error(Error::NotAnswering, None, text);
    }
    if machine {
        return output.line(format_args!("+flags open={open} hidden={hidden}"));
    }
    let count = FlagCount { open: open.get().into(), hidden: hidden.get().into() };
    output.line(format_args!("+flags {count}"));
}

/// The number of a flag's record, as a pair; nothing if it is not recorded.
struct RecordedField(u64);

impl Display for RecordedField {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == NO_RECORD { Ok(()) } else { write!(f, " audit_record={}", self.0) }
    }
}
