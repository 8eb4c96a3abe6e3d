//! Hashes documents before their blocks are wanted: those the ledger, read ahead, speaks of. What it says is only a
//! hint where they are, so nothing of it is checked here. Each hash is one of bytes that were read, whatever a record
//! says of them, and to compare it is the verifier's.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ledger_fmt::batch_header::BATCH_BLOCKS_MAX;
use ledger_fmt::hash::{self, ContentHash};
use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::payload::Document;
use ledger_fmt::record::{RECORD_ALIGN, padded_len, payload_at};

use super::ahead::{Place, Work};

/// Bytes of a document that are wanted at once.
const LEN_MAX: u64 = (BATCH_BLOCKS_MAX * BLOCK_SIZE) as u64;

/// Lists of places on their way to who hashes them. What is too much is not hashed here.
const LISTS: usize = 8;

/// What to make of `ledger/` and of `assets/` when they are read ahead: documents are hashed by two threads, which take
/// about as long for that as the walk for the rest.
pub fn works() -> [Vec<Work>; 2] {
    let (lists, hashers): (Vec<_>, Vec<_>) = [Prehash::new(), Prehash::new()].into_iter().unzip();
    let tell = move |_, ledger: &[u8]| {
        let places = find(ledger);
        for list in &lists {
            // The walk hashes what nobody was told of.
            let _ = list.try_send(places.clone());
        }
        VecDeque::new()
    };
    let hash = |mut prehash: Prehash| -> Work { Box::new(move |block, bytes| prehash.hash(block, bytes)) };
    [vec![Box::new(tell)], hashers.into_iter().map(hash).collect()]
}

/// Where the documents are that the records in these bytes of `ledger/` speak of: in order, and none overlaps another.
fn find(ledger: &[u8]) -> Vec<Place> {
    let mut places = Vec::new();
    let (mut at, mut free) = (0, 0);
    while let Some(bytes) = ledger.get(at..).filter(|bytes| !bytes.is_empty()) {
        let Some(payload) = payload_at(bytes) else {
            at += RECORD_ALIGN;
            continue;
        };
        // Hostile bytes may be full of headers: each is passed by whole, or their payloads would be read many times.
        at += padded_len(payload.len());
        let Some(content) = Document::read(payload).and_then(|document| document.content) else { continue };
        let (block, len) = (content.block, content.size);
        if (1..=LEN_MAX).contains(&len) && block >= free {
            places.push(Place { block, len });
            free = block.saturating_add(len.div_ceil(BLOCK_SIZE as u64));
        }
    }
    places
}

/// Hashes documents in blocks that are read from front to back.
struct Prehash {
    lists: Receiver<Vec<Place>>,
    /// Not reached yet.
    places: VecDeque<Place>,
}

impl Prehash {
    fn new() -> (SyncSender<Vec<Place>>, Prehash) {
        let (sender, lists) = sync_channel(LISTS);
        (sender, Prehash { lists, places: VecDeque::new() })
    }

    /// The documents that lie in these blocks as a whole, as far as it is known where they are.
    fn hash(&mut self, first: u64, bytes: &[u8]) -> VecDeque<(Place, ContentHash)> {
        let end = first + (bytes.len() / BLOCK_SIZE) as u64;
        let mut hashes = VecDeque::new();
        loop {
            while let Some(&place) = self.places.front().filter(|place| place.block < end) {
                self.places.pop_front();
                let Some(from) = place.block.checked_sub(first) else { continue };
                let from = from as usize * BLOCK_SIZE;
                if let Some(content) = bytes.get(from..from + place.len as usize) {
                    hashes.push_back((place, hash::content(content)));
                }
            }
            if !self.places.is_empty() {
                return hashes;
            }
            match self.lists.try_recv() {
                Ok(list) => self.places.extend(list),
                Err(_) => return hashes,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger_fmt::layout::Area;
    use ledger_fmt::payload::Content;
    use ledger_fmt::record::{Draft, Head, Header, Kind};
    use ledger_fmt::testing::TestVolume;

    use super::*;

    #[test]
    fn documents_are_found_where_their_records_say() {
        let mut volume = TestVolume::new("a0");
        let lens = [1, 4096, 4097, 0, 8 * 4096, 8 * 4096 + 1, 5];
        let contents = lens.map(|len| vec![7; len]);
        for content in &contents {
            volume.document("name", content);
        }
        volume.commit();
        let ledger = &volume.bytes[volume.range(Area::Ledger, 0, 2)];
        let places = find(ledger);
        // Neither what is empty, nor what is wanted in pieces.
        let expected = [(0, 1), (1, 4096), (2, 4097), (4, 8 * 4096), (21, 5)];
        assert_eq!(places, expected.map(|(block, len)| Place { block, len }));

        let (list, mut prehash) = Prehash::new();
        list.send(places).unwrap();
        let mut hashed = |blocks: std::ops::Range<u64>| -> Vec<(u64, ContentHash)> {
            let bytes = volume.bytes_of(Area::Assets, blocks.start, blocks.end - blocks.start);
            let hashes = prehash.hash(blocks.start, &bytes);
            hashes.into_iter().map(|(place, hash)| (place.len, hash)).collect()
        };
        let hash = |len| (len as u64, hash::content(&vec![7; len]));
        assert_eq!(hashed(0..3), [hash(1), hash(4096)]);
        // One of two blocks was begun before.
        assert_eq!(hashed(3..20), [hash(8 * 4096)]);
        assert_eq!(hashed(20..22), [hash(5)]);
    }

    #[test]
    fn a_hostile_ledger_has_no_block_hashed_twice() {
        let mut bytes = vec![0xff; 64 * BLOCK_SIZE];
        for at in (0..bytes.len()).step_by(RECORD_ALIGN) {
            bytes[at..at + 4].copy_from_slice(&Header::MAGIC);
        }
        assert_eq!(find(&bytes), []);
        // Records whose contents overlap by two thirds.
        let mut at = 0;
        for number in 0..1000 {
            let hash = hash::content(b"");
            let content = Some(Content { size: 2 * BLOCK_SIZE as u64, hash, block: number / 3 });
            let mut payload = [0; 200];
            let len = Document { name: "n", content, supersedes: None }.write(&mut payload).unwrap();
            let draft = Draft { kind: Kind::Document, time_ms: 0, payload: &payload[..len] };
            at += draft.encode(&Head::EMPTY, &mut bytes[at..]).unwrap().0;
        }
        let places = find(&bytes[..at]);
        assert_eq!(places.len(), 167);
        assert!(places.windows(2).all(|pair| pair[0].block + 2 <= pair[1].block));
    }
}
