//! News: what has changed on the status page since the operator was last told, each told once.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use totebox_manifest::{Manifest, name_str};
use totebox_protocol::audit::Verdict;
use totebox_protocol::flag::{FLAGS_MAX, Flag};
use totebox_protocol::page::{ArchiveState, VolumeStatus, degraded};
use totebox_protocol::vault::VolumeState;

use super::commands::flags;
use super::context::Context;
use super::order::{Fact, GivenOrder};
use super::output::Output;
use super::phrases::{Condition, FirstFinding, found, trouble, verdict_name};
use super::progress::Progress;

pub struct News {
    deployment: String,
    volumes: Vec<Told>,
    /// Of the domains beside the archives: bits of [`degraded`].
    degraded: u8,
    /// The flags that were announced, as far as they are still there.
    flags: heapless::Vec<u32, FLAGS_MAX>,
    /// There may be flags that were not announced.
    flags_stale: bool,
    /// The page has news that were not told.
    stale: bool,
    /// It was said that the appliance is up.
    welcomed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    state: ArchiveState,
    volume_state: VolumeState,
    /// The last verification's verdict and time, and the order it answered.
    verified: (Option<(Verdict, u64)>, Option<u32>),
}

impl Told {
    fn of(volume: &VolumeStatus) -> Told {
        let audited = volume.audited.map(|audited| (audited.result.verdict, audited.ended_ms));
        let VolumeStatus { state, volume_state, verify_tag, .. } = *volume;
        Told { state, volume_state, verified: (audited, verify_tag) }
    }
}

impl News {
    /// Nothing was told but that the appliance starts.
    pub fn new(manifest: &Manifest<'_>, output: &mut Output) -> Self {
        let (name, archives) = (name_str(&manifest.header().deployment_name), manifest.header().archives);
        output.line(format_args!("*Totebox {name}: starting {archives} archives"));
        News {
            deployment: name.to_string(),
            volumes: vec![Told::of(&VolumeStatus::default()); usize::from(archives) + 1],
            degraded: 0,
            flags: heapless::Vec::new(),
            flags_stale: false,
            stale: false,
            welcomed: false,
        }
    }

    /// There may be something on the page that was not told.
    pub fn expire(&mut self) {
        (self.flags_stale, self.stale) = (true, true);
    }

    /// Announces the next flag that was not announced.
    pub fn announce_flag(&mut self, context: &mut Context) -> Progress {
        let Context { output, view, volumes, .. } = context;
        let Some(status_page) = view.last().filter(|_| self.flags_stale) else { return Progress::Idle };
        let told = &mut self.flags;
        // Those that are not there any more do not come back.
        told.retain(|&id| status_page.flags.iter().any(|flag| flag.id == id));
        let is_new = |flag: &&Flag| flag.is_open() && !told.contains(&flag.id);
        let Some(new) = status_page.flags.iter().filter(is_new).min_by_key(|flag| flag.id) else {
            self.flags_stale = false;
            return Progress::Idle;
        };
        let flag = flags::line(volumes, new);
        let (id, archive, text) = (flag.id, flag.archive, flag.text);
        let blank = if archive.is_empty() { "" } else { " " };
        let unrecorded = if new.audit_record.is_none() { " (not recorded)" } else { "" };
        output.line(format_args!("*flag {id}{blank}{archive} {text}{unrecorded}"));
        told.push(new.id).expect("each is another row's id");
        Progress::Moved
    }

    /// Says what has changed in the domains beside the archives.
    pub fn tell_degraded(&mut self, context: &mut Context) -> Progress {
        let now = context.view.degraded();
        let before = core::mem::replace(&mut self.degraded, now);
        for (bit, name, text) in degraded::ALL {
            match (before & bit != 0, now & bit != 0) {
                (false, true) => context.output.line(format_args!("*{text}")),
                (true, false) => context.output.line(format_args!("*the {name} is working again")),
                _ => {}
            }
        }
        Progress::moved_if(before != now)
    }

    /// Says what changed of the volumes, but for the answer the operator awaits. `Moved` if it looked.
    pub fn tell_volumes(&mut self, awaited: Option<&GivenOrder>, context: &mut Context) -> Progress {
        let Context { output, view, volumes, .. } = context;
        let Some(status_page) = view.last().filter(|_| self.stale) else { return Progress::Idle };
        self.stale = false;
        for (volume, (row, told)) in status_page.volumes.iter().zip(&mut self.volumes).enumerate() {
            let (before, now) = (core::mem::replace(told, Told::of(row)), Told::of(row));
            let name = &volumes[volume];
            let is_archive = volume < volumes.archives();
            let what = if is_archive { "archive" } else { "volume" };
            let is_troubled = trouble(row.volume_state).is_some();
            let has_changed =
                before.state != now.state || (before.volume_state != now.volume_state && is_troubled);
            // That the audit volume comes up after the archives is no news.
            let is_expected = !is_archive && row.state == ArchiveState::Active && !is_troubled;
            let is_awaited = awaited.is_some_and(|order| order.tells(volume, Fact::State(row.state)));
            if has_changed && !is_expected && !is_awaited {
                output.line(format_args!("*{what} {name} is {}", Condition(row)));
            }
            let tells = |order: &GivenOrder, tag| order.tells(volume, Fact::Verified(tag));
            let is_awaited = awaited.zip(row.verify_tag).is_some_and(|(order, tag)| tells(order, tag));
            // What a scheduled audit finds is told by the flags.
            if before.verified != now.verified && !is_awaited && row.verify_tag.is_some() {
                let (verdict, finding) = (verdict_name(row), FirstFinding(row));
                let blank = if found(row).is_none() { "" } else { " " };
                output.line(format_args!("*audit of {name}: {verdict}{blank}{finding}"));
            }
        }
        Progress::Moved
    }

    /// Says once that the appliance is up, with what must be known of its disk.
    pub fn welcome(&mut self, context: &mut Context) -> Progress {
        let Context { output, view, volumes, .. } = context;
        let Some(status_page) = view.last() else { return Progress::Idle };
        if self.welcomed || !status_page.settled {
            return Progress::Idle;
        }
        self.welcomed = true;
        let (name, archives) = (&self.deployment, volumes.archives());
        let active =
            status_page.volumes[..archives].iter().filter(|volume| volume.state == ArchiveState::Active).count();
        output.line(format_args!("*Totebox {name}: {active} of {archives} archives active. Type help."));
        // Of a disk without a volume in service nothing of this is known, or of use.
        if status_page.in_service && status_page.read_only {
            output.line(format_args!("*The disk refuses writes: documents can be read, none can be put."));
        } else if status_page.durable == Some(false) {
            output.line(format_args!("*This disk cannot flush: a power cut may take what was acknowledged."));
        }
        Progress::Moved
    }
}
