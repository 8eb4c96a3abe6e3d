//! Content on its way into `assets/`: gathers what arrives in small pieces into messages of up to 32 KiB
//! for the vault. Every document starts on a block of its own; small ones that follow each other share a
//! message.
//!
//! ```text
//! | whole documents, padded to blocks | the open document's bytes so far |        |
//! 0                            complete                               len    VAULT_DATA
//! ```

use alloc::boxed::Box;
use alloc::vec;

use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout};
use totebox_manifest::conversation::VAULT_DATA;
use totebox_vault_client::VaultClient;

use super::Purpose;

/// The buffer and its place in `assets/`.
pub struct Staging {
    layout: Layout,
    buffer: Box<[u8]>,
    /// The asset block of the buffer's first byte: the vault's append position after everything under way.
    block: u64,
    complete: usize,
    len: usize,
}

impl Staging {
    /// An empty one, at the start of `assets/` of a volume of this layout.
    pub fn new(layout: &Layout) -> Staging {
        Staging { layout: *layout, buffer: vec![0; VAULT_DATA].into_boxed_slice(), block: 0, complete: 0, len: 0 }
    }

    /// Nothing is staged, and the vault's append position is `block`.
    pub fn reset(&mut self, block: u64) {
        (self.block, self.complete, self.len) = (block, 0, 0);
    }

    /// The block the next document starts at, when none is open.
    pub fn next_block(&self) -> u64 {
        self.block + (self.complete / BLOCK_SIZE) as u64
    }

    /// The block behind all content that is staged or was sent.
    pub fn end_block(&self) -> u64 {
        self.block + self.len.div_ceil(BLOCK_SIZE) as u64
    }

    /// Bytes that fit behind those of the open document.
    pub fn room(&self) -> usize {
        VAULT_DATA - self.len
    }

    /// Adds `len` bytes to the open document, for which there is room, and returns them. `fill` writes them.
    pub fn push(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> &[u8] {
        let bytes = &mut self.buffer[self.len..self.len + len];
        fill(bytes);
        self.len += len;
        bytes
    }

    /// The open document has all its bytes.
    pub fn close(&mut self) {
        let end = self.len.next_multiple_of(BLOCK_SIZE);
        self.buffer[self.len..end].fill(0);
        (self.complete, self.len) = (end, end);
    }

    /// The bytes of the open document that are still here are dropped.
    pub fn drop_open(&mut self) {
        self.len = self.complete;
    }

    /// Sends the whole documents. False if there was no slot for all; true also if there was nothing to send.
    pub fn send_complete(&mut self, vault: &mut VaultClient<Purpose>) -> bool {
        self.send(self.complete, vault)
    }

    /// Sends the whole blocks of the open document, when there are only its bytes.
    pub fn send_open(&mut self, vault: &mut VaultClient<Purpose>) -> bool {
        assert!(self.complete == 0, "a document cannot overtake those before it");
        self.send(self.len / BLOCK_SIZE * BLOCK_SIZE, vault)
    }

    /// Sends the first `len` bytes, whole blocks, and moves the rest up. What is not in one piece on the disk takes
    /// several messages.
    fn send(&mut self, len: usize, vault: &mut VaultClient<Purpose>) -> bool {
        let mut left = len;
        while left > 0 {
            let run = self.layout.run(Area::Assets, self.block).blocks as usize;
            let piece = left.min(run * BLOCK_SIZE);
            if piece == 0 || !vault.append(Purpose::Assets, super::VOLUME, self.block, &self.buffer[..piece]) {
                return false;
            }
            self.buffer.copy_within(piece..self.len, 0);
            self.len -= piece;
            self.complete = self.complete.saturating_sub(piece);
            self.block += (piece / BLOCK_SIZE) as u64;
            left -= piece;
        }
        true
    }
}
