//! Regions in this process's own memory, for tests that run several domains side by side.

extern crate std;

use core::sync::atomic::AtomicU64;
use std::iter;
use std::sync::{Mutex, MutexGuard};
use std::vec::Vec;

use totebox_manifest::conversation::{self, PAGE};
use totebox_manifest::{Link, LinkKind, NO_CHANNEL, Region, Role};

use crate::shared::{Mapped, Shared};

/// The memory of every region made here. It stays: a [`Shared`] may still refer to it.
static MADE: Mutex<Vec<&[AtomicU64]>> = Mutex::new(Vec::new());

/// Regions that were given back.
static FREE: Mutex<Vec<Region>> = Mutex::new(Vec::new());

fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().expect("no test panics while it holds this lock")
}

/// The proof that goes with regions made by [`region`] and [`wire`], and parts of them; no other region
/// is accepted with it.
pub fn mapped() -> Mapped {
    let covers = |vaddr: usize, size: usize| {
        lock(&MADE).iter().any(|words| {
            let (start, len) = (words.as_ptr().addr(), size_of_val(*words));
            start <= vaddr && vaddr - start <= len && size <= len - (vaddr - start)
        })
    };
    // SAFETY: the regions of this module are leaked, aligned, exposed, and only reachable through `Shared`.
    unsafe { Mapped::checked(covers) }
}

/// A zeroed region of at least `size` bytes, in whole pages. Its memory lives for the rest of the program.
pub fn region(size: usize) -> Region {
    let size = size.next_multiple_of(PAGE);
    if let Some(region) = reused(size) {
        return region;
    }
    let words: Vec<AtomicU64> = iter::repeat_with(AtomicU64::default).take(size / 8).collect();
    let words: &'static [AtomicU64] = words.leak();
    lock(&MADE).push(words);
    Region { vaddr: (words.as_ptr().expose_provenance() as u64).into(), size: (size as u64).into() }
}

/// Gives regions back, to be made again: a test that makes thousands of domains needs the memory of one.
/// Nobody may use them any more; who does sees what the next owner writes.
pub fn give_back(regions: impl IntoIterator<Item = Region>) {
    lock(&FREE).extend(regions.into_iter().filter(|region| region.size.get() > 0));
}

/// A region that was given back, zeroed anew.
fn reused(size: usize) -> Option<Region> {
    let mut free = lock(&FREE);
    let index = free.iter().position(|region| region.size.get() == size as u64)?;
    let region = free.swap_remove(index);
    drop(free);
    let shared = Shared::new(mapped(), region)?;
    for offset in (0..size).step_by(PAGE) {
        shared.write(offset, &[0; PAGE]);
    }
    Some(region)
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

/// A queue's link over two regions, where it does not matter who the peer is.
pub fn queue_link(mine: Region, theirs: Region) -> Link {
    Link {
        peer: Role::Vault as u8,
        peer_index: 0,
        channel: 0,
        child: NO_CHANNEL,
        kind: LinkKind::Queue as u8,
        reserved: [0; 3],
        mine,
        theirs,
    }
}

/// A conversation as the manifests of its two ends describe it, over fresh regions of the sizes
/// [`conversation`] gives. Where several domains read one page, copy its region into their links.
pub fn wire(kind: LinkKind, a: End, b: End) -> (Link, Link) {
    let size = |from: Role, to: Role| match kind {
        LinkKind::Queue => conversation::queue(from, to).map(|form| form.region_size()),
        LinkKind::Page => conversation::page(from, to).map(|page| page.size),
        LinkKind::Trace => (to == conversation::TRACE_READER).then_some(conversation::TRACE_SIZE),
    };
    let written = |from: End, to: End| size(from.role, to.role).map(region).unwrap_or_default();
    let (by_a, by_b) = (written(a, b), written(b, a));
    let link = |own: End, peer: End, mine: Region, theirs: Region| Link {
        peer: peer.role as u8,
        peer_index: peer.index,
        channel: own.channel,
        kind: kind as u8,
        ..queue_link(mine, theirs)
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
    fn a_region_given_back_is_made_again_and_zero() {
        // A size no other test has.
        let used = region(7 * PAGE);
        let words = Shared::new(mapped(), used).unwrap();
        words.store(6 * PAGE, 1);
        give_back([used, Region::default()]);
        assert_eq!((region(7 * PAGE).vaddr, words.load(6 * PAGE)), (used.vaddr, 0));
        assert_ne!(region(7 * PAGE).vaddr, used.vaddr, "each once");
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
