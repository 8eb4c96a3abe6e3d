//! One archive as the orchestrator knows it: what it was told to be, what it claims of itself, whether its
//! thread runs, and its signs of life.

use ledger_fmt::layout::{Area, BLOCK_SIZE};
use ledger_fmt::record::HEADER_SIZE;
use totebox_domain::{Channel, Child, Fault, Kernel, SetupError};
use totebox_ledger_writer::RESERVED_BLOCKS;
use totebox_link::{page_channel, page_reader, page_writer};
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_protocol::audit::NO_RECORD;
use totebox_protocol::flag::Place;
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{ArchiveState, Cause, Check, Health, Lifecycle};
use totebox_shm::{Mapped, PageReader, PageWriter};
use zerocopy::FromZeros;

/// Beats without a sign of life after which an archive hangs. The slowest has its turn several times in each.
pub const HUNG_BEATS: u32 = 15;

/// What an archive says of itself. Claims: only the auditor knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Records committed.
    pub records: u64,
    /// Documents among them.
    pub documents: u64,
    /// Content bytes.
    pub bytes: u64,
    /// Where its own ledger says its lifecycle has come to.
    pub recorded: Standing,
    /// The last command it says it has obeyed.
    obeyed: u64,
    /// Its own scrub.
    pub check: OwnCheck,
}

/// What came of an archive's own scrubs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnCheck {
    /// Passes that have ended since its start.
    pub passes: u64,
    /// How the last one did.
    pub result: Check,
    /// The place of the first thing it found, if it found something.
    pub place: Option<Place>,
    /// Records it looked at.
    pub records: u64,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub ended_ms: u64,
}

/// A registered archive.
pub struct Archive {
    channel: Channel,
    child: Child,
    lifecycle: PageWriter<Lifecycle>,
    health: PageReader<Health>,
    /// The command last published; its sequence number is 0 if there was none.
    told: Lifecycle,
    /// Its own word, as long as that makes sense.
    state: ArchiveState,
    /// The last claim that made sense, if there was one.
    claim: Option<Claim>,
    /// It published what cannot be, and is left as it was then.
    condemned: bool,
    fault: Option<Fault>,
    /// Its thread does not run.
    stopped: bool,
    heartbeat: u64,
    missed: u32,
    /// Blocks of its ledger, and records there is room for.
    ledger_blocks: u64,
    records_max: u64,
    /// Bytes its assets have room for.
    asset_bytes_max: u64,
}

impl Archive {
    /// Registers the archive with this index.
    pub fn new(manifest: &Manifest, mapped: Mapped, index: u8) -> Result<Archive, SetupError> {
        let volume = manifest.volumes().get(usize::from(index)).ok_or(SetupError::Volumes)?;
        let layout = volume.layout().ok_or(SetupError::Volumes)?;
        let missing = SetupError::Link(Role::Archive, LinkKind::Page);
        Ok(Archive {
            channel: page_channel(manifest, Role::Archive, index)?,
            child: manifest.child(Role::Archive, index).map(Child).ok_or(missing)?,
            lifecycle: page_writer(manifest, mapped, Role::Archive, index)?,
            health: page_reader(manifest, mapped, Role::Archive, index)?,
            told: Lifecycle::new_zeroed(),
            state: ArchiveState::Starting,
            claim: None,
            condemned: false,
            fault: None,
            stopped: false,
            heartbeat: 0,
            missed: 0,
            ledger_blocks: layout.ledger.blocks,
            records_max: layout.ledger.blocks * (BLOCK_SIZE / HEADER_SIZE) as u64,
            asset_bytes_max: layout.assets.blocks * BLOCK_SIZE as u64,
        })
    }

    /// The channel it notifies on.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// Its thread.
    pub fn child(&self) -> Child {
        self.child
    }

    /// What it is, as far as can be known without reading its disk.
    pub fn state(&self) -> ArchiveState {
        match self.state {
            _ if self.fault.is_some() => ArchiveState::Faulted,
            _ if self.condemned => ArchiveState::Failed,
            ArchiveState::Active | ArchiveState::Starting if self.stopped => ArchiveState::Suspended,
            state => state,
        }
    }

    /// What it last claimed.
    pub fn claim(&self) -> Claim {
        self.claim.unwrap_or_default()
    }

    /// Where its own ledger says its lifecycle has come to, once it has come up.
    pub fn recorded(&self) -> Option<Standing> {
        self.claim.filter(|_| self.state != ArchiveState::Starting).map(|claim| claim.recorded)
    }

    /// Whether its ledger, of which so many blocks are used, has room for its lifecycle records. What is left of
    /// a full one is kept for its end.
    pub fn has_room_to_tell(&self, used: u64) -> bool {
        self.ledger_blocks.saturating_sub(used) > RESERVED_BLOCKS
    }

    /// Why the kernel stopped it, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Whether it can be told anything: no fault, nor anything it did, has stopped it for good.
    pub fn is_sound(&self) -> bool {
        self.fault.is_none() && !self.condemned
    }

    /// Tells the archive what to be.
    pub fn command(&mut self, kernel: &mut dyn Kernel, target: Standing, cause: Cause) {
        self.told.sequence += 1;
        (self.told.target, self.told.cause) = (target.state() as u8, cause as u8);
        self.lifecycle.publish(&self.told);
        self.missed = 0;
        kernel.notify(self.channel);
    }

    /// Whether it says that it has obeyed the last command.
    pub fn has_obeyed(&self) -> bool {
        self.told.sequence.get() > 0 && self.claim().obeyed == self.told.sequence.get()
    }

    /// Stops its thread, if it runs.
    pub fn stop(&mut self, kernel: &mut dyn Kernel) {
        if !core::mem::replace(&mut self.stopped, true) {
            kernel.stop(self.child);
        }
    }

    /// Lets its thread go on, if it may.
    pub fn resume(&mut self, kernel: &mut dyn Kernel) {
        if self.stopped && self.is_sound() {
            self.stopped = false;
            self.missed = 0;
            kernel.resume(self.child);
        }
    }

    /// Reads its health page. Nothing that an archive has published which is stopped for good is believed.
    /// Returns false if what it says cannot be; then it is stopped for good.
    #[must_use]
    pub fn look(&mut self, kernel: &mut dyn Kernel) -> bool {
        let mut health = Health::new_zeroed();
        if !self.is_sound() || !self.health.read(&mut health) {
            return true;
        }
        match self.believe(&health) {
            Some((state, claim)) => {
                (self.state, self.claim) = (state, Some(claim));
                if self.heartbeat != health.heartbeat.get() {
                    (self.heartbeat, self.missed) = (health.heartbeat.get(), 0);
                }
                true
            }
            None => {
                self.condemned = true;
                self.stop(kernel);
                false
            }
        }
    }

    /// What a health page says, if it can be.
    fn believe(&self, health: &Health) -> Option<(ArchiveState, Claim)> {
        let state = ArchiveState::from_wire(health.state).filter(|&s| s != ArchiveState::Faulted)?;
        let result = Check::from_wire(health.check)?;
        let place = Place {
            area: Area::from_u8(health.check_area)?,
            block: health.check_block.get(),
            record: Some(health.check_record.get()).filter(|&record| record != NO_RECORD),
        };
        let claim = Claim {
            records: health.records.get(),
            documents: health.documents.get(),
            bytes: health.bytes.get(),
            recorded: Standing::from_wire(health.recorded)?,
            obeyed: health.obeyed.get(),
            check: OwnCheck {
                passes: health.checks.get(),
                result,
                place: result.found().then_some(place),
                records: health.checked_records.get(),
                ended_ms: health.checked_ms.get(),
            },
        };
        // One document cannot be larger than the assets, but several may share content.
        let possible = claim.records <= self.records_max
            && claim.documents <= claim.records
            && claim.bytes <= claim.documents.saturating_mul(self.asset_bytes_max)
            && claim.obeyed <= self.told.sequence.get()
            && claim.check.records <= claim.records;
        possible.then_some((state, claim))
    }

    /// Asks for a sign of life. Returns whether it has just been missed for too long.
    pub fn beat(&mut self, kernel: &mut dyn Kernel) -> bool {
        if self.stopped || !self.is_sound() {
            return false;
        }
        kernel.notify(self.channel);
        self.missed = self.missed.saturating_add(1);
        self.missed == HUNG_BEATS
    }

    /// The kernel stopped it. It stays stopped, as evidence.
    pub fn faulted(&mut self, kernel: &mut dyn Kernel, fault: Fault) {
        self.stop(kernel);
        self.fault.get_or_insert(fault);
    }
}
