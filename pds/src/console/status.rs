//! What the operator is shown of the appliance: the `status` table, and news as they happen.

use core::fmt::{self, Write};

use super::errors::Error;
use super::session::{Activity, Session};
use super::text::{Duration, Size, Time};
use super::verify::{FindingFields, FirstFinding, verdict_name};
use crate::kernel::FaultKind;
use crate::proto::audit::Verdict;
use crate::proto::page::{ArchiveState, SurfaceRow};
use crate::proto::vault::VolumeState;

/// What the operator was told of one volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub state: u8,
    pub volume_state: u8,
    /// The last verification's verdict, tag and time.
    pub verified: (u8, u32, u64),
}

impl Told {
    /// What there is to tell.
    pub fn of(row: &SurfaceRow) -> Told {
        let verified = (row.verdict, row.verify_tag.get(), row.verified_ms.get());
        Told { state: row.state, volume_state: row.volume_state, verified }
    }
}

/// Why a volume is not in service, and the way out; `None` if nothing is wrong with it.
const fn trouble(state: VolumeState) -> Option<&'static str> {
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
        VolumeState::Failed => "the disk failed; it takes no writes until the next start",
        VolumeState::ReadOnly => "the disk refuses writes; documents can be read",
    })
}

/// A volume's state in words, with the reason if something is wrong.
struct Condition<'a>(&'a SurfaceRow);

impl fmt::Display for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.0;
        f.write_str(state_name(row))?;
        if let Some(trouble) = VolumeState::from_wire(row.volume_state).and_then(trouble) {
            write!(f, ": {trouble}")?;
        }
        match row.fault {
            0 => Ok(()),
            fault if fault == FaultKind::Memory as u8 => {
                write!(f, ": it touched memory at {:#x} it has no right to", row.fault_address)
            }
            fault if fault == FaultKind::Exception as u8 => write!(f, ": it panicked or ran something illegal"),
            _ => write!(f, ": it made a call that does not exist"),
        }
    }
}

fn state_name(row: &SurfaceRow) -> &'static str {
    ArchiveState::from_wire(row.state).map_or("unknown", ArchiveState::name)
}

fn yes(flag: u8) -> &'static str {
    if flag == 1 { "yes" } else { "no" }
}

/// The last verification, as a column of the table.
struct LastVerify<'a>(&'a SurfaceRow);

impl fmt::Display for LastVerify<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.0;
        let mut text: heapless::String<40> = heapless::String::new();
        let time = Time(row.verified_ms.get());
        match (row.verifying, Verdict::from_wire(row.verdict)) {
            (1, _) => text.write_str("under way"),
            (_, None) => text.write_str("never"),
            (_, Some(Verdict::Clean)) => write!(text, "clean {time}"),
            (_, Some(Verdict::Mismatch)) => write!(text, "MISMATCH {time}"),
            (_, Some(_)) => text.write_str(verdict_name(row)),
        }?;
        f.pad(&text)
    }
}

impl Session {
    /// The `status` command.
    pub(super) fn status(&mut self) {
        if self.surface.refresh().is_none() {
            let text = "the orchestrator has said nothing yet; try again in a moment";
            return self.output.error(Error::Unavailable, None, format_args!("{text}"));
        }
        // What is new in it is told as well.
        self.surface.expire();
        let Some(surface) = self.surface.last() else { return };
        let width = self.volumes.iter().map(|name| name.len()).max().unwrap_or(0).max("archive".len());
        if !self.machine {
            self.output.line(format_args!(
                "{:<width$}  {:<11}  {:>8}  {:>9}  {:>10}  {:>10}  {:<28}  {:>7}",
                "archive", "state", "records", "documents", "bytes", "free", "last verify", "refused"
            ));
        }
        for (volume, (name, row)) in self.volumes.iter().zip(&surface.rows).enumerate() {
            let broken = self.links.get(volume).is_some_and(|link| link.broken);
            let state = if broken { "broken" } else { state_name(row) };
            let (records, documents, refused) = (row.records.get(), row.documents.get(), row.refused.get());
            let (bytes, free) = (row.bytes.get(), row.free.get());
            if self.machine {
                let kind = if volume < self.links.len() { "archive" } else { "audit" };
                let volume_state = VolumeState::from_wire(row.volume_state).map_or("unknown", VolumeState::name);
                let (verifying, verdict, verified_ms) = (yes(row.verifying), verdict_name(row), row.verified_ms);
                let finding = FindingFields(row);
                self.output.line(format_args!(
                    "=archive name={name} kind={kind} state={state} volume={volume_state} records={records} \
                     documents={documents} bytes={bytes} free={free} refused={refused} verifying={verifying} \
                     verdict={verdict} verified_ms={verified_ms} {finding}"
                ));
            } else {
                let (bytes, free, verified) = (Size(bytes), Size(free), LastVerify(row));
                self.output.line(format_args!(
                    "{name:<width$}  {state:<11}  {records:>8}  {documents:>9}  {bytes:>10}  {free:>10}  \
                     {verified:<28}  {refused:>7}"
                ));
            }
        }
        let (uptime_ms, wall_ms) = (surface.uptime_ms.get(), surface.wall_ms.get());
        if self.machine {
            self.output.line(format_args!(
                "+status archives={} uptime_ms={uptime_ms} time={wall_ms} durable={} read_only={} settled={}",
                self.links.len(),
                yes(surface.durable),
                yes(surface.read_only),
                yes(surface.settled)
            ));
            return;
        }
        for (name, row) in self.volumes.iter().zip(&surface.rows) {
            let troubled = VolumeState::from_wire(row.volume_state).and_then(trouble).is_some() || row.fault != 0;
            if troubled {
                self.output.line(format_args!("  {name} is {}", Condition(row)));
            }
            if row.verdict == Verdict::Mismatch as u8 {
                self.output.line(format_args!("  {name} does not verify: {}", FirstFinding(row)));
            }
        }
        let durable = match (surface.settled, surface.durable) {
            (1, 1) => "durable",
            (1, _) => "NOT DURABLE: this disk cannot flush",
            _ => "still starting",
        };
        let (uptime, time) = (Duration(uptime_ms), Time(wall_ms));
        self.output.line(format_args!("+status up {uptime}, {durable}, {time} UTC"));
    }

    /// Tells what has changed on the surface since the operator was last told.
    pub(super) fn tell_news(&mut self) {
        let Some(surface) = self.surface.last() else { return };
        for (volume, (row, told)) in surface.rows.iter().zip(&mut self.told).enumerate() {
            let (before, now) = (core::mem::replace(told, Told::of(row)), Told::of(row));
            let name = &self.volumes[volume];
            let archive = volume < self.links.len();
            let what = if archive { "archive" } else { "volume" };
            let troubled = VolumeState::from_wire(now.volume_state).and_then(trouble).is_some();
            let changed = before.state != now.state || (before.volume_state != now.volume_state && troubled);
            // That the audit volume comes up behind the archives is no news.
            let expected = !archive && now.state == ArchiveState::Active as u8 && !troubled;
            if changed && !expected {
                self.output.line(format_args!("*{what} {name} is {}", Condition(row)));
            }
            let (verdict, tag, _) = now.verified;
            let awaited = matches!(&self.activity, Activity::Verify(verify) if verify.awaits(tag, volume));
            // A scheduled audit (tag 0) that finds nothing is no news.
            if before.verified != now.verified && !awaited && (tag != 0 || verdict != Verdict::Clean as u8) {
                let (verdict, finding) = (verdict_name(row), FirstFinding(row));
                self.output.line(format_args!("*verification of {name}: {verdict} {finding}"));
            }
        }
        self.welcome();
        self.show_verdicts();
    }

    /// Says once that the appliance is up, with what must be known of its disk.
    fn welcome(&mut self) {
        let Some(surface) = self.surface.last() else { return };
        if self.welcomed || surface.settled != 1 {
            return;
        }
        (self.welcomed, self.greeted) = (true, true);
        let archives = self.links.len();
        let active = surface.rows[..archives].iter().filter(|row| row.state == ArchiveState::Active as u8).count();
        let name = &self.deployment;
        self.output.line(format_args!("*Totebox {name}: {active} of {archives} archives active. Type help."));
        if surface.read_only == 1 {
            self.output.line(format_args!("*The disk refuses writes: documents can be read, none can be put."));
        } else if surface.durable != 1 {
            self.output.line(format_args!("*This disk cannot flush: a power cut may take what was acknowledged."));
        }
    }
}
