//! Regions in this process's own memory, for tests that run several domains side by side.

extern crate std;

use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

use totebox_manifest::conversation::{self, PAGE};
use totebox_manifest::{Link, LinkKind, NO_CHANNEL, Region, Role};

use crate::shared::Mapped;

/// Address and size of every region made here.
static REGIONS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// The proof that goes with regions made by [`region`] and [`wire`], and parts of them; no other region
/// is accepted with it.
pub fn mapped() -> Mapped {
    let covers = |vaddr: usize, size: usize| {
        let regions = REGIONS.lock().expect("no test panics while it holds this lock");
        regions.iter().any(|&(start, len)| start <= vaddr && vaddr - start <= len && size <= len - (vaddr - start))
    };
    // SAFETY: the regions of this module are leaked, aligned, exposed, and only reachable through `Shared`.
    unsafe { Mapped::checked(covers) }
}

/// A zeroed region of at least `size` bytes, in whole pages, that lives for the rest of the program.
pub fn region(size: usize) -> Region {
    let size = size.next_multiple_of(PAGE);
    let vaddr = vec![0u64; size / 8].leak().as_mut_ptr().expose_provenance();
    REGIONS.lock().expect("no test panics while it holds this lock").push((vaddr, size));
    Region { vaddr: (vaddr as u64).into(), size: (size as u64).into() }
}

/// One end of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The domain's role.
    pub role: Role,
    /// Among archives, its index; else 0.
    pub index: u8,
    /// The channel's id in this domain, or [`NO_CHANNEL`].
    pub channel: u8,
}

/// A conversation as the manifests of its two ends describe it, over fresh regions of the sizes
/// [`conversation`] gives. Where several domains read one page, copy its region into their links.
pub fn wire(kind: LinkKind, a: End, b: End) -> (Link, Link) {
    let size = |from: Role, to: Role| match kind {
        LinkKind::Queue => conversation::queue(from, to).map(|form| form.region_size()),
        LinkKind::Page => conversation::page(from, to),
    };
    let written = |from: End, to: End| size(from.role, to.role).map(region).unwrap_or_default();
    let (by_a, by_b) = (written(a, b), written(b, a));
    let link = |own: End, peer: End, mine: Region, theirs: Region| Link {
        peer: peer.role as u8,
        peer_index: peer.index,
        channel: own.channel,
        child: NO_CHANNEL,
        kind: kind as u8,
        reserved: [0; 3],
        mine,
        theirs,
    };
    (link(a, b, by_a, by_b), link(b, a, by_b, by_a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PageReader, PageWriter, queue_pair};

    const ARCHIVE: End = End { role: Role::Archive, index: 2, channel: 1 };
    const VAULT: End = End { role: Role::Vault, index: 0, channel: 7 };

    #[test]
    fn a_queue_carries_messages_both_ways() {
        let (of_archive, of_vault) = wire(LinkKind::Queue, ARCHIVE, VAULT);
        assert_eq!((of_archive.peer, of_archive.channel), (Role::Vault as u8, 1));
        assert_eq!((of_vault.peer, of_vault.peer_index), (Role::Archive as u8, 2));
        let form = conversation::queue(Role::Archive, Role::Vault).unwrap();
        let (mut to_vault, mut from_vault) = queue_pair(mapped(), &of_archive, form).unwrap();
        let (mut to_archive, mut from_archive) = queue_pair(mapped(), &of_vault, form).unwrap();

        for round in 0..3 * form.slots {
            let text = [round as u8; 13];
            assert!(to_vault.send(&text, b"there").unwrap());
            assert_eq!(from_archive.available(), Ok(1));
            let mut received = [0; 13];
            from_archive.read(0, &mut received);
            from_archive.release();
            assert_eq!(received, text);
            assert!(to_archive.send(&received, b"back").unwrap());
            let mut data = [0; 4];
            assert_eq!(from_vault.available(), Ok(1));
            from_vault.read(16, &mut data);
            from_vault.release();
            assert_eq!(&data, b"back");
        }
        for _ in 0..form.slots {
            assert!(to_vault.send(&[1], &[]).unwrap());
        }
        assert!(!to_vault.send(&[1], &[]).unwrap(), "a full ring takes nothing more");
    }

    #[test]
    fn a_page_is_read_as_it_was_published() {
        let page = region(PAGE);
        let reader = PageReader::<[u64; 4]>::new(mapped(), page).unwrap();
        let mut writer = PageWriter::<[u64; 4]>::new(mapped(), page).unwrap();
        let mut out = [0; 4];
        assert!(!reader.read(&mut out), "nothing was published yet");
        writer.publish(&[1, 2, 3, 4]);
        writer.publish(&[5, 6, 7, 8]);
        assert!(reader.read(&mut out));
        assert_eq!(out, [5, 6, 7, 8]);
    }
}
