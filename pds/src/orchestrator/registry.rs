//! One archive as the orchestrator knows it: what it was told to be, what it claims of itself, and whether
//! the kernel had to stop it.

use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::record::HEADER_SIZE;
use totebox_manifest::{LinkKind, Manifest, NO_CHANNEL, Role};
use totebox_shm::{Mapped, PageReader, PageWriter};
use zerocopy::FromZeros;

use crate::proto::page::{ArchiveState, Health, Lifecycle};
use crate::{Channel, Child, Fault, Kernel, SetupError};

/// What an archive says it holds. A claim: only the auditor knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Records committed.
    pub records: u64,
    /// Documents among them.
    pub documents: u64,
    /// Content bytes.
    pub bytes: u64,
}

/// A registered archive.
pub struct Archive {
    channel: Channel,
    child: Child,
    lifecycle: PageWriter<Lifecycle>,
    health: PageReader<Health>,
    /// The command last published.
    told: Lifecycle,
    /// Its own word, as long as that makes sense; `Failed` if it does not.
    state: ArchiveState,
    /// The last claim that made sense.
    claim: Claim,
    fault: Option<Fault>,
    /// Records its ledger has room for.
    records_max: u64,
    /// Bytes its assets have room for.
    asset_bytes_max: u64,
}

impl Archive {
    /// Registers the archive with this index.
    pub fn new(manifest: &Manifest, mapped: Mapped, index: u8) -> Result<Archive, SetupError> {
        let missing = SetupError::Link(Role::Archive, LinkKind::Page);
        let link = manifest.link(Role::Archive, index, LinkKind::Page).ok_or(missing)?;
        let volume = manifest.volumes().get(usize::from(index)).ok_or(SetupError::Volumes)?;
        let layout = volume.layout().ok_or(SetupError::Volumes)?;
        Ok(Archive {
            channel: Channel::of(link).ok_or(missing)?,
            child: (link.child != NO_CHANNEL).then_some(Child(link.child)).ok_or(missing)?,
            lifecycle: PageWriter::new(mapped, link.mine).ok_or(missing)?,
            health: PageReader::new(mapped, link.theirs).ok_or(missing)?,
            told: Lifecycle::new_zeroed(),
            state: ArchiveState::Starting,
            claim: Claim::default(),
            fault: None,
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
        if self.fault.is_some() { ArchiveState::Faulted } else { self.state }
    }

    /// What it last claimed to hold.
    pub fn claim(&self) -> Claim {
        self.claim
    }

    /// Why the kernel stopped it, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Tells the archive what to be.
    pub fn command(&mut self, kernel: &mut dyn Kernel, target: ArchiveState) {
        self.told.sequence += 1;
        self.told.target = target as u8;
        self.lifecycle.publish(&self.told);
        kernel.notify(self.channel);
    }

    /// Reads its health page. Nothing that a faulted archive has published is believed.
    pub fn look(&mut self) {
        let mut health = Health::new_zeroed();
        if self.fault.is_some() || !self.health.read(&mut health) {
            return;
        }
        match self.believe(&health) {
            Some((state, claim)) => (self.state, self.claim) = (state, claim),
            None => self.state = ArchiveState::Failed,
        }
    }

    /// What a health page says, if it can be.
    fn believe(&self, health: &Health) -> Option<(ArchiveState, Claim)> {
        let state = ArchiveState::from_wire(health.state).filter(|&s| s != ArchiveState::Faulted)?;
        let claim =
            Claim { records: health.records.get(), documents: health.documents.get(), bytes: health.bytes.get() };
        // One document cannot be larger than the assets, but several may share content.
        let possible = claim.records <= self.records_max
            && claim.documents <= claim.records
            && claim.bytes <= claim.documents.saturating_mul(self.asset_bytes_max);
        possible.then_some((state, claim))
    }

    /// The kernel stopped it. It stays stopped, as evidence.
    pub fn faulted(&mut self, kernel: &mut dyn Kernel, fault: Fault) {
        kernel.stop(self.child);
        self.fault.get_or_insert(fault);
    }
}
