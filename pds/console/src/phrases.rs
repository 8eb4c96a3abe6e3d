//! How states, faults, findings and verdicts are said, on whatever line they stand.

use core::fmt::{self, Display, Formatter};

use ledger_fmt::verify::Finding;
use totebox_console_protocol::text::Found;
use totebox_domain::{Fault, FaultKind};
use totebox_protocol::audit::{AuditResult, Verdict};
use totebox_protocol::page::{ArchiveState, VolumeStatus};
use totebox_protocol::vault::VolumeState;

/// A flag of a page as a value.
pub fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

/// Why a volume is not in service, and the way out; `None` if nothing is wrong with it.
pub const fn trouble(state: VolumeState) -> Option<&'static str> {
    Some(match state {
        VolumeState::Recovering | VolumeState::Ready | VolumeState::Sealed => return None,
        VolumeState::NoDisk => "there is no disk; attach the deployment's disk and start again",
        VolumeState::DiskTooSmall => "the disk ends before this volume does; attach the deployment's whole disk",
        VolumeState::Foreign => {
            "no Totebox superblock is there: it is lost, see totebox disk verify and totebox disk repair, or this is \
             another disk; attach the deployment's"
        }
        VolumeState::Damaged => {
            "its superblock or its frontier is damaged; keep the disk, see totebox disk verify and totebox disk repair"
        }
        VolumeState::OtherDeployment => "the disk belongs to another deployment; attach this deployment's",
        VolumeState::OtherVolume => {
            "another volume or layout is there: totebox.toml was changed (a name, a size, the order), or this is \
             another disk"
        }
        VolumeState::OtherVersion => "it has another format version; use the release that wrote it",
        VolumeState::Failed => {
            "a read, write or flush of the disk failed; nothing can be put until the next start"
        }
        VolumeState::ReadOnly => "the disk refuses writes; documents can be read",
    })
}

/// What a fault was, for a person; where and with which status as far as that is known.
pub struct FaultText(pub Fault);

impl Display for FaultText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Fault { kind, address, instruction, status } = self.0;
        match kind {
            FaultKind::Memory => write!(f, "it touched memory at {address:#x} it has no right to"),
            FaultKind::Exception => f.write_str("it panicked or ran something illegal"),
            FaultKind::Syscall => f.write_str("it made a call that does not exist"),
            FaultKind::Other => f.write_str("it was ended from outside, or by a fault of unknown kind"),
        }?;
        match (instruction, status) {
            (0, 0) => Ok(()),
            _ => write!(f, " (instruction {instruction:#x}, status {status:#x})"),
        }
    }
}

/// A fault as `KEY=VALUE` pairs.
pub struct FaultFields(pub Fault);

impl Display for FaultFields {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Fault { kind, address, instruction, status } = self.0;
        write!(f, "fault={} address={address} instruction={instruction} status={status}", kind.name())
    }
}

/// The kind of the last verification, as the audit record names it; "none" if there is none yet.
pub fn audit_name(volume: &VolumeStatus) -> &'static str {
    volume.audited.map_or("none", |audited| audited.result.scope.name())
}

/// Its verdict's name; "none" if there is none yet.
pub fn verdict_name(volume: &VolumeStatus) -> &'static str {
    volume.verdict().map_or("none", Verdict::name)
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
pub struct Condition<'a>(pub &'a VolumeStatus);

impl Display for Condition<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let row = self.0;
        f.write_str(row.state.name())?;
        if let Some(trouble) = row_trouble(row) {
            write!(f, ": {trouble}")?;
        }
        match row.fault {
            None => Ok(()),
            Some(fault) => write!(f, ": {}; {LEFT}", FaultText(fault)),
        }
    }
}

/// What becomes of an archive that has faulted.
const LEFT: &str = "it is left as it is until the appliance starts again";

/// Why an archive whose ledger is damaged takes nothing, what it still does, and the way out.
const DAMAGED: &str = "what is whole of its ledger can be read, nothing can be put; keep the disk, see totebox disk \
                       verify, and use another archive";

/// What is wrong with an archive's ledger, or else with its volume.
pub fn row_trouble(volume: &VolumeStatus) -> Option<&'static str> {
    if volume.state == ArchiveState::Damaged { Some(DAMAGED) } else { trouble(volume.volume_state) }
}

/// The first finding of the last verification.
pub fn found(volume: &VolumeStatus) -> Option<Found<'static>> {
    first_found(&volume.audited?.result)
}

pub fn first_found(result: &AuditResult) -> Option<Found<'static>> {
    let Finding { kind, area, block, record } = result.first?;
    Some(Found { kind: kind.name(), area: area.name(), block, record, count: result.findings.into() })
}

/// The first finding of a verification, for a person; nothing if there is none.
pub struct FirstFinding<'a>(pub &'a VolumeStatus);

impl Display for FirstFinding<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        found(self.0).map_or(Ok(()), |found| write!(f, "{found}"))
    }
}

/// The first finding of a verification as `KEY=VALUE` pairs.
pub struct FindingFields<'a>(pub &'a VolumeStatus);

impl Display for FindingFields<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "findings={}", self.0.findings())?;
        found(self.0).map_or(Ok(()), |found| write!(f, " {}", FoundFields(&found)))
    }
}
