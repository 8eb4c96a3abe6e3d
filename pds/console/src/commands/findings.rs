//! `flags VOLUME`: what the last audit of a volume found beyond what became flags.

use totebox_console_protocol::views::{FindingCount, RangeLine};
use totebox_protocol::audit::{FINDINGS_MAX, FoundRange, findings_in, in_use};
use totebox_protocol::operator::Order;
use totebox_protocol::page::VolumeStatus;

use crate::context::Context;
use crate::order::{GivenOrder, OrderKind};
use crate::progress::Then;

/// Findings of the last audit of a volume beyond those that became flags.
pub fn beyond_flags(volume: &VolumeStatus) -> u64 {
    u64::from(volume.findings()).saturating_sub(FINDINGS_MAX as u64)
}

fn line(range: &FoundRange) -> RangeLine<'static> {
    let records = range.records();
    RangeLine {
        findings: range.findings.get().into(),
        kind: range.kind_name(),
        area: range.area_name(),
        block: range.block.get(),
        last_block: range.last_block.get(),
        record: records.map(|(first, _)| first),
        last_record: records.map(|(_, last)| last),
    }
}

/// `flags VOLUME`, which the row of `flags` stands for.
pub static ORDER: OrderKind = OrderKind::new("flags", show);

/// Shows the findings that were asked for, if they have come.
fn show(order: &mut GivenOrder, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, volumes, .. } = context;
    let asked = view.last().filter(|status_page| status_page.findings == order.name);
    let (Some(status_page), Order::Findings(volume)) = (asked, order.order) else { return Then::GoesOn };
    let (name, ranges) = (&volumes[volume], in_use(&status_page.more));
    let (findings, listed) = (status_page.found.into(), findings_in(ranges));
    if machine {
        for range in ranges {
            output.line(format_args!("=range archive={name}{}", line(range)));
        }
        output.line(format_args!("+flags archive={name} findings={findings} listed={listed}"));
        return Then::Ends;
    }
    if !ranges.is_empty() {
        output.table(RangeLine::columns(), ranges.iter().map(line));
    }
    let count = FindingCount { archive: name, findings, listed, flagged: FINDINGS_MAX as u64 };
    output.line(format_args!("+flags {count}"));
    Then::Ends
}
