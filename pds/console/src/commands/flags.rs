//! `flags`: what is to be looked at, as a table, and how a flag is said elsewhere.

use core::fmt::{self, Display, Formatter};

use totebox_console_protocol::text::{Duration, Found};
use totebox_console_protocol::views::{FlagCount, FlagLine};
use totebox_console_protocol::words::QuotedText;
use totebox_protocol::flag::{About as Says, Arguments, Flag, Loss, Place};
use totebox_protocol::operator::Order;

use super::findings::{self, beyond_flags};
use crate::command::{Action, Command};
use crate::context::Context;
use crate::errors::Error;
use crate::look::{LookKind, refresh};
use crate::phrases::{FaultText, trouble};
use crate::volumes::Volumes;

fn found(about: &Says) -> Option<Found<'static>> {
    let Place { area, block, record } = about.place()?;
    Some(Found { kind: about.kind().name(), area: area.name(), block, record, count: 1 })
}

/// What a flag says, for a person: its kind, then the place or the reason.
pub struct FlagText(pub Says);

impl Display for FlagText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = self.0.kind();
        match found(&self.0) {
            Some(place) => write!(f, "{place}")?,
            None => f.write_str(kind.name())?,
        }
        let text = match self.0 {
            Says::Finding(finding) if !finding.kind.needs_text() => return Ok(()),
            Says::Unknown => return Ok(()),
            Says::HintOverwritten(_) => "the vault found it damaged and has written a newer one over it",
            Says::MissingVolume(state) => trouble(state).unwrap_or(kind.text()),
            Says::Fault(fault) => return write!(f, ": {}", FaultText(fault)),
            Says::Refused(requests) => return write!(f, ": the vault refused {requests} requests"),
            Says::AuditVolume { left_out: events @ 1.. } => {
                return write!(f, ": {events} events are not in the audit record: it took no records");
            }
            Says::Degraded(_, loss) => {
                let who = self.0.what_name().unwrap_or_default();
                return match loss {
                    Loss::Silent => write!(f, ": the {who} does not answer"),
                    Loss::Device => write!(f, ": the {who}'s disk does not answer"),
                    Loss::Fails => write!(f, ": the {who} is not working"),
                };
            }
            Says::ClockBack(by_ms) => return write!(f, ": the clock was set back by {}", Duration(by_ms)),
            _ => kind.text(),
        };
        write!(f, ": {text}")
    }
}

/// What a flag says, as `KEY=VALUE` pairs.
pub struct FlagFields(pub Says);

impl Display for FlagFields {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "kind={}", self.0.kind().name())?;
        if let Some(Found { area, block, record, .. }) = found(&self.0) {
            write!(f, " area={area} block={block}")?;
            if let Some(record) = record {
                write!(f, " record={record}")?;
            }
        }
        if let Some(what) = self.0.what_name() {
            write!(f, " what={what}")?;
        }
        let Arguments { detail, instruction, status, .. } = self.0.arguments();
        for (key, number) in [("detail", detail), ("instruction", instruction), ("status", status)] {
            if number != 0 {
                write!(f, " {key}={number}")?;
            }
        }
        Ok(())
    }
}

pub fn line<'a>(volumes: &'a Volumes, flag: &Flag) -> FlagLine<'a, FlagText> {
    let archive = flag.volume.and_then(|volume| volumes.get(volume)).unwrap_or("");
    let &Flag { id, raised_ms, acknowledged, .. } = flag;
    FlagLine { id: id.into(), raised_ms, archive, acknowledged: acknowledged.name(), text: FlagText(flag.about) }
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
        [name] => Ok(Action::Order(Order::Findings(reader.volume(name)?), &findings::ORDER, &[])),
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
    let Some(status_page) = view.last() else { return };
    let rows = || status_page.flags.iter();
    let (open, hidden) = (status_page.flags_open, status_page.flags_hidden);
    if machine {
        for flag in rows() {
            let FlagLine { id, raised_ms, archive, acknowledged, text } = line(volumes, flag);
            let (key, archive) = if archive.is_empty() { ("", "") } else { (" archive=", archive) };
            let (fields, text) = (FlagFields(text.0), QuotedText(&text));
            let severity = flag.about.kind().severity();
            let recorded = RecordedField(flag.audit_record);
            output.line(format_args!(
                "=flag id={id}{key}{archive} {fields} severity={severity} raised_ms={raised_ms}{recorded} \
                 acknowledged={acknowledged} text={text}"
            ));
        }
    } else if rows().next().is_some() {
        output.table(FlagLine::columns(), rows().map(|flag| line(volumes, flag)));
    }
    for (name, row) in volumes.iter().zip(&status_page.volumes) {
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
    let count = FlagCount { open: open.into(), hidden: hidden.into() };
    output.line(format_args!("+flags {count}"));
}

/// The number of a flag's record, as a pair; nothing if it is not recorded.
struct RecordedField(Option<u64>);

impl Display for RecordedField {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |record| write!(f, " audit_record={record}"))
    }
}
