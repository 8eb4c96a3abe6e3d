//! Reads blocks before they are wanted, in threads, so that the disk and several processors work at the same time.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use ledger_fmt::hash::ContentHash;
use ledger_fmt::layout::Block;
use ledger_fmt::verify::Want;
use zerocopy::{FromZeros, IntoBytes};

use super::image::Reader;

/// Blocks read at a time: many, so that each costs little, and few enough for a processor's cache.
const CHUNK_BLOCKS: usize = 64;

/// Chunks of an area in memory: in use, waiting for that, and being read.
const CHUNKS: usize = 4;

/// Where a document is: the first block, and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In `assets/`.
    pub block: u64,
    /// No more than are wanted at once.
    pub len: u64,
}

/// What a thread makes of blocks it has read, the first of which is this one: hashes of documents in them.
pub type Work = Box<dyn FnMut(u64, &[u8]) -> VecDeque<(Place, ContentHash)> + Send>;

/// Blocks of an area, read from front to back.
pub struct ReadAhead {
    /// Of the area.
    reader: Reader,
    /// Of the threads, until they are started.
    works: Vec<Work>,
    chunk: Chunk,
    /// What comes behind it, in any order.
    later: Vec<Chunk>,
    read: Receiver<Chunk>,
    spent: Sender<Chunk>,
}

#[derive(Default)]
struct Chunk {
    /// The number of the first one.
    start: u64,
    blocks: Vec<Block>,
    /// In the order of their documents.
    hashes: VecDeque<(Place, ContentHash)>,
}

/// What the threads take turns at: one reads at a time, always what comes next, so that the system reads ahead.
struct Source {
    left: Range<u64>,
    spent: Receiver<Chunk>,
}

impl ReadAhead {
    /// Does nothing before something is wanted. Then there is one thread for each of these works. They end when they
    /// are through, when something cannot be read, or when this is dropped; where the system has none to give, nothing
    /// is read ahead.
    pub fn new(reader: Reader, works: Vec<Work>) -> ReadAhead {
        let (read, spent) = (channel().1, channel().0);
        ReadAhead { reader, works, chunk: Chunk::default(), later: Vec::new(), read, spent }
    }

    /// The blocks wanted, and perhaps the document's hash, if they are all of one. `None` if they were not read ahead
    /// in one piece: because they lie behind the end, before others that were asked for already, or in two chunks, or
    /// because they or some before them cannot be read. The first time, reading begins there and goes on to `end`.
    pub fn get(&mut self, want: Want, end: u64) -> Option<(&[u8], Option<ContentHash>)> {
        if !self.works.is_empty() {
            self.start(want.block..end);
        }
        while want.block >= self.chunk.end() {
            self.next()?;
        }
        let from = want.block.checked_sub(self.chunk.start)? as usize;
        let blocks = self.chunk.blocks.get(from..from + want.blocks)?;
        let hashes = &mut self.chunk.hashes;
        while hashes.pop_front_if(|(place, _)| place.block < want.block).is_some() {}
        let hash =
            hashes.front().filter(|(place, _)| (place.block, Some(place.len)) == (want.block, want.content));
        Some((blocks.as_bytes(), hash.map(|(_, hash)| *hash)))
    }

    fn start(&mut self, left: Range<u64>) {
        self.chunk.start = left.start;
        let (to_threads, spent) = channel();
        let (to_walk, read) = channel();
        (1..CHUNKS).for_each(|_| to_threads.send(Chunk::default()).expect("its receiver is here"));
        (self.read, self.spent) = (read, to_threads);
        let source = Arc::new(Mutex::new(Source { left, spent }));
        for work in self.works.drain(..) {
            let (reader, source, to_walk) = (self.reader.clone(), source.clone(), to_walk.clone());
            let thread = move || run(&reader, &source, work, &to_walk);
            let _ = thread::Builder::new().name("read ahead".to_owned()).spawn(thread);
        }
    }

    fn next(&mut self) -> Option<()> {
        let start = self.chunk.end();
        let next = loop {
            match self.later.iter().position(|chunk| chunk.start == start) {
                Some(next) => break self.later.swap_remove(next),
                None => self.later.push(self.read.recv().ok()?),
            }
        };
        // When all was read nobody takes it back.
        let _ = self.spent.send(mem::replace(&mut self.chunk, next));
        Some(())
    }
}

impl Chunk {
    /// The block behind it.
    fn end(&self) -> u64 {
        self.start + self.blocks.len() as u64
    }
}

impl Source {
    /// Reads the next chunk. `None` at the end, and before what cannot be read.
    fn read(&mut self, reader: &Reader) -> Option<Chunk> {
        let Range { start, end } = self.left;
        if start == end {
            return None;
        }
        let Chunk { mut blocks, .. } = self.spent.recv().ok()?;
        blocks.resize((end - start).min(CHUNK_BLOCKS as u64) as usize, Block::new_zeroed());
        // Behind what cannot be read nothing is read ahead.
        self.left.start = end;
        if !reader(start, blocks.as_mut_bytes()) {
            return None;
        }
        self.left.start = start + blocks.len() as u64;
        Some(Chunk { start, blocks, hashes: VecDeque::new() })
    }
}

/// A thread: takes its turns at reading, works, and sends to the walk.
fn run(reader: &Reader, source: &Mutex<Source>, mut work: Work, to_walk: &Sender<Chunk>) {
    loop {
        let chunk = source.lock().ok().and_then(|mut source| source.read(reader));
        let Some(mut chunk) = chunk else { return };
        chunk.hashes = work(chunk.start, chunk.blocks.as_bytes());
        if to_walk.send(chunk).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ledger_fmt::layout::{Area, BLOCK_SIZE};

    use super::*;

    #[test]
    fn chunks_are_used_in_order_whatever_order_they_come_in() {
        let reader: Reader = Arc::new(|block, out| {
            out.chunks_exact_mut(BLOCK_SIZE).zip(block..).for_each(|(out, number)| out.fill(number as u8));
            true
        });
        // The first chunk is held up until the second was sent, and the third begun.
        let (go_on, wait) = channel();
        let wait = Arc::new(Mutex::new(wait));
        let work = |_| -> Work {
            let (go_on, wait) = (go_on.clone(), wait.clone());
            Box::new(move |block, _| {
                match block / CHUNK_BLOCKS as u64 {
                    0 => wait.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap(),
                    2 => go_on.send(()).unwrap(),
                    _ => {}
                }
                VecDeque::new()
            })
        };
        let mut ahead = ReadAhead::new(reader, (0..2).map(work).collect());
        let end = 9 * CHUNK_BLOCKS as u64 + 1;
        let want = |block| Want { area: Area::Ledger, block, blocks: 1, content: None };
        for block in 0..end {
            let (bytes, _) = ahead.get(want(block), end).unwrap();
            assert_eq!(bytes, [block as u8; BLOCK_SIZE]);
        }
        assert!(ahead.get(want(end), end).is_none());
    }
}
