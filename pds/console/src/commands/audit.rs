//! `audit`: the order goes to the orchestrator, the auditor verifies, and the verdicts come back on the status page.

use totebox_console_protocol::text::{Count, Duration, Size};
use totebox_console_protocol::views::UNRECORDED;
use totebox_manifest::VOLUMES_MAX;
use totebox_protocol::audit::{AuditResult, Verdict};
use totebox_protocol::operator::Order;
use totebox_protocol::page::Audited;

use crate::command::{Action, Command};
use crate::context::Context;
use crate::errors::Error;
use crate::order::{Fact, GivenOrder, OrderKind};
use crate::phrases::{FindingFields, FirstFinding, verdict_name, yes};
use crate::progress::Then;

// One bit of an order says that a volume's verdict was shown.
const _: () = assert!(VOLUMES_MAX <= u64::BITS as usize);

pub static COMMAND: Command = Command {
    name: ORDER.command,
    arguments: "[VOLUME]",
    summary: "have the auditor read and check every committed byte",
    details: &[
        "VOLUME is an archive's name or the audit record's; without it, all of them.",
        "Ctrl-C stops waiting, not the auditor; its verdict then shows in status. verify is the same.",
    ],
    read: |reader, words| {
        let volume = match *words {
            [] => None,
            [name] => Some(reader.volume(name)?),
            _ => return Err(reader.usage()),
        };
        Ok(Action::Order(Order::Verify(volume), &ORDER, &[]))
    },
};

pub static ORDER: OrderKind = OrderKind {
    taken_up,
    goes_on: "the auditor goes on, status will show its verdict",
    tells: |order, volume, fact| fact == Fact::Verified(order.name) && covers(order.order, volume),
    ..OrderKind::new("audit", show)
};

fn covers(order: Order, volume: usize) -> bool {
    order.volume().is_none_or(|only| only == volume)
}

fn taken_up(_: &GivenOrder, context: &mut Context) {
    if !context.machine() {
        context.output.line(format_args!("verifying; Ctrl-C stops waiting"));
    }
}

/// Shows the verdicts that have come, and ends the wait with the last.
fn show(order: &mut GivenOrder, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let Some(status_page) = view.last() else { return Then::GoesOn };
    let given = order.order;
    let asked = (0..volumes.len()).filter(move |&volume| covers(given, volume));
    for volume in asked.clone() {
        let row = &status_page.volumes[volume];
        let has_come = row.verify_tag == Some(order.name) && !row.verifying;
        let Some(Audited { result, .. }) = row.audited.filter(|_| has_come && order.shown >> volume & 1 == 0)
        else {
            continue;
        };
        order.shown |= 1 << volume;
        let (name, verdict) = (&volumes[volume], verdict_name(row));
        let AuditResult { records, bytes, duration_ms: ms, .. } = result;
        if machine {
            let (recorded, finding) = (yes(!result.is_unrecorded()), FindingFields(row));
            output.line(format_args!(
                "=volume name={name} verdict={verdict} records={records} bytes={bytes} duration_ms={ms} \
                 recorded={recorded} {finding}"
            ));
        } else {
            let records = Count(records, "record");
            let (size, time, finding) = (Size(bytes), Duration(ms), FirstFinding(row));
            let remark = if result.is_unrecorded() { UNRECORDED } else { "" };
            output.line(format_args!(
                "  {name:<32} {verdict:<12} {records}, {size} read in {time}{remark}  {finding}"
            ));
        }
    }
    if asked.clone().any(|volume| order.shown >> volume & 1 == 0) {
        return Then::GoesOn;
    }
    // The most serious verdict is the answer.
    let first =
        |verdict: Verdict| asked.clone().find(|&volume| status_page.volumes[volume].verdict() == Some(verdict));
    if let Some(volume) = first(Verdict::Mismatch) {
        let (name, finding) = (&volumes[volume], FirstFinding(&status_page.volumes[volume]));
        let text = format_args!("volume {name}: {finding}; keep the disk as it is");
        output.error(Error::Mismatch, None, text);
    } else if let Some(volume) = first(Verdict::Unreadable) {
        let (name, finding) = (&volumes[volume], FirstFinding(&status_page.volumes[volume]));
        output.error(Error::Unavailable, None, format_args!("volume {name} cannot be read: {finding}"));
    } else if asked.clone().all(|volume| status_page.volumes[volume].verdict() == Some(Verdict::Clean)) {
        output.line(format_args!("+audit clean volumes={}", asked.count()));
    } else {
        let text = "not everything was verified: the auditor was lost; verify the disk on the host";
        output.error(Error::NotAnswering, None, format_args!("{text}"));
    }
    Then::Ends
}
