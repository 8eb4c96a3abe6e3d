//! What the operator is shown of the appliance: the `status` table, and news as they happen.

use core::fmt::{self, Display, Formatter};

use totebox_console_protocol::table::Table;
use totebox_console_protocol::text::Duration;
use totebox_console_protocol::views::{FULL, Summary, VolumeLine};
use totebox_console_protocol::words::QuotedText;
use totebox_protocol::audit::Verdict;
use totebox_protocol::page::{ArchiveState, Check, Surface, SurfaceRow, degraded};
use totebox_protocol::vault::VolumeState;

use super::audit::{FindingFields, FirstFinding};
use super::errors::Error;
use super::phrases::{FaultText, audit_name, named_state, state_name, trouble, verdict_name, yes};
use super::session::{Activity, Session};

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

/// A volume's state in words, with the reason if something is wrong.
struct Condition<'a>(&'a SurfaceRow);

impl Display for Condition<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let row = self.0;
        f.write_str(state_name(row))?;
        if let Some(trouble) = row_trouble(row) {
            write!(f, ": {trouble}")?;
        }
        match row.fault {
            0 => Ok(()),
            fault => write!(f, ": {}; {LEFT}", FaultText(fault, row.fault_address.get())),
        }
    }
}

/// What becomes of an archive that has faulted.
const LEFT: &str = "it is left as it is until the appliance starts again";

/// Why an archive whose ledger is damaged takes nothing, what it still does, and the way out.
const DAMAGED: &str = "what is whole of its ledger can be read, nothing can be put; keep the disk, see totebox disk \
                       verify, and use another archive";

/// What is wrong with an archive's ledger, or else with its volume.
fn row_trouble(row: &SurfaceRow) -> Option<&'static str> {
    let damaged = row.state == ArchiveState::Damaged as u8;
    damaged.then_some(DAMAGED).or_else(|| volume_trouble(row))
}

fn volume_trouble(row: &SurfaceRow) -> Option<&'static str> {
    VolumeState::from_wire(row.volume_state).and_then(trouble)
}

/// Whether the reason for a volume's state is worth a line of its own.
fn is_troubled(row: &SurfaceRow) -> bool {
    row_trouble(row).is_some() || row.fault != 0
}

/// What is shown of one volume: a column each.
fn volume_line<'a>(name: &'a str, broken: bool, surface: &Surface, row: &SurfaceRow) -> VolumeLine<'a> {
    VolumeLine {
        name,
        state: if broken { "broken" } else { state_name(row) },
        moving_to: (row.moving == 1).then(|| named_state(row.target)),
        records: row.records.get(),
        documents: row.documents.get(),
        bytes: row.bytes.get(),
        free: row.free.get(),
        left: row.left.get(),
        check: Check::from_wire(row.check).map_or("unknown", Check::name),
        checked_ms: row.checked_ms.get(),
        verifying: row.verifying == 1,
        audit: audit_name(row.verify_op),
        verdict: verdict_name(row),
        verified_ms: row.verified_ms.get(),
        flags: row.flags.get().into(),
        up_ms: surface.uptime_ms.get().saturating_sub(row.since_ms.get()),
        refused: row.refused.get(),
        now_ms: surface.wall_ms.get(),
    }
}

/// One volume as a row of machine mode: of this kind, what is shown of it, and what else there is to know.
struct VolumeRow<'a>(&'static str, VolumeLine<'a>, &'a SurfaceRow);

impl Display for VolumeRow<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let VolumeRow(kind, line, row) = self;
        let VolumeLine { name, state, records, documents, bytes, free, left, refused, .. } = line;
        let volume_state = VolumeState::from_wire(row.volume_state).map_or("unknown", VolumeState::name);
        write!(f, "=archive name={name} kind={kind} state={state} target={}", named_state(row.target))?;
        write!(f, " moving={} since_ms={} volume={volume_state}", yes(row.moving), row.since_ms)?;
        write!(f, " records={records} documents={documents} bytes={bytes} free={free} left={left}")?;
        write!(f, " refused={refused}")?;
        let VolumeLine { check, checked_ms, audit, verdict, verified_ms, flags, .. } = line;
        write!(f, " check={check} checked_ms={checked_ms} checked_records={}", row.checked_records)?;
        write!(f, " verifying={} audit={audit} verdict={verdict}", yes(row.verifying))?;
        write!(f, " verified_ms={verified_ms} {}", FindingFields(row))?;
        if row.audit_due_ms.get() != u64::MAX {
            write!(f, " audit_due_ms={}", row.audit_due_ms)?;
        }
        write!(f, " flags={flags}")?;
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

fn summary(surface: &Surface) -> Summary {
    Summary {
        uptime_ms: surface.uptime_ms.get(),
        time_ms: surface.wall_ms.get(),
        settled: surface.settled == 1,
        in_service: surface.in_service == 1,
        unrecorded: surface.unrecorded.get().into(),
        durable: surface.durable == 1,
        reachable: surface.degraded & degraded::UNREACHABLE == 0,
        read_only: surface.read_only == 1,
        restored: surface.restored == 1,
        flags: surface.flags_open.get().into(),
    }
}

impl Session {
    /// Reads the surface anew; says so if there is none yet.
    pub(super) fn refresh_surface(&mut self) -> bool {
        if self.surface.refresh().is_none() {
            let (error, text) = match self.orchestrator.is_lost(self.now_ms) {
                true => (Error::NotAnswering, "the orchestrator has not said anything and does not answer"),
                false => (Error::Unavailable, "the orchestrator has said nothing yet; try again in a moment"),
            };
            self.output.error(error, None, format_args!("{text}"));
            return false;
        }
        // What is new in it is told as well.
        self.surface.expire();
        true
    }

    /// The `status` command: what is known now.
    pub(super) fn status(&mut self) {
        if !self.refresh_surface() {
            return;
        }
        let (degraded, age_ms) = (self.degraded(), self.orchestrator.age_ms(self.now_ms));
        let Some(surface) = self.surface.last() else { return };
        let line = |volume: usize| {
            let broken = self.links.get(volume).is_some_and(|link| link.is_closed());
            volume_line(&self.volumes[volume], broken, surface, &surface.rows[volume])
        };
        let volumes = 0..self.volumes.len();
        if self.machine {
            for volume in volumes {
                let kind = if volume < self.links.len() { "archive" } else { "audit" };
                self.output.line(format_args!("{}", VolumeRow(kind, line(volume), &surface.rows[volume])));
            }
            let Summary { uptime_ms, time_ms, .. } = summary(surface);
            self.output.line(format_args!(
                "+status archives={} uptime_ms={uptime_ms} time={time_ms} age_ms={age_ms} durable={} read_only={} \
                 in_service={} settled={} restored={} degraded={} flags={} hidden={} unrecorded={}",
                self.links.len(),
                yes(surface.durable),
                yes(surface.read_only),
                yes(surface.in_service),
                yes(surface.settled),
                yes(surface.restored),
                Degraded(degraded),
                surface.flags_open,
                surface.flags_hidden,
                surface.unrecorded
            ));
            return;
        }
        let table = Table::new(VolumeLine::columns(), volumes.clone().map(line));
        self.output.line(format_args!("{}", table.header()));
        for volume in volumes {
            self.output.line(format_args!("{}", table.row(&line(volume))));
        }
        for (volume, (name, row)) in self.volumes.iter().zip(&surface.rows).enumerate() {
            if volume < self.links.len() && line(volume).is_full() {
                self.output.line(format_args!("  {name} is {FULL}"));
            }
            if is_troubled(row) {
                self.output.line(format_args!("  {name} is {}", Condition(row)));
            }
            if row.verdict == Verdict::Mismatch as u8 {
                self.output.line(format_args!("  {name} does not verify: {}", FirstFinding(row)));
            }
        }
        for (_, _, text) in degraded::ALL.iter().filter(|(bit, ..)| degraded & bit != 0) {
            self.output.line(format_args!("  {text}"));
        }
        if degraded & degraded::ORCHESTRATOR != 0 {
            self.output.line(format_args!("  all of this is {} old", Duration(age_ms)));
        }
        self.output.line(format_args!("+status {}", summary(surface)));
    }

    /// The domains that do not work, as bits of [`degraded`]: by the orchestrator's word, and the console's own
    /// judgement of those it watches.
    fn degraded(&self) -> u8 {
        let told = self.surface.last().map_or(0, |surface| surface.degraded) & !degraded::ORCHESTRATOR;
        let orchestrator = if self.orchestrator.is_lost(self.now_ms) { degraded::ORCHESTRATOR } else { 0 };
        let clock = if self.clock.is_silent(self.now_ms) { degraded::CLOCK } else { 0 };
        told | orchestrator | clock
    }

    /// Says what has changed in the domains beside the archives; whether there was anything.
    pub(super) fn tell_degraded(&mut self) -> bool {
        let now = self.degraded();
        let before = core::mem::replace(&mut self.told_degraded, now);
        for (bit, name, text) in degraded::ALL {
            match (before & bit != 0, now & bit != 0) {
                (false, true) => self.output.line(format_args!("*{text}")),
                (true, false) => self.output.line(format_args!("*the {name} is working again")),
                _ => {}
            }
        }
        before != now
    }

    /// Tells what has changed on the surface since the operator was last told; whether there was anything to
    /// look at.
    pub(super) fn tell_news(&mut self) -> bool {
        let Some(surface) = self.surface.last().filter(|_| self.news) else { return false };
        for (volume, (row, told)) in surface.rows.iter().zip(&mut self.told).enumerate() {
            let (before, now) = (core::mem::replace(told, Told::of(row)), Told::of(row));
            let name = &self.volumes[volume];
            let archive = volume < self.links.len();
            let what = if archive { "archive" } else { "volume" };
            let troubled = volume_trouble(row).is_some();
            let changed = before.state != now.state || (before.volume_state != now.volume_state && troubled);
            // That the audit volume comes up behind the archives is no news.
            let expected = !archive && now.state == ArchiveState::Active as u8 && !troubled;
            let awaited =
                matches!(&self.activity, Activity::Transition(change) if change.tells(volume, now.state));
            if changed && !expected && !awaited {
                self.output.line(format_args!("*{what} {name} is {}", Condition(row)));
            }
            let (_, tag, _) = now.verified;
            let awaited = matches!(&self.activity, Activity::Audit(audit) if audit.awaits(tag, volume));
            // What a scheduled audit (tag 0) finds is told by the flags.
            if before.verified != now.verified && !awaited && tag != 0 {
                let (verdict, finding) = (verdict_name(row), FirstFinding(row));
                let blank = if row.finding == 0 { "" } else { " " };
                self.output.line(format_args!("*audit of {name}: {verdict}{blank}{finding}"));
            }
        }
        self.news = false;
        self.welcome();
        self.answer_order();
        true
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
        } else if surface.durable != 1 && surface.degraded & degraded::UNWRITABLE == 0 {
            self.output.line(format_args!("*This disk cannot flush: a power cut may take what was acknowledged."));
        }
        self.meet();
    }
}
