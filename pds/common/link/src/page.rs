//! Pages, found in the manifest.

use totebox_domain::{Channel, SetupError};
use totebox_manifest::{Link, LinkKind, Manifest, Region, Role};
use totebox_shm::{Mapped, PageReader, PageWriter};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The page that `peer` (`index` among archives, else 0) publishes for this domain.
pub fn page_reader<T: FromBytes + IntoBytes>(
    manifest: &Manifest<'_>,
    mapped: Mapped,
    peer: Role,
    index: u8,
) -> Result<PageReader<T>, SetupError> {
    region(manifest, peer, index, |link| link.theirs, |region| PageReader::new(mapped, region))
}

/// The page that this domain publishes for `peer` (`index` among archives, else 0).
pub fn page_writer<T: IntoBytes + Immutable>(
    manifest: &Manifest<'_>,
    mapped: Mapped,
    peer: Role,
    index: u8,
) -> Result<PageWriter<T>, SetupError> {
    region(manifest, peer, index, |link| link.mine, |region| PageWriter::new(mapped, region))
}

/// The channel of the page link to `peer` (`index` among archives, else 0), by which one wakes the other.
pub fn page_channel(manifest: &Manifest<'_>, peer: Role, index: u8) -> Result<Channel, SetupError> {
    let link = manifest.link(peer, index, LinkKind::Page);
    link.and_then(Channel::of).ok_or(SetupError::Link(peer, LinkKind::Page))
}

fn region<P>(
    manifest: &Manifest<'_>,
    peer: Role,
    index: u8,
    side: impl FnOnce(&Link) -> Region,
    page: impl FnOnce(Region) -> Option<P>,
) -> Result<P, SetupError> {
    let link = manifest.link(peer, index, LinkKind::Page);
    link.map(side).and_then(page).ok_or(SetupError::Link(peer, LinkKind::Page))
}
