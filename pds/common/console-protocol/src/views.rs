//! What a person is shown of volumes, flags, records of the audit record, and the appliance as a whole: here
//! once, for the console and for the host tool.

use core::fmt::{self, Display, Formatter};

use super::table::Column;
use super::text::{Age, Duration, Size, Span, Time};

/// A volume in the table of `status`. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct VolumeLine<'a> {
    pub name: &'a str,
    pub state: &'a str,
    pub moving_to: Option<&'a str>,
    pub records: u64,
    pub documents: u64,
    pub bytes: u64,
    /// The largest document there is room for, in bytes.
    pub free: u64,
    /// Documents of at most one block there is certainly room for; of the audit volume, records.
    pub left: u64,
    /// What its own last scrub came to.
    pub check: &'a str,
    pub checked_ms: u64,
    pub verifying: bool,
    /// The last audit's kind: `full`, `incremental` or `none`.
    pub audit: &'a str,
    pub verdict: &'a str,
    pub verified_ms: u64,
    pub flags: u64,
    /// For how long it has been in its state.
    pub up_ms: u64,
    pub refused: u64,
    /// The wall clock, to which ages are counted.
    pub now_ms: u64,
}

/// The remark on a result of an audit that the audit record does not tell of.
pub const UNRECORDED: &str = "; not recorded: the audit record takes no results";

/// What it means that nothing more fits into an archive, and the way out.
pub const FULL: &str =
    "full: what it holds can be read, nothing can be put; use another archive, or provision one";

impl VolumeLine<'_> {
    /// Whether, if it is an archive's, it takes documents but has no room for any.
    pub fn is_full(&self) -> bool {
        self.state == "active" && self.left == 0 && self.records > 0
    }

    fn age(&self, then_ms: u64) -> Age {
        Age { then_ms, now_ms: self.now_ms }
    }
}

impl VolumeLine<'_> {
    pub const fn columns() -> [Column<Self>; 12] {
        [
            Column { title: "archive", right: false, cell: |line, out| out.write_str(line.name) },
            Column {
                title: "state",
                right: false,
                cell: |line, out| match line.moving_to {
                    // Until an archive has said that it is what it was told to be, it is on its way there.
                    Some(target) if target != line.state => write!(out, "{}->{target}", line.state),
                    _ => out.write_str(line.state),
                },
            },
            Column { title: "records", right: true, cell: |line, out| write!(out, "{}", line.records) },
            Column { title: "documents", right: true, cell: |line, out| write!(out, "{}", line.documents) },
            Column { title: "bytes", right: true, cell: |line, out| write!(out, "{}", Size(line.bytes)) },
            Column { title: "free", right: true, cell: |line, out| write!(out, "{}", Size(line.free)) },
            Column { title: "left", right: true, cell: |line, out| write!(out, "{}", line.left) },
            Column {
                title: "scrub",
                right: false,
                cell: |line, out| match line.check {
                    "none" => out.write_str("never"),
                    "mismatch" => write!(out, "MISMATCH{}", line.age(line.checked_ms)),
                    check => write!(out, "{check}{}", line.age(line.checked_ms)),
                },
            },
            Column {
                title: "last audit",
                right: false,
                cell: |line, out| match line.verdict {
                    _ if line.verifying => out.write_str("under way"),
                    "none" => out.write_str("never"),
                    "mismatch" => write!(out, "{} MISMATCH{}", line.audit, line.age(line.verified_ms)),
                    verdict => write!(out, "{} {verdict}{}", line.audit, line.age(line.verified_ms)),
                },
            },
            Column { title: "flags", right: true, cell: |line, out| write!(out, "{}", line.flags) },
            Column { title: "for", right: true, cell: |line, out| write!(out, "{}", Span(line.up_ms)) },
            Column { title: "refused", right: true, cell: |line, out| write!(out, "{}", line.refused) },
        ]
    }
}

/// A flag in the table of `flags`.
#[derive(Clone, Copy, Debug)]
pub struct FlagLine<'a, T> {
    pub id: u64,
    /// When it was raised, in milliseconds since 1970-01-01 UTC.
    pub raised_ms: u64,
    /// The volume it is about; empty if it is about none.
    pub archive: &'a str,
    /// `no`, `recording`, `yes` or `unrecorded`.
    pub acknowledged: &'a str,
    pub text: T,
}

impl<T: Display> FlagLine<'_, T> {
    pub const fn columns() -> [Column<Self>; 5] {
        [
            Column { title: "flag", right: true, cell: |line, out| write!(out, "{}", line.id) },
            Column { title: "raised", right: false, cell: |line, out| write!(out, "{}", Time(line.raised_ms)) },
            Column { title: "acknowledged", right: false, cell: |line, out| out.write_str(line.acknowledged) },
            Column { title: "archive", right: false, cell: |line, out| out.write_str(line.archive) },
            Column { title: "what", right: false, cell: |line, out| write!(out, "{}", line.text) },
        ]
    }
}

/// How many flags are not acknowledged, and how many of them there is no room to show.
#[derive(Clone, Copy, Debug)]
pub struct FlagCount {
    pub open: u64,
    pub hidden: u64,
}

impl Display for FlagCount {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} open", self.open)?;
        if self.hidden == 0 { Ok(()) } else { write!(f, ", {} of them not shown", self.hidden) }
    }
}

/// Findings of one kind in one area, in the table of `flags VOLUME`.
#[derive(Clone, Copy, Debug)]
pub struct RangeLine<'a> {
    pub findings: u64,
    pub kind: &'a str,
    pub area: &'a str,
    pub block: u64,
    pub last_block: u64,
    /// The first record concerned, if one is known.
    pub record: Option<u64>,
    pub last_record: Option<u64>,
}

impl RangeLine<'_> {
    /// The table of `flags VOLUME`.
    pub const fn columns() -> [Column<Self>; 5] {
        [
            Column { title: "findings", right: true, cell: |line, out| write!(out, "{}", line.findings) },
            Column { title: "what", right: false, cell: |line, out| out.write_str(line.kind) },
            Column { title: "area", right: false, cell: |line, out| out.write_str(line.area) },
            Column { title: "blocks", right: false, cell: |line, out| from_to(out, line.block, line.last_block) },
            Column {
                title: "records",
                right: false,
                cell: |line, out| match line.record.zip(line.last_record) {
                    Some((first, last)) => from_to(out, first, last),
                    None => out.write_str("-"),
                },
            },
        ]
    }
}

/// As `KEY=VALUE` pairs, each with a blank before it.
impl Display for RangeLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let RangeLine { findings, kind, area, block, last_block, record, last_record } = self;
        write!(f, " findings={findings} finding={kind} area={area} block={block} last_block={last_block}")?;
        record.map_or(Ok(()), |record| write!(f, " record={record}"))?;
        last_record.map_or(Ok(()), |record| write!(f, " last_record={record}"))
    }
}

fn from_to(out: &mut dyn fmt::Write, first: u64, last: u64) -> fmt::Result {
    if first == last { write!(out, "{first}") } else { write!(out, "{first} to {last}") }
}

/// How much the last audit of a volume found, and how much of it the ranges above say.
#[derive(Clone, Copy, Debug)]
pub struct FindingCount<'a> {
    pub archive: &'a str,
    pub findings: u64,
    /// Those in the ranges.
    pub listed: u64,
    /// Findings of an audit that become flags, at most.
    pub flagged: u64,
}

impl Display for FindingCount<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let FindingCount { archive, findings, listed, flagged } = self;
        match findings.saturating_sub(*flagged) {
            0 => write!(f, "the last audit of {archive} found nothing beyond its flags"),
            beyond => {
                write!(
                    f,
                    "{findings} findings in {archive}: the first {flagged} are flags, {listed} are listed here"
                )?;
                match beyond.saturating_sub(*listed) {
                    0 => Ok(()),
                    left => {
                        write!(f, "; where the other {left} are is not known; audit {archive} finds them")
                    }
                }
            }
        }
    }
}

/// A record of the audit record in the table of `history`.
#[derive(Clone, Copy, Debug)]
pub struct EventLine<'a, T> {
    pub sequence: u64,
    pub time_ms: u64,
    pub kind: &'a str,
    /// The volume it is about; empty if it is about none.
    pub archive: &'a str,
    pub text: T,
}

impl<T: Display> EventLine<'_, T> {
    pub const fn columns() -> [Column<Self>; 5] {
        [
            Column { title: "seq", right: true, cell: |line, out| write!(out, "{}", line.sequence) },
            Column { title: "time", right: false, cell: |line, out| write!(out, "{}", Time(line.time_ms)) },
            Column { title: "kind", right: false, cell: |line, out| out.write_str(line.kind) },
            Column { title: "archive", right: false, cell: |line, out| out.write_str(line.archive) },
            Column { title: "what", right: false, cell: |line, out| write!(out, "{}", line.text) },
        ]
    }
}

/// A record in the listing of `ls`. A listing is shown as it comes, so its columns are as wide as their rows may be.
#[derive(Clone, Copy, Debug)]
pub struct ListingLine<'a, N> {
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    pub kind: &'a str,
    /// Bytes of content.
    pub size: u64,
    /// The document's, quoted.
    pub name: N,
}

/// The first line of a listing.
pub const LISTING_HEAD: &str = "     seq  time                 kind                   size  name";

impl<N: Display> Display for ListingLine<'_, N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ListingLine { sequence, time_ms, kind, size, name } = self;
        write!(f, "{sequence:>8}  {:<19}  {kind:<15}  {:>10}  {name}", Time(*time_ms), Size(*size))
    }
}

/// What a domain noted, in the table of `trace`.
#[derive(Clone, Copy, Debug)]
pub struct NoteLine<T> {
    /// Which one it is in the domain's trace, counted from 0.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// What it says.
    pub text: T,
}

impl<T: Display> NoteLine<T> {
    /// The table of `trace`.
    pub const fn columns() -> [Column<Self>; 3] {
        [
            Column { title: "seq", right: true, cell: |line, out| write!(out, "{}", line.sequence) },
            Column { title: "time", right: false, cell: |line, out| write!(out, "{}", Time(line.time_ms)) },
            Column { title: "what", right: false, cell: |line, out| write!(out, "{}", line.text) },
        ]
    }
}

/// The appliance as a whole, below the table of `status`.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    pub uptime_ms: u64,
    /// Its wall clock, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// Every archive has come up or failed to.
    pub settled: bool,
    pub in_service: bool,
    /// Whether what is acknowledged is durable; `None` unless the vault says so of a disk in service.
    pub durable: Option<bool>,
    pub read_only: bool,
    /// The archives' states were read back from the audit record.
    pub restored: bool,
    pub flags: u64,
    /// Events that the audit record does not tell of.
    pub unrecorded: u64,
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let state = match self {
            Summary { restored: false, .. } => "still reading the archives' states from the audit record",
            Summary { settled: false, .. } => "still starting",
            Summary { in_service: false, .. } => "NOTHING CAN BE PUT: no archive's volume is in service",
            Summary { read_only: true, .. } => "READ ONLY: the disk refuses writes",
            Summary { durable: Some(true), .. } => "durable",
            Summary { durable: Some(false), .. } => "NOT DURABLE: this disk cannot flush",
            Summary { durable: None, .. } => "NOTHING CAN BE PUT: the disk cannot be reached",
        };
        write!(f, "up {}, {state}, ", Duration(self.uptime_ms))?;
        match self.flags {
            0 => {}
            1 => f.write_str("1 flag open, ")?,
            flags => write!(f, "{flags} flags open, ")?,
        }
        match self.unrecorded {
            0 => {}
            1 => f.write_str("1 event not recorded, ")?,
            events => write!(f, "{events} events not recorded, ")?,
        }
        match self.time_ms {
            0 => f.write_str("the clock has not reported the time"),
            time_ms => write!(f, "{} UTC", Time(time_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_rows_of_a_listing_stand_under_its_head() {
        for (sequence, time_ms, size) in [(0, 0, 0), (99_999_999, 1_709_251_200_000, 1 << 40)] {
            let line = ListingLine { sequence, time_ms, kind: "acknowledgement", size, name: "lease" }.to_string();
            for (word, title) in [("acknowledgement", "kind"), ("lease", "name")] {
                assert_eq!(line.find(word), LISTING_HEAD.find(title), "{line}");
            }
        }
    }
}
