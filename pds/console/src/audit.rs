//! Having the auditor verify: the command goes to the orchestrator, and the verdict comes back on its
//! surface.

use core::fmt;

use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use totebox_console_protocol::text::{Duration, Found, Size};
use totebox_console_protocol::views::UNRECORDED;
use totebox_manifest::VOLUMES_MAX;
use totebox_protocol::audit::{NO_RECORD, Verdict};
use totebox_protocol::operator::Op;
use totebox_protocol::page::SurfaceRow;

use super::context::Context;
use super::errors::Error;
use super::orchestrator::About;
use super::order::{Order, OrderKind};
use super::phrases::{FoundFields, verdict_name, yes};
use super::progress::Then;

// One bit of an order says that a volume's verdict was shown.
const _: () = assert!(VOLUMES_MAX <= u64::BITS as usize);

/// The first finding of the last verification.
pub fn found(row: &SurfaceRow) -> Option<Found<'static>> {
    let (kind, area) = FindingKind::from_u8(row.finding).zip(Area::from_u8(row.finding_area))?;
    let record = Some(row.finding_record.get()).filter(|&record| record != NO_RECORD);
    let (block, count) = (row.finding_block.get(), row.findings.get().into());
    Some(Found { kind: kind.name(), area: area.name(), block, record, count })
}

/// The first finding of a verification, for a person; nothing if there is none.
pub struct FirstFinding<'a>(pub &'a SurfaceRow);

impl fmt::Display for FirstFinding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        found(self.0).map_or(Ok(()), |found| write!(f, "{found}"))
    }
}

/// The first finding of a verification as `KEY=VALUE` pairs.
pub struct FindingFields<'a>(pub &'a SurfaceRow);

impl fmt::Display for FindingFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "findings={}", self.0.findings)?;
        found(self.0).map_or(Ok(()), |found| write!(f, " {}", FoundFields(&found)))
    }
}

/// `audit [VOLUME]`.
pub static AUDIT: OrderKind = OrderKind {
    op: Op::Verify,
    command: "audit",
    taken_up,
    show,
    goes_on: "the auditor goes on, status will show its verdict",
    is_overtaken: |_, _| false,
};

fn covers(about: About, volume: usize) -> bool {
    about == About::AllVolumes || about == About::Volume(volume)
}

/// Whether it is an order under way that shows the operator the verdict with this tag.
pub fn leads_to(order: &Order, volume: usize, tag: u32) -> bool {
    order.is_taken_up() && order.kind.op == Op::Verify && order.name == tag && covers(order.about, volume)
}

fn taken_up(_: &Order, context: &mut Context) {
    if !context.machine() {
        context.output.line(format_args!("verifying; Ctrl-C stops waiting"));
    }
}

/// Shows the verdicts that have come, and ends the wait with the last.
fn show(order: &mut Order, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let Some(surface) = view.last() else { return Then::GoesOn };
    let about = order.about;
    let asked = (0..volumes.len()).filter(move |&volume| covers(about, volume));
    for volume in asked.clone() {
        let row = &surface.rows[volume];
        let has_come = row.verify_tag.get() == order.name && row.verifying == 0;
        if !has_come || order.shown >> volume & 1 == 1 {
            continue;
        }
        order.shown |= 1 << volume;
        let (name, verdict) = (&volumes[volume], verdict_name(row));
        let (records, bytes, ms) = (row.verified_records, row.verified_bytes, row.verify_duration_ms);
        if machine {
            let (recorded, finding) = (yes(1 - row.unrecorded.min(1)), FindingFields(row));
            output.line(format_args!(
                "=volume name={name} verdict={verdict} records={records} bytes={bytes} duration_ms={ms} \
                 recorded={recorded} {finding}"
            ));
        } else {
            let (size, time, finding) = (Size(bytes.get()), Duration(ms.get()), FirstFinding(row));
            let remark = if row.unrecorded == 1 { UNRECORDED } else { "" };
            output.line(format_args!(
                "  {name:<32} {verdict:<12} {records} records, {size} read in {time}{remark}  {finding}"
            ));
        }
    }
    if asked.clone().any(|volume| order.shown >> volume & 1 == 0) {
        return Then::GoesOn;
    }
    // The most serious verdict is the answer.
    let first = |verdict: Verdict| asked.clone().find(|&volume| surface.rows[volume].verdict == verdict as u8);
    if let Some(volume) = first(Verdict::Mismatch) {
        let (name, finding) = (&volumes[volume], FirstFinding(&surface.rows[volume]));
        let text = format_args!("volume {name}: {finding}; keep the disk as it is");
        output.error(Error::Mismatch, None, text);
    } else if let Some(volume) = first(Verdict::Unreadable) {
        let (name, finding) = (&volumes[volume], FirstFinding(&surface.rows[volume]));
        output.error(Error::Unavailable, None, format_args!("volume {name} cannot be read: {finding}"));
    } else if asked.clone().all(|volume| surface.rows[volume].verdict == Verdict::Clean as u8) {
        output.line(format_args!("+audit clean volumes={}", asked.count()));
    } else {
        let text = "not everything was verified: the auditor was lost; verify the disk on the host";
        output.error(Error::NotAnswering, None, format_args!("{text}"));
    }
    Then::Ends
}
