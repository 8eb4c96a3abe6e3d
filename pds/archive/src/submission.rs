//! Submissions: from `PutBegin` to the receipt.
//!
//! One submission is *open* at a time. Its bytes go through [`Staging`]; when it ends and is what it was
//! declared to be, its record joins the batch that is next and a *pending* entry waits for the commit.
//! What the vault has appended but not committed belongs either to records of that batch or to the open
//! submission, never to both: so giving up the open one gives up nothing else.

use alloc::collections::VecDeque;

use ledger_fmt::Hash;
use ledger_fmt::batch_header::BATCH_PAYLOAD_MAX;
use ledger_fmt::hash::ContentHasher;
use ledger_fmt::layout::{BLOCK_SIZE, Layout};
use ledger_fmt::payload::{Content, DOCUMENT_MIN, DOCUMENT_NAME_MAX, DOCUMENT_REST_MAX, Document};
use ledger_fmt::record::{Draft, Kind, padded_len};
use totebox_ledger_writer::{LedgerWriter, StageError};
use totebox_protocol::intake::{Answered, Refusal, Stored};
use totebox_vault_client::VaultClient;

use super::console::{Console, Message};
use super::staging::Staging;
use super::{Purpose, VOLUME};

/// Submissions that wait for their commit or receipt at most: two batches full of the smallest records.
const PENDING_MAX: usize = 2 * (BATCH_PAYLOAD_MAX / padded_len(DOCUMENT_MIN) + 1);

/// How serving a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    Done,
    /// It must wait until the vault has answered something.
    Blocked,
}

/// The name of a document: at most [`DOCUMENT_NAME_MAX`] bytes of UTF-8 without control characters.
struct Name {
    bytes: [u8; DOCUMENT_NAME_MAX],
    len: usize,
}

impl Name {
    fn read(console: &Console, len: usize) -> Option<Name> {
        let mut name = Name { bytes: [0; DOCUMENT_NAME_MAX], len };
        console.data(name.bytes.get_mut(..len)?);
        let text = core::str::from_utf8(&name.bytes[..len]).ok()?;
        (!text.is_empty() && !text.chars().any(char::is_control)).then_some(name)
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).expect("it was checked when it was read")
    }

    /// Bytes of the payload of its record at most.
    fn payload_max(&self) -> usize {
        self.len + DOCUMENT_REST_MAX
    }
}

struct Open {
    tag: u32,
    name: Name,
    size: Option<u64>,
    hash: Option<Hash>,
    len: u64,
    /// Its first block.
    block: u64,
    /// Whether blocks of it were sent to the vault.
    sent: bool,
}

/// A submission whose record is staged, under way, or committed but not yet acknowledged to the console.
struct Pending {
    tag: u32,
    stored: Stored,
    record: Hash,
}

pub struct Submissions {
    staging: Staging,
    open: Option<Open>,
    /// Of the open submission's bytes.
    hasher: ContentHasher,
    /// The end of the open submission that the console is still to be told.
    ended: Option<(u32, Refusal)>,
    /// The content before this block is of batches that were sent.
    sent_to: u64,
    /// Blocks of a submission that was given up are still to be given up at the vault.
    abandon_due: bool,
    pending: VecDeque<Pending>,
    /// How many of them are durable.
    durable: usize,
    failed: Option<Refusal>,
}

impl Submissions {
    /// None, of an archive whose volume has this layout.
    pub fn new(layout: &Layout) -> Submissions {
        Submissions {
            staging: Staging::new(layout),
            open: None,
            hasher: ContentHasher::default(),
            ended: None,
            sent_to: 0,
            abandon_due: false,
            pending: VecDeque::with_capacity(PENDING_MAX),
            durable: 0,
            failed: None,
        }
    }

    /// The ledger was read, and `assets/` ends at `block`.
    pub fn start(&mut self, block: u64) {
        self.staging.reset(block);
        self.sent_to = block;
    }

    /// Blocks of content whose records wait to be committed.
    pub fn waiting_blocks(&self) -> u64 {
        self.staging.next_block() - self.sent_to
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The block of `assets/` before which all content ends, committed or not.
    pub fn content_end(&self) -> u64 {
        self.staging.end_block()
    }

    /// Whether the vault still has to be told something, apart from commits.
    pub fn is_settled(&self) -> bool {
        self.open.is_none() && !self.abandon_due
    }

    pub fn begin(
        &mut self,
        message: &Message,
        size: Option<u64>,
        hash: Option<Hash>,
        console: &mut Console,
        ledger: &mut LedgerWriter<Purpose>,
    ) {
        ledger.content_ends(self.content_end());
        let begun = self.try_begin(message, size, hash, console, ledger);
        match begun {
            Ok(open) => {
                self.open = Some(open);
                self.hasher.reset();
                console.answer(message.tag, Answered::Ready, &[]);
            }
            Err(refusal) => console.refuse(message.tag, refusal),
        }
    }

    fn try_begin(
        &self,
        message: &Message,
        size: Option<u64>,
        hash: Option<Hash>,
        console: &Console,
        ledger: &LedgerWriter<Purpose>,
    ) -> Result<Open, Refusal> {
        if self.open.is_some() {
            return Err(Refusal::BadRequest);
        }
        let name = Name::read(console, message.len).ok_or(Refusal::BadName)?;
        let open =
            Open { tag: message.tag, size, hash, len: 0, block: self.staging.next_block(), sent: false, name };
        if let Err(StageError::Full) = ledger.room_for(Kind::Document, open.name.payload_max()) {
            return Err(Refusal::Full(0));
        }
        open.check_room(size.unwrap_or(0), ledger)?;
        Ok(open)
    }

    pub fn data(
        &mut self,
        message: &Message,
        offset: u64,
        console: &mut Console,
        ledger: &mut LedgerWriter<Purpose>,
        vault: &mut VaultClient<Purpose>,
    ) -> Served {
        let Some(open) = self.open.as_ref().filter(|open| open.tag == message.tag) else {
            return Served::Done;
        };
        let len = open.len.saturating_add(message.len as u64);
        let checked = match open.size {
            _ if offset != open.len => Err(Refusal::BadRequest),
            Some(size) if len > size => Err(Refusal::WrongSize(len)),
            Some(_) => Ok(()),
            None => open.check_room(len, ledger),
        };
        if let Err(refusal) = checked {
            self.give_up(refusal);
            return Served::Done;
        }
        if !self.make_room(message.len, ledger, vault) {
            return Served::Blocked;
        }
        self.hasher.update(self.staging.push(message.len, |out| console.data(out)));
        self.open.as_mut().expect("seen above").len = len;
        Served::Done
    }

    /// Sends what must be sent so that `len` bytes fit the buffer; false if that has to wait.
    fn make_room(
        &mut self,
        len: usize,
        ledger: &mut LedgerWriter<Purpose>,
        vault: &mut VaultClient<Purpose>,
    ) -> bool {
        if self.staging.room() < len && !self.send_complete(vault) {
            return false;
        }
        if self.staging.room() >= len {
            return true;
        }
        // The buffer is full of the open submission, so the batch must go first: its blocks end here.
        if ledger.staged() > 0 && !self.commit(ledger, vault) {
            return false;
        }
        if !self.settle(vault) {
            return false;
        }
        // Even if only some of it can be sent.
        self.open.as_mut().expect("only an open submission needs room").sent = true;
        self.staging.send_open(vault)
    }

    /// `PutEnd`: stages the record if the submission is what it was declared to be.
    pub fn end(
        &mut self,
        tag: u32,
        time_ms: u64,
        ledger: &mut LedgerWriter<Purpose>,
        vault: &mut VaultClient<Purpose>,
    ) -> Served {
        let Some(open) = self.open.as_ref().filter(|open| open.tag == tag) else { return Served::Done };
        let (hash, size) = (self.hasher.finish(), open.len);
        if open.size.is_some_and(|declared| declared != size) {
            self.give_up(Refusal::WrongSize(size));
            return Served::Done;
        }
        if open.hash.is_some_and(|declared| declared != hash.blake3) {
            self.give_up(Refusal::WrongHash);
            return Served::Done;
        }
        ledger.content_ends(self.content_end());
        let batch_full = ledger.room_for(Kind::Document, open.name.payload_max()) == Err(StageError::BatchFull);
        if self.pending.len() == PENDING_MAX || (batch_full && !self.commit(ledger, vault)) {
            return Served::Blocked;
        }
        let open = self.open.as_ref().expect("seen above");
        let block = if size > 0 { open.block } else { 0 };
        let content = Some(Content { size, hash, block });
        let document = Document { name: open.name.as_str(), content, supersedes: None };
        let mut payload = [0; DOCUMENT_NAME_MAX + DOCUMENT_REST_MAX];
        let len = document.write(&mut payload).expect("the longest there is fits");
        let draft = Draft { kind: Kind::Document, time_ms, payload: &payload[..len] };
        match ledger.stage(&draft) {
            Ok(staged) => {
                let stored = Stored { sequence: staged.sequence, size, hash: hash.blake3, time_ms };
                self.pending.push_back(Pending { tag, stored, record: staged.hash });
                self.open = None;
                self.staging.close();
            }
            Err(_) => self.give_up(Refusal::Full(0)),
        }
        Served::Done
    }

    pub fn cancel(&mut self, tag: u32) {
        if self.open.as_ref().is_some_and(|open| open.tag == tag) {
            self.give_up(Refusal::Cancelled);
        }
    }

    /// Ends the open submission, if there is one; nothing of it is committed.
    pub fn give_up(&mut self, refusal: Refusal) {
        if let Some(open) = self.open.take() {
            self.ended = Some((open.tag, refusal));
            self.staging.drop_open();
            if open.sent {
                self.staging.reset(open.block);
                self.abandon_due = true;
            }
        }
    }

    /// Has the vault give up what was given up here. False if there was no slot.
    pub fn settle(&mut self, vault: &mut VaultClient<Purpose>) -> bool {
        if self.abandon_due && vault.abandon(Purpose::Assets, VOLUME) {
            self.abandon_due = false;
        }
        !self.abandon_due
    }

    fn send_complete(&mut self, vault: &mut VaultClient<Purpose>) -> bool {
        self.settle(vault) && self.staging.send_complete(vault)
    }

    /// Commits the staged batch, its content first. False if that has to wait.
    pub fn commit(&mut self, ledger: &mut LedgerWriter<Purpose>, vault: &mut VaultClient<Purpose>) -> bool {
        let sent = self.send_complete(vault) && ledger.commit(vault);
        if sent {
            self.sent_to = self.staging.next_block();
        }
        sent
    }

    /// The records before `sequence` are durable.
    pub fn committed(&mut self, sequence: u64) {
        let behind = self.pending.iter().skip(self.durable);
        self.durable += behind.take_while(|pending| pending.stored.sequence < sequence).count();
    }

    /// Nothing more can be committed: all that is under way ends with this refusal.
    pub fn fail(&mut self, refusal: Refusal) {
        self.give_up(refusal);
        self.abandon_due = false;
        self.failed = Some(refusal);
    }

    /// Sends the receipts and refusals that are due, as far as there is room.
    pub fn send_answers(&mut self, console: &mut Console) {
        if console.is_broken() {
            self.ended = None;
            self.pending.drain(..self.durable);
            self.durable = 0;
            return;
        }
        while console.room() > 0 {
            if let Some((tag, refusal)) = self.ended.take() {
                console.refuse(tag, refusal);
            } else if self.durable > 0 {
                self.durable -= 1;
                let pending = self.pending.pop_front().expect("as many as are durable");
                console.answer(pending.tag, Answered::Receipt(pending.stored), &pending.record);
            } else if let Some(refusal) = self.failed
                && let Some(pending) = self.pending.pop_front()
            {
                console.refuse(pending.tag, refusal);
            } else {
                return;
            }
        }
    }
}

impl Open {
    /// Whether the volume has room for it and its record if it has `len` bytes.
    fn check_room(&self, len: u64, ledger: &LedgerWriter<Purpose>) -> Result<(), Refusal> {
        let blocks = ledger.content_limit(self.name.payload_max()).saturating_sub(self.block);
        match len.div_ceil(BLOCK_SIZE as u64) <= blocks {
            true => Ok(()),
            false => Err(Refusal::Full(blocks * BLOCK_SIZE as u64)),
        }
    }
}
