//! The orchestrator's status page, as it was last read.

use alloc::boxed::Box;

use totebox_domain::SetupError;
use totebox_link::page_reader;
use totebox_manifest::{Manifest, Role};
use totebox_protocol::page::{ArchiveState, StatusPage};
use totebox_shm::{Mapped, PageReader};
use zerocopy::FromZeros;

/// Bytes of heap its two copies take.
pub const HEAP: usize = 2 * size_of::<StatusPage>();

pub struct StatusPageCopy {
    page: PageReader<StatusPage>,
    current: Box<StatusPage>,
    incoming: Box<StatusPage>,
    /// Something was published at all.
    known: bool,
    /// The page may have changed since it was read, or what was read was not looked through.
    stale: bool,
}

impl StatusPageCopy {
    /// The page the orchestrator publishes.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let copy = || StatusPage::new_box_zeroed().map_err(|_| SetupError::Volumes);
        Ok(StatusPageCopy {
            page: page_reader(manifest, mapped, Role::Orchestrator, 0)?,
            current: copy()?,
            incoming: copy()?,
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

    /// Reads the page anew; `None` if nothing was published yet.
    pub fn refresh(&mut self) -> Option<&StatusPage> {
        if self.page.read(&mut self.incoming) {
            core::mem::swap(&mut self.current, &mut self.incoming);
            self.known = true;
        }
        self.last()
    }

    /// The last copy; `None` if nothing was published yet.
    pub fn last(&self) -> Option<&StatusPage> {
        self.known.then_some(&*self.current)
    }

    /// The state of an archive; `None` if it is not known.
    pub fn state(&self, archive: usize) -> Option<ArchiveState> {
        ArchiveState::from_wire(self.last()?.rows.get(archive)?.state)
    }
}
