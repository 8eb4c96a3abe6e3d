//! One archive as the orchestrator knows it: what it was told to be, what it claims of itself, whether its
//! thread runs, and its signs of life.

use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout};
use ledger_fmt::record::HEADER_SIZE;
use totebox_domain::{Channel, Child, Fault, Kernel, SetupError};
use totebox_ledger_writer::ledger_room;
use totebox_link::{page_channel, page_reader, page_writer};
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{ArchiveState, Cause, Claim, Command, CommandPage, Health, VolumeReport};
use totebox_shm::{Mapped, PageReader, PageWriter};
use zerocopy::FromZeros;

/// Beats without a sign of life after which an archive hangs. The slowest has its turn several times in each.
pub const HUNG_BEATS: u32 = 15;

pub struct Archive {
    channel: Channel,
    child: Child,
    lifecycle: PageWriter<CommandPage>,
    health: PageReader<Health>,
    /// The command last published, if there was one.
    told: Option<Command>,
    /// The last claim that made sense, if there was one.
    claim: Option<Claim>,
    /// It published something invalid, and is left as it was then.
    condemned: bool,
    fault: Option<Fault>,
    stopped: bool,
    missed: u32,
    /// Where its directories are, in a volume of its own.
    layout: Layout,
}

impl Archive {
    pub fn new(manifest: &Manifest, mapped: Mapped, index: u8) -> Result<Archive, SetupError> {
        let volume = manifest.volumes().get(usize::from(index)).ok_or(SetupError::Volumes)?;
        let layout = volume.layout().ok_or(SetupError::Volumes)?;
        let missing = SetupError::Link(Role::Archive, LinkKind::Page);
        Ok(Archive {
            channel: page_channel(manifest, Role::Archive, index)?,
            child: manifest.child(Role::Archive, index).map(Child).ok_or(missing)?,
            lifecycle: page_writer(manifest, mapped, Role::Archive, index)?,
            health: page_reader(manifest, mapped, Role::Archive, index)?,
            told: None,
            claim: None,
            condemned: false,
            fault: None,
            stopped: false,
            missed: 0,
            layout,
        })
    }

    pub fn channel(&self) -> Channel {
        self.channel
    }

    pub fn child(&self) -> Child {
        self.child
    }

    /// What it is, as far as can be known without reading its disk.
    pub fn state(&self) -> ArchiveState {
        match self.claim().state {
            _ if self.fault.is_some() => ArchiveState::Faulted,
            _ if self.condemned => ArchiveState::Failed,
            ArchiveState::Active | ArchiveState::Starting if self.stopped => ArchiveState::Suspended,
            state => state,
        }
    }

    pub fn claim(&self) -> Claim {
        self.claim.unwrap_or_default()
    }

    /// Where its own ledger says its lifecycle has come to, once it has come up.
    pub fn recorded(&self) -> Option<Standing> {
        self.claim.filter(|claim| claim.state != ArchiveState::Starting).map(|claim| claim.recorded)
    }

    /// Whether its volume, so full, has room for its lifecycle records. A full one's rest is kept for its end.
    pub fn has_room_to_tell(&self, of_vault: &VolumeReport) -> bool {
        ledger_room(&self.layout, of_vault.ledger_next, of_vault.assets_next) > 0
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
        let command = Command { sequence: self.commanded() + 1, target, cause };
        self.lifecycle.publish(&command.encode());
        self.told = Some(command);
        self.missed = 0;
        kernel.notify(self.channel);
    }

    /// Whether it says that it has obeyed the last command.
    pub fn has_obeyed(&self) -> bool {
        self.told.is_some() && self.claim().obeyed == self.commanded()
    }

    /// The sequence number of the last command; 0 if there was none.
    fn commanded(&self) -> u64 {
        self.told.map_or(0, |command| command.sequence)
    }

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
    /// Returns false if what it says is invalid; then it is stopped for good.
    #[must_use]
    pub fn look(&mut self, kernel: &mut dyn Kernel) -> bool {
        let mut health = Health::new_zeroed();
        if !self.is_sound() || !self.health.read(&mut health) {
            return true;
        }
        match health.decode().filter(|claim| self.is_possible(claim)) {
            Some(claim) => {
                if self.claim().heartbeat != claim.heartbeat {
                    self.missed = 0;
                }
                self.claim = Some(claim);
                true
            }
            None => {
                self.condemned = true;
                self.stop(kernel);
                false
            }
        }
    }

    /// Whether an archive of this size, which was commanded this, can say so.
    fn is_possible(&self, claim: &Claim) -> bool {
        let records_max = self.layout.blocks_of(Area::Ledger) * (BLOCK_SIZE / HEADER_SIZE) as u64;
        let content_max = self.layout.blocks_of(Area::Assets) * BLOCK_SIZE as u64;
        // One document cannot be larger than all content, but several may share some.
        claim.records <= records_max
            && claim.documents <= claim.records
            && claim.bytes <= claim.documents.saturating_mul(content_max)
            && claim.obeyed <= self.commanded()
            && claim.check.records <= claim.records
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
