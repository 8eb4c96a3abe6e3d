//! What the operator is shown of the appliance: the `status` table, and news as they happen.

use core::fmt::{self, Display, Formatter};

use totebox_console_protocol::text::Duration;
use totebox_console_protocol::views::{FULL, Summary, VolumeLine};
use totebox_console_protocol::words::QuotedText;
use totebox_protocol::audit::Verdict;
use totebox_protocol::page::{ApplianceStatus, VolumeStatus, degraded};

use crate::command::{Action, Command};
use crate::context::Context;
use crate::look::{LookKind, refresh};
use crate::phrases::{
    Condition, FaultFields, FindingFields, FirstFinding, audit_name, row_trouble, verdict_name, yes,
};

/// Whether the reason for a volume's state is worth a line of its own.
fn is_troubled(row: &VolumeStatus) -> bool {
    row_trouble(row).is_some() || row.fault.is_some()
}

/// What is shown of one volume: a column each.
fn volume_line<'a>(
    name: &'a str,
    broken: bool,
    status_page: &ApplianceStatus,
    row: &VolumeStatus,
) -> VolumeLine<'a> {
    VolumeLine {
        name,
        state: if broken { "broken" } else { row.state.name() },
        moving_to: row.moving.then(|| row.target.name()),
        records: row.records,
        documents: row.documents,
        bytes: row.bytes,
        free: row.free,
        left: row.left,
        check: row.check.name(),
        checked_ms: row.checked_ms,
        verifying: row.verifying,
        audit: audit_name(row),
        verdict: verdict_name(row),
        verified_ms: row.audited.map_or(0, |audited| audited.ended_ms),
        flags: row.flags.into(),
        up_ms: status_page.uptime_ms.saturating_sub(row.since_ms),
        refused: row.refused,
        now_ms: status_page.wall_ms,
    }
}

/// One volume as a row of machine mode: of this kind, what is shown of it, and what else there is to know.
struct VolumeRow<'a>(&'static str, VolumeLine<'a>, &'a VolumeStatus);

impl Display for VolumeRow<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let VolumeRow(kind, line, row) = self;
        let VolumeLine { name, state, records, documents, bytes, free, left, refused, .. } = line;
        let volume_state = row.volume_state.name();
        write!(f, "=archive name={name} kind={kind} state={state} target={}", row.target.name())?;
        write!(f, " moving={} since_ms={} volume={volume_state}", yes(row.moving), row.since_ms)?;
        write!(f, " records={records} documents={documents} bytes={bytes} free={free} left={left}")?;
        write!(f, " refused={refused}")?;
        let VolumeLine { check, checked_ms, audit, verdict, verified_ms, flags, .. } = line;
        write!(f, " check={check} checked_ms={checked_ms} checked_records={}", row.checked_records)?;
        write!(f, " verifying={} audit={audit} verdict={verdict}", yes(row.verifying))?;
        write!(f, " verified_ms={verified_ms} {}", FindingFields(row))?;
        if let Some(due_ms) = row.audit_due_ms {
            write!(f, " audit_due_ms={due_ms}")?;
        }
        write!(f, " flags={flags}")?;
        if let Some(fault) = row.fault {
            write!(f, " {}", FaultFields(fault))?;
        }
        if is_troubled(row) { write!(f, " trouble={}", QuotedText(Condition(row))) } else { Ok(()) }
    }
}

/// The names of what is degraded, separated by commas; `none` if none is.
struct Degraded(u8);

impl Display for Degraded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (_, name, _) in degraded::ALL.iter().filter(|(bit, ..)| self.0 & bit != 0) {
            write!(f, "{comma}{name}")?;
            comma = ",";
        }
        if comma.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

/// Whether what is acknowledged is durable: a key without a value is left out.
struct Durable(Option<bool>);

impl Display for Durable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |durable| write!(f, " durable={}", yes(durable)))
    }
}

fn summary(status_page: &ApplianceStatus) -> Summary {
    Summary {
        uptime_ms: status_page.uptime_ms,
        time_ms: status_page.wall_ms,
        settled: status_page.settled,
        in_service: status_page.in_service,
        unrecorded: status_page.unrecorded.into(),
        durable: status_page.durable,
        read_only: status_page.read_only,
        restored: status_page.restored,
        flags: status_page.flags_open.into(),
    }
}

pub static COMMAND: Command = Command {
    name: LOOK.command,
    arguments: "",
    summary: "every archive: state, records, bytes, room, checks, flags",
    details: &[
        "'scrub' is the archive's own scrub, 'last audit' the auditor's, with their age.",
        "'flags' counts those not acknowledged; 'for' is how long it has been in its state.",
        "'refused' counts what the vault refused: requests outside the archive's own volume",
        "or below what it has committed. The last row is the audit record.",
    ],
    read: |reader, words| match words {
        [] => Ok(Action::Look(&LOOK)),
        _ => Err(reader.usage()),
    },
};

pub static LOOK: LookKind = LookKind { command: "status", show };

/// Shows what is known now.
fn show(context: &mut Context) {
    if !refresh(context) {
        return;
    }
    let machine = context.machine();
    let Context { output, view, archives, volumes, .. } = context;
    let (degraded, age_ms) = (view.degraded(), view.age_ms());
    let Some(status_page) = view.last() else { return };
    let line = |volume: usize| {
        let broken = volume < archives.len() && archives.is_closed(volume);
        volume_line(&volumes[volume], broken, status_page, &status_page.volumes[volume])
    };
    let all = 0..volumes.len();
    if machine {
        for volume in all {
            let kind = if volume < archives.len() { "archive" } else { "audit" };
            output.line(format_args!("{}", VolumeRow(kind, line(volume), &status_page.volumes[volume])));
        }
        let Summary { uptime_ms, time_ms, .. } = summary(status_page);
        output.line(format_args!(
            "+status archives={} uptime_ms={uptime_ms} time={time_ms} age_ms={age_ms}{} read_only={} \
             in_service={} settled={} restored={} degraded={} flags={} hidden={} unrecorded={}",
            archives.len(),
            Durable(status_page.durable),
            yes(status_page.read_only),
            yes(status_page.in_service),
            yes(status_page.settled),
            yes(status_page.restored),
            Degraded(degraded),
            status_page.flags_open,
            status_page.flags_hidden,
            status_page.unrecorded
        ));
        return;
    }
    output.table(VolumeLine::columns(), all.map(&line));
    for (volume, (name, row)) in volumes.iter().zip(&status_page.volumes).enumerate() {
        if volume < archives.len() && line(volume).is_full() {
            output.line(format_args!("  {name} is {FULL}"));
        }
        if is_troubled(row) {
            output.line(format_args!("  {name} is {}", Condition(row)));
        }
        if row.verdict() == Some(Verdict::Mismatch) {
            output.line(format_args!("  {name} does not verify: {}", FirstFinding(row)));
        }
    }
    for (_, _, text) in degraded::ALL.iter().filter(|(bit, ..)| degraded & bit != 0) {
        output.line(format_args!("  {text}"));
    }
    if degraded & degraded::ORCHESTRATOR != 0 {
        output.line(format_args!("  all of this is {} old", Duration(age_ms)));
    }
    output.line(format_args!("+status {}", summary(status_page)));
}
