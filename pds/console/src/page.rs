//! The orchestrator's status page, as it was last read.

use alloc::boxed::Box;

use totebox_domain::SetupError;
use totebox_link::page_reader;
use totebox_manifest::{Manifest, Role, VOLUMES_MAX};
use totebox_protocol::page::{ApplianceStatus, ArchiveState, StatusPage};
use totebox_shm::{Mapped, PageReader};
use zerocopy::FromZeros;

/// Bytes of heap they take: the page, what it says, and what it said before.
pub const HEAP: usize = size_of::<StatusPage>() + 2 * ApplianceStatus::heap(VOLUMES_MAX);

pub struct StatusPageCopy {
    page: PageReader<StatusPage>,
    incoming: Box<StatusPage>,
    /// What it says, and room for what it says next.
    status: ApplianceStatus,
    next: ApplianceStatus,
    broken: bool,
    known: bool,
    /// The page may have changed since it was read, or what was read was not looked through.
    stale: bool,
}

impl StatusPageCopy {
    /// The page the orchestrator publishes.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let nothing = || ApplianceStatus::nothing(manifest.volumes().len());
        Ok(StatusPageCopy {
            page: page_reader(manifest, mapped, Role::Orchestrator, 0)?,
            incoming: StatusPage::new_box_zeroed().map_err(|_| SetupError::Volumes)?,
            status: nothing(),
            next: nothing(),
            broken: false,
            known: false,
            stale: true,
        })
    }

    /// The page may have changed.
    pub fn expire(&mut self) {
        self.stale = true;
    }

    /// Reads the page anew if it may have changed; whether there may be something to tell.
    pub fn take_news(&mut self) -> bool {
        core::mem::take(&mut self.stale) && self.refresh().is_some()
    }

    /// Whether it said what no orchestrator says. From then on it is not read any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Reads the page anew; `None` if nothing was published yet.
    pub fn refresh(&mut self) -> Option<&ApplianceStatus> {
        if !self.broken && self.page.read(&mut self.incoming) {
            match self.incoming.decode(&mut self.next) {
                Some(()) => {
                    core::mem::swap(&mut self.status, &mut self.next);
                    self.known = true;
                }
                None => self.broken = true,
            }
        }
        self.last()
    }

    /// What it said last; `None` if nothing was published yet.
    pub fn last(&self) -> Option<&ApplianceStatus> {
        self.known.then_some(&self.status)
    }

    /// The state of an archive; `None` if it is not known.
    pub fn state(&self, archive: usize) -> Option<ArchiveState> {
        self.last()?.volumes.get(archive).map(|volume| volume.state)
    }
}
