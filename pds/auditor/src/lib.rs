//! The auditor: verifies any volume from its bytes on disk, and keeps the audit record.
//!
//! It reads through the vault, hashes by itself, and shares nothing with an archive but the reading of its
//! health page, whose claim it checks. It can write nothing but its own ledger on the audit volume. It never
//! waits: each notification lets it verify what has been read so far and ask for more, which is at most what
//! its buffers hold.
//!
//! | module | what |
//! |---|---|
//! | [`verification`] | one verification: frontier, blocks, verdict |
//! | [`ranges`] | what it finds beyond the first findings |
//! | [`reader`] | reads blocks ahead of the verifier |
//! | [`journal`] | the audit record, and the reports that wait for it |
//! | [`progress`] | how far a volume has been verified |
//! | [`payload`] | what the audit record's records say: what they share |
//! | [`result`](mod@result) | of those, the results of verifications |
//! | [`entry`] | of those, what the orchestrator has recorded |
//! | [`replay`] | what they said before this start |
//! | [`history`] | reading them back for the operator |
//! | [`state`] | what it keeps and publishes beside the audit record |
//! | [`inbox`] | the orchestrator's requests |
//!
//! **A start** reads the whole audit record. It tells how far each volume was verified, so that an incremental
//! verification can go on from there and a volume that was rolled back is found; and what the orchestrator
//! has to know of the time before, which is told it before anything else.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod entry;
mod history;
mod inbox;
mod journal;
mod payload;
mod progress;
mod ranges;
mod reader;
mod replay;
mod result;
mod state;
#[cfg(test)]
mod tests;
mod verification;

use alloc::vec::Vec;

use ledger_fmt::checkpoint;
use totebox_domain::{ChannelSet, Domain, Kernel, SetupError};
use totebox_link::{Tracer, page_reader, signer};
use totebox_manifest::{Manifest, Role, Volume};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::{Health, Time};
use totebox_protocol::trace::Event;
use totebox_shm::{Mapped, PageReader};
use totebox_vault_client::VaultClient;
use zerocopy::FromZeros;

use history::History;
use inbox::Inbox;
use journal::Journal;
use reader::Ticket;
use replay::Replay;
use state::StateStore;
use verification::{ClaimedHead, Verification};

/// Vault replies taken up in one go: as many as its ring holds. Each later one has its own notification.
const REPLIES_MAX: usize = 8;

/// Requests to the vault under way when blocks are asked for: two slots stay free for the audit record.
const READS_MAX: usize = 6;

/// What a request to the vault was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The audit record.
    Journal,
    /// What is kept beside it.
    State,
    /// Records of the audit record, for the operator.
    History,
    /// The frontier of the volume that is being verified.
    Frontier,
    Blocks(Ticket),
}

/// The auditor's logic.
pub struct Auditor {
    vault: VaultClient<Purpose>,
    inbox: Inbox,
    journal: Journal,
    state: StateStore,
    history: History,
    replay: Replay,
    verification: Verification,
    volumes: Vec<Volume>,
    health: Vec<PageReader<Health>>,
    time_page: PageReader<Time>,
    time: Time,
    tracer: Tracer,
    /// Records under the checkpoint that was published last.
    published: u64,
}

impl Auditor {
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Self, SetupError> {
        if manifest.role() != Role::Auditor {
            return Err(SetupError::Role(manifest.role()));
        }
        let header = manifest.header();
        let volumes = manifest.volumes();
        let audit = volumes.last().filter(|_| volumes.len() == usize::from(header.archives) + 1);
        let audit = audit.ok_or(SetupError::Volumes)?;
        let layout = audit.layout().ok_or(SetupError::Volumes)?;
        let time_page = page_reader(manifest, mapped, Role::Clock, 0)?;
        let health = |index| page_reader(manifest, mapped, Role::Archive, index);
        Ok(Auditor {
            vault: VaultClient::new(manifest, mapped)?,
            inbox: Inbox::new(manifest, mapped)?,
            journal: Journal::new(header, audit, header.archives),
            state: StateStore::new(audit, header.archives, signer(header.signing_key, mapped, &audit.superblock)?),
            history: History::new(header.archives),
            replay: Replay::new(volumes),
            verification: Verification::new(audit, layout),
            volumes: volumes.to_vec(),
            health: (0..header.archives).map(health).collect::<Result<_, _>>()?,
            time_page,
            time: Time::new_zeroed(),
            tracer: Tracer::open(manifest, mapped)?,
            published: 0,
        })
    }

    fn read_time(&mut self) {
        let mut time = Time::new_zeroed();
        if self.time_page.read(&mut time) {
            self.time = time;
        }
    }

    fn take_replies(&mut self) {
        for _ in 0..REPLIES_MAX {
            let reply = match self.vault.receive() {
                Ok(Some(reply)) => reply,
                Ok(None) => break,
                Err(_) => {
                    self.tracer.note(Event::VaultLost);
                    return self.journal.vault_broke();
                }
            };
            match reply.purpose {
                Purpose::Journal => {
                    let committed = self.journal.receive(&mut self.vault, &reply, &mut self.replay);
                    if let Some(event) = committed {
                        self.tracer.note(event);
                    }
                }
                Purpose::State => self.state.receive(&self.vault, &reply),
                Purpose::History => self.history.receive(&self.vault, &reply, &self.journal, &self.replay),
                Purpose::Frontier => self.verification.receive_frontier(&self.vault, &reply),
                Purpose::Blocks(ticket) => self.verification.receive_blocks(&self.vault, ticket, &reply),
            }
        }
    }

    /// Lets the verification go on, its result be entered, and the next one begin.
    fn verify(&mut self) {
        loop {
            self.verification.advance(&mut self.vault);
            if let Some(verdicts) = self.verification.verdicts(self.time.uptime_ms.get()) {
                if !self.journal.can_enter() {
                    return;
                }
                let volume = verdicts.job.volume;
                self.tracer.note(Event::AuditEnded { volume, verdict: verdicts.result.verdict });
                self.replay.verified(usize::from(volume), verdicts.result.scope, verdicts.progress);
                let name = self.replay.name(volume).expect("a volume there is");
                self.journal.enter_result(&verdicts, name, self.time.wall_ms.get());
                self.verification.end();
            }
            // Before the audit record was read nothing is known of what was verified before.
            if !self.verification.is_idle() || !self.journal.is_open() {
                return;
            }
            let Some(job) = self.inbox.next_job() else { return };
            self.tracer.note(Event::AuditBegan { volume: job.volume, scope: job.scope });
            let number = usize::from(job.volume);
            let claim = self.claim(number);
            let progress = &self.replay.volume(number).progress;
            self.verification.begin(job, &self.volumes[number], claim, progress, self.time.uptime_ms.get());
        }
    }

    /// The head the volume's writer claims, if it is in service.
    fn claim(&self, volume: usize) -> Option<ClaimedHead> {
        let Some(page) = self.health.get(volume) else { return self.journal.claim() };
        let mut health = Health::new_zeroed();
        if !page.read(&mut health) {
            return None;
        }
        let claim = health.decode()?;
        Standing::of(claim.state).map(|_| ClaimedHead {
            records: claim.records,
            head: claim.head,
            root: claim.root,
        })
    }

    /// Does all there is to do. It ends: nothing new comes in meanwhile.
    fn work(&mut self, kernel: &mut dyn Kernel) {
        self.read_time();
        let wall_ms = self.time.wall_ms.get();
        self.inbox.take(&mut self.journal, &mut self.history, &self.replay, wall_ms);
        self.commit(wall_ms);
        self.verify();
        self.commit(wall_ms);
        self.publish();
        self.state.advance(&mut self.vault);
        self.history.advance(&mut self.vault);
        self.inbox.send(kernel, &mut self.journal, &mut self.history, &mut self.replay);
        self.vault.notify(kernel);
    }

    /// Publishes a checkpoint of the audit record when it is at rest and has grown. What is signed is durable, so that no
    /// power cut can make this key sign two trees of one size.
    fn publish(&mut self) {
        let Some(tree) = self.journal.at_rest().filter(|tree| tree.size > self.published) else { return };
        if self.state.is_idle() {
            let checkpoint = checkpoint::sign(&self.state.signer, &tree);
            let written = self.state.write(self.journal.batches(), |map| map.text("checkpoint", &checkpoint));
            assert!(written, "there is room for far more");
            self.published = tree.size;
        }
    }

    /// Lets the audit record be read or written on, once what stands beside it was read.
    fn commit(&mut self, wall_ms: u64) {
        if !self.state.is_read() {
            return;
        }
        let round_over = self.verification.is_idle() && !self.inbox.has_jobs();
        self.journal.advance(&mut self.vault, &self.replay, wall_ms, round_over);
    }
}

impl Domain for Auditor {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.tracer.wake(kernel.counter_ms());
        self.tracer.note(Event::Started);
        self.work(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, _from: ChannelSet) {
        self.tracer.wake(kernel.counter_ms());
        self.take_replies();
        self.work(kernel);
    }
}
