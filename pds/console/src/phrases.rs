//! How states, faults, findings and verdicts are said, on whatever line they stand.

use core::fmt::{self, Display, Formatter};

use ledger_fmt::verify::Finding;
use totebox_console_protocol::text::Found;
use totebox_domain::FaultKind;
use totebox_protocol::audit::{Op as Audit, Verdict};
use totebox_protocol::page::{ArchiveState, StatusRow};
use totebox_protocol::vault::VolumeState;

/// A flag of a page as a value.
pub fn yes(flag: u8) -> &'static str {
    if flag == 1 { "yes" } else { "no" }
}

/// Why a volume is not in service, and the way out; `None` if nothing is wrong with it.
pub const fn trouble(state: VolumeState) -> Option<&'static str> {
    Some(match state {
        VolumeState::Recovering | VolumeState::Ready | VolumeState::Sealed => return None,
        VolumeState::NoDisk => "there is no disk; attach the deployment's disk and start again",
        VolumeState::DiskTooSmall => "the disk ends before this volume does; attach the deployment's whole disk",
        VolumeState::Foreign => "no Totebox superblock is there; attach the deployment's disk",
        VolumeState::Damaged => {
            "its superblock or its frontier is damaged; keep the disk, see totebox disk verify"
        }
        VolumeState::OtherDeployment => "the disk belongs to another deployment; attach this deployment's",
        VolumeState::OtherVolume => {
            "another volume or layout is there; the disk and totebox.toml do not belong together"
        }
        VolumeState::OtherVersion => "it has another format version; use the release that wrote it",
        VolumeState::Failed => {
            "a read, write or flush of the disk failed; nothing can be put until the next start"
        }
        VolumeState::ReadOnly => "the disk refuses writes; documents can be read",
    })
}

/// What a fault was, of a kind and at an address.
pub struct FaultText(pub FaultKind, pub u64);

impl Display for FaultText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            FaultKind::Memory => write!(f, "it touched memory at {:#x} it has no right to", self.1),
            FaultKind::Exception => f.write_str("it panicked or ran something illegal"),
            FaultKind::Syscall => f.write_str("it made a call that does not exist"),
            FaultKind::Other => f.write_str("it was ended from outside, or by something of no known kind"),
        }
    }
}

/// The kind of a verification, as the audit record names it.
pub const fn audit_name(op: u8) -> &'static str {
    match Audit::from_wire(op) {
        Some(Audit::VerifyFull) => "full",
        Some(Audit::VerifyIncremental) => "incremental",
        _ => "none",
    }
}

/// A verdict's name; "none" if there is none yet.
pub fn verdict_name(row: &StatusRow) -> &'static str {
    match (row.verdict, Verdict::from_wire(row.verdict)) {
        (0, _) => "none",
        (_, Some(Verdict::Clean)) => "clean",
        (_, Some(Verdict::Mismatch)) => "mismatch",
        (_, Some(Verdict::Unreadable)) => "unreadable",
        _ => "not-verified",
    }
}

/// A finding as `KEY=VALUE` pairs.
pub struct FoundFields<'a>(pub &'a Found<'a>);

impl Display for FoundFields<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Found { kind, area, block, record, .. } = self.0;
        write!(f, "finding={kind} area={area} block={block}")?;
        record.map_or(Ok(()), |record| write!(f, " record={record}"))
    }
}

/// A volume's state in words, with the reason if something is wrong.
pub struct Condition<'a>(pub &'a StatusRow);

impl Display for Condition<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let row = self.0;
        f.write_str(row.state_name())?;
        if let Some(trouble) = row_trouble(row) {
            write!(f, ": {trouble}")?;
        }
        match FaultKind::from_wire(row.fault) {
            None => Ok(()),
            Some(fault) => write!(f, ": {}; {LEFT}", FaultText(fault, row.fault_address.get())),
        }
    }
}

/// What becomes of an archive that has faulted.
const LEFT: &str = "it is left as it is until the appliance starts again";

/// Why an archive whose ledger is damaged takes nothing, what it still does, and the way out.
const DAMAGED: &str = "what is whole of its ledger can be read, nothing can be put; keep the disk, see totebox disk \
                       verify, and use another archive";

/// What is wrong with an archive's ledger, or else with its volume.
pub fn row_trouble(row: &StatusRow) -> Option<&'static str> {
    let damaged = row.state == ArchiveState::Damaged as u8;
    damaged.then_some(DAMAGED).or_else(|| volume_trouble(row))
}

/// What is wrong with a volume.
pub fn volume_trouble(row: &StatusRow) -> Option<&'static str> {
    VolumeState::from_wire(row.volume_state).and_then(trouble)
}

/// The first finding of the last verification.
pub fn found(row: &StatusRow) -> Option<Found<'static>> {
    let Finding { kind, area, block, record } = row.finding()?;
    Some(Found { kind: kind.name(), area: area.name(), block, record, count: row.findings.get().into() })
}

/// The first finding of a verification, for a person; nothing if there is none.
pub struct FirstFinding<'a>(pub &'a StatusRow);

impl Display for FirstFinding<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        found(self.0).map_or(Ok(()), |found| write!(f, "{found}"))
    }
}

/// The first finding of a verification as `KEY=VALUE` pairs.
pub struct FindingFields<'a>(pub &'a StatusRow);

impl Display for FindingFields<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "findings={}", self.0.findings)?;
        found(self.0).map_or(Ok(()), |found| write!(f, " {}", FoundFields(&found)))
    }
}
