//! An archive: takes documents in, commits them, gives them back, publishes its health.
//!
//! | part | what |
//! |---|---|
//! | `console` | the link to the console |
//! | `submission`, `staging` | documents on their way in |
//! | `batch_window` | how long they wait for others to share a flush with |
//! | `reading`, `search`, `records` | documents and listings on their way out |
//! | `scrub`, `position` | its own scrub |
//! | `signing` | its signed checkpoints |
//! | [`ledger_writer`](totebox_ledger_writer) | the ledger: recovery, commits, head |
//!
//! Every handler does all there is to do and then waits for the next notification. A record is committed
//! together with those that come before the console pauses or there is enough of them; two commits may be
//! under way, so that while one is flushed the next is on its way to the disk, and what comes behind them
//! waits for the first to end. So a lone document waits for one flush, many share one, and the disk is never
//! idle for long.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod batch_window;
mod console;
mod position;
mod reading;
mod records;
mod scrub;
mod search;
mod signing;
mod staging;
mod submission;
#[cfg(test)]
mod tests;

use ledger_fmt::record::{Draft, Kind};
use totebox_domain::{Channel, ChannelSet, Domain, Kernel, SetupError};
use totebox_ledger_writer::{Event, LedgerWriter, SAVE_BUSY_BLOCKS, SAVE_IDLE_BLOCKS, State, Trouble};
use totebox_link::{Tracer, page_channel, page_reader, page_writer, signer};
use totebox_manifest::{Manifest, Role};
use totebox_protocol::intake::{Answered, Asked, Refusal};
use totebox_protocol::lifecycle::{self, Standing};
use totebox_protocol::page::{ArchiveState, Claim, Command, CommandPage, Health, Time};
use totebox_protocol::trace;
use totebox_protocol::vault::{Status, VolumeState};
use totebox_shm::{Mapped, PageReader, PageWriter};
use totebox_vault_client::{Received, VaultClient};
use zerocopy::FromZeros;

use batch_window::{BATCH_WINDOW_BLOCKS, BatchWindow, COMMITS_AHEAD};
use console::{Console, Message};
use reading::Reading;
use scrub::Scrub;
use signing::Signing;
use submission::{Served, Submissions};

/// The number of an archive's own volume in its manifest.
const VOLUME: u8 = 0;

/// What a request to the vault was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Ledger,
    Assets,
    Reading,
    Check,
    /// Nothing: the time the answer takes is what it is for. See [`BatchWindow`].
    Delay,
}

pub struct Archive {
    vault: VaultClient<Purpose>,
    ledger: LedgerWriter<Purpose>,
    console: Console,
    submissions: Submissions,
    reading: Reading,
    time: PageReader<Time>,
    lifecycle: PageReader<CommandPage>,
    health: PageWriter<Health>,
    orchestrator: Channel,
    published: Claim,
    /// The orchestrator has not been told of what was published last; and there is news in it.
    untold: bool,
    news: bool,
    batch_window: BatchWindow,
    /// The lifecycle command in force, if there was one.
    command: Option<Command>,
    /// The last command the ledger had no room to tell of.
    unrecorded: Option<u64>,
    check: Scrub,
    signing: Signing,
    /// Its number among archives, by which it notes requests.
    index: u8,
    tracer: Tracer,
}

impl Archive {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        if manifest.role() != Role::Archive {
            return Err(SetupError::Role(manifest.role()));
        }
        let [volume] = manifest.volumes() else { return Err(SetupError::Volumes) };
        let header = manifest.header();
        let ledger = LedgerWriter::new(volume, VOLUME, Purpose::Ledger);
        let period_ms = scrub::period_ms(header);
        Ok(Archive {
            vault: VaultClient::new(manifest, mapped)?,
            console: Console::new(manifest, mapped)?,
            submissions: Submissions::new(ledger.layout()),
            reading: Reading::new(&ledger),
            ledger,
            time: page_reader(manifest, mapped, Role::Clock, 0)?,
            lifecycle: page_reader(manifest, mapped, Role::Orchestrator, 0)?,
            health: page_writer(manifest, mapped, Role::Orchestrator, 0)?,
            orchestrator: page_channel(manifest, Role::Orchestrator, 0)?,
            published: Claim::default(),
            untold: false,
            news: false,
            batch_window: BatchWindow::Full,
            command: None,
            unrecorded: None,
            check: Scrub::new(period_ms),
            signing: Signing::new(signer(header.signing_key, mapped, &volume.superblock)?, period_ms),
            index: header.index,
            tracer: Tracer::open(manifest, mapped)?,
        })
    }

    /// Uptime and wall clock, in milliseconds.
    fn now(&self) -> (u64, u64) {
        let mut time = Time::new_zeroed();
        if self.time.read(&mut time) { (time.uptime_ms.get(), time.wall_ms.get()) } else { (0, 0) }
    }

    fn batch(&mut self, kernel: &mut dyn Kernel) {
        loop {
            self.ledger.advance(&mut self.vault);
            self.begin_ledger();
            self.submissions.send_answers(&mut self.console);
            self.reading.advance(&mut self.console, &self.ledger, &mut self.vault);
            if let Some(wrong) = self.reading.take_wrong() {
                self.check.found(wrong, self.now());
            }
            let served = self.serve_requests();
            self.ledger.content_ends(self.submissions.content_end());
            self.record_standing();
            let signed = self.sign_checkpoint();
            self.commit();
            self.check_itself();
            self.vault.notify(kernel);
            self.console.notify(kernel);
            let replied = self.take_replies();
            if !served && !replied && !signed {
                break;
            }
        }
        self.publish();
        self.tell(kernel);
    }

    /// Gives an empty ledger its first record.
    fn begin_ledger(&mut self) {
        let empty = self.ledger.state() == State::Ready && self.ledger.totals().head.records == 0;
        if empty && self.ledger.staged() == 0 && self.ledger.commits() == 0 {
            let (_, time_ms) = self.now();
            self.ledger.stage_genesis(time_ms).expect("an empty ledger has room for a record");
        }
    }

    /// Takes the vault's replies; true if there were any.
    fn take_replies(&mut self) -> bool {
        let mut replied = false;
        loop {
            let event = match self.vault.receive() {
                Ok(None) => return replied,
                Ok(Some(reply)) => {
                    replied = true;
                    self.take_reply(&reply)
                }
                Err(_) => self.ledger.vault_broke(),
            };
            if let Some(event) = event {
                self.take_event(event);
            }
            if self.vault.is_broken() {
                return replied;
            }
        }
    }

    fn take_reply(&mut self, reply: &Received<Purpose>) -> Option<Event> {
        match reply.purpose {
            Purpose::Ledger => self.ledger.receive(&mut self.vault, reply),
            Purpose::Reading => {
                self.reading.receive(&self.vault, reply);
                None
            }
            // Without its content a record must not be committed; a commit behind it fails too.
            Purpose::Assets if !reply.is_ok() => self.ledger.give_up(Trouble::Refused(reply.answered.status)),
            Purpose::Assets => None,
            Purpose::Check => {
                let now = self.now();
                self.check.receive(&self.vault, &self.ledger, reply, now);
                None
            }
            Purpose::Delay => {
                self.batch_window.answered();
                None
            }
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Started => {
                self.submissions.start(self.ledger.assets_end());
                self.signing.start(&self.ledger);
            }
            Event::Committed { first, records } => {
                self.tracer.note(trace::Event::Committed { records });
                self.publish();
                self.submissions.committed(first + u64::from(records));
                if self.ledger.commits() < COMMITS_AHEAD {
                    // What came meanwhile has waited long enough.
                    self.submissions.commit(&mut self.ledger, &mut self.vault);
                }
            }
            Event::Failed(trouble) => {
                self.tracer.note(match trouble {
                    Trouble::VaultBroken => trace::Event::VaultLost,
                    _ => trace::Event::LedgerFailed,
                });
                let refusal = self.refuses_submissions().unwrap_or(Refusal::Io);
                self.submissions.fail(refusal);
            }
        }
    }

    /// Serves the console's requests until there are no more or one has to wait; true if any was served.
    fn serve_requests(&mut self) -> bool {
        let mut served = false;
        while self.console.room() > 0
            && let Some(message) = self.next_request()
            && self.serve(&message) == Served::Done
        {
            self.console.done();
            self.submissions.send_answers(&mut self.console);
            served = true;
        }
        if served {
            self.batch_window.renew();
        }
        served
    }

    /// The oldest request. It is noted before it is looked into.
    fn next_request(&mut self) -> Option<Message> {
        let message = self.console.request()?;
        if self.console.is_new()
            && let Some(event) = trace::Event::request(self.index, message.asked)
        {
            self.tracer.note(event);
        }
        Some(message)
    }

    /// Serves one request. There is room for an answer.
    fn serve(&mut self, message: &Message) -> Served {
        let (uptime_ms, time_ms) = self.now();
        let (ledger, vault, console) = (&mut self.ledger, &mut self.vault, &mut self.console);
        let tag = message.tag;
        match message.asked {
            Asked::PutBegin { size, hash } => match self.refuses_submissions() {
                Some(refusal) => self.console.refuse(tag, refusal),
                // There will be a moment to sign in.
                None if self.signing.is_due(&self.ledger, uptime_ms) => return Served::Blocked,
                None => self.submissions.begin(message, size, hash, &mut self.console, &mut self.ledger),
            },
            Asked::PutData { offset } => return self.submissions.data(message, offset, console, ledger, vault),
            Asked::PutEnd => return self.submissions.end(tag, time_ms, ledger, vault),
            Asked::PutCancel => self.submissions.cancel(tag),
            Asked::Get { .. } | Asked::List { .. } if self.reading.is_busy() => return Served::Blocked,
            Asked::Get { sequence, offset } => match self.refuses_readings() {
                Some(refusal) => self.console.refuse(tag, refusal),
                None => self.reading.get(tag, sequence, offset, &self.ledger),
            },
            Asked::List { from, count } => match self.refuses_readings() {
                Some(refusal) => self.console.refuse(tag, refusal),
                None => self.reading.list(tag, from, count, &self.ledger),
            },
            Asked::Cancel => self.reading.cancel(console),
            Asked::Sign => return self.serve_sign(tag),
        }
        Served::Done
    }

    /// Signs a checkpoint because the operator asks, and answers when it is durable.
    fn serve_sign(&mut self, tag: u32) -> Served {
        let now = self.now();
        let refusal = match self.refuses_submissions() {
            // Nobody could send the rest of it.
            None if self.submissions.is_open() => Refusal::BadRequest,
            None if !self.is_quiet() || self.ledger.totals().head.records == 0 => return Served::Blocked,
            None if self.ledger.is_signed() => {
                let head = self.ledger.totals().head;
                let (sequence, records, hash) = (head.records - 1, head.records - 1, head.hash);
                self.console.answer(tag, Answered::Signed { sequence, records, hash }, &[]);
                return Served::Done;
            }
            None if !Signing::has_room(&self.ledger) => Refusal::Full(0),
            None => match self.signing.sign(&mut self.ledger, now) {
                Ok(()) => return Served::Blocked,
                Err(_) => Refusal::Full(0),
            },
            Some(refusal) => refusal,
        };
        self.console.refuse(tag, refusal);
        Served::Done
    }

    /// Commits what is staged, if it is time to.
    fn commit(&mut self) {
        if self.console.is_broken() {
            self.submissions.give_up(Refusal::BadRequest);
        }
        if self.is_quiescing() {
            self.submissions.give_up(Refusal::NotActive);
        }
        self.submissions.settle(&mut self.vault);
        let commits = self.ledger.staged() > 0 && self.ledger.commits() < COMMITS_AHEAD;
        if commits && (self.submissions.waiting_blocks() >= BATCH_WINDOW_BLOCKS || !self.waits()) {
            self.submissions.commit(&mut self.ledger, &mut self.vault);
            self.batch_window.renew();
        }
        let idle = self.ledger.staged() == 0 && self.ledger.commits() == 0 && !self.submissions.is_open();
        self.ledger.save(&mut self.vault, if idle { SAVE_IDLE_BLOCKS } else { SAVE_BUSY_BLOCKS });
    }

    /// Whether the staged batch waits for more.
    fn waits(&mut self) -> bool {
        if self.batch_window == BatchWindow::Full && self.vault.hello(Purpose::Delay, VOLUME) {
            self.batch_window = BatchWindow::Waiting { renewed: false };
        }
        self.batch_window != BatchWindow::Spent
    }

    /// Why a submission cannot begin, if it cannot.
    fn refuses_submissions(&self) -> Option<Refusal> {
        Some(match self.ledger.state() {
            State::Closed(VolumeState::Sealed) => Refusal::Sealed,
            State::Failed(Trouble::Refused(Status::Sealed)) => Refusal::Sealed,
            State::Failed(Trouble::Unavailable(VolumeState::Damaged)) if self.ledger.is_readable() => {
                Refusal::Damaged
            }
            State::Failed(Trouble::Damaged(_)) => Refusal::Damaged,
            State::Closed(_) | State::Failed(Trouble::Unavailable(_) | Trouble::Refused(Status::Unavailable)) => {
                Refusal::Unavailable
            }
            State::Failed(Trouble::Refused(_) | Trouble::VaultBroken) => Refusal::Io,
            State::Starting | State::Ready if self.state() == ArchiveState::Active && !self.is_quiescing() => {
                return None;
            }
            // Before the next start the ledger is not closed: but nothing is added to it any more.
            State::Ready if self.target() == Standing::Archived => Refusal::Sealed,
            State::Starting | State::Ready => Refusal::NotActive,
        })
    }

    /// Why nothing can be read, if nothing can.
    fn refuses_readings(&self) -> Option<Refusal> {
        match self.ledger.state() {
            State::Starting => Some(Refusal::NotActive),
            State::Failed(Trouble::Unavailable(_)) if !self.ledger.is_readable() => self.refuses_submissions(),
            _ => None,
        }
    }

    fn state(&self) -> ArchiveState {
        match self.ledger.state() {
            State::Starting => ArchiveState::Starting,
            State::Ready if self.ledger.totals().head.records == 0 => ArchiveState::Starting,
            State::Ready if self.has_obeyed() => self.target().state(),
            // On its way from one to the other it still is what it was; but it takes nothing more.
            State::Ready => self.ledger.totals().standing.state(),
            State::Closed(VolumeState::Sealed) => ArchiveState::Archived,
            State::Failed(Trouble::Refused(Status::Sealed)) => ArchiveState::Archived,
            State::Failed(Trouble::Damaged(_)) => ArchiveState::Damaged,
            State::Failed(Trouble::Unavailable(VolumeState::Damaged)) if self.ledger.is_readable() => {
                ArchiveState::Damaged
            }
            State::Closed(_) | State::Failed(Trouble::Unavailable(_)) => ArchiveState::Unavailable,
            State::Failed(_) => ArchiveState::Failed,
        }
    }

    /// What it is to be: what its ledger says, until the orchestrator speaks. What is closed stays closed.
    fn target(&self) -> Standing {
        let recorded = self.ledger.totals().standing;
        match self.command {
            Some(command) if recorded != Standing::Archived => command.target,
            _ => recorded,
        }
    }

    /// Whether it takes nothing, or soon will not.
    fn is_quiescing(&self) -> bool {
        self.target() != Standing::Active
    }

    /// Whether it is what it is to be: nothing is under way, and its ledger says so, or cannot.
    fn has_obeyed(&self) -> bool {
        let totals = self.ledger.totals();
        // What comes to rest signs first, if it can.
        let signs = totals.standing == Standing::Archived
            || (totals.standing == Standing::Suspended && Signing::has_room(&self.ledger));
        let owes = signs && !totals.signed;
        let told = (totals.standing == self.target() && !owes)
            || self.unrecorded == Some(self.commanded())
            || self.ledger.state() != State::Ready;
        let at_rest = !self.is_quiescing() || self.is_quiet();
        self.ledger.state() != State::Starting && told && at_rest
    }

    /// Enters what it is to be into its ledger, as soon as nothing else is under way.
    fn record_standing(&mut self) {
        let (recorded, target) = (self.ledger.totals().standing, self.target());
        let due = self.ledger.state() == State::Ready && self.ledger.totals().head.records > 0;
        if !due || recorded == target || self.has_obeyed() || !self.is_quiet() {
            return;
        }
        let Some(Command { cause, .. }) = self.command else { return };
        let (payload, time_ms) = (lifecycle::payload(recorded, target, cause), self.now().1);
        // What is left of a full ledger is kept for its end.
        let kind = if target == Standing::Archived { Kind::Lifecycle } else { Kind::Document };
        let draft = Draft { kind: Kind::Lifecycle, time_ms, payload: &payload };
        let staged = self.ledger.room_for(kind, payload.len()).and_then(|()| self.ledger.stage(&draft));
        if staged.is_err() {
            self.unrecorded = Some(self.commanded());
        }
    }

    /// Signs a checkpoint if one is due and nothing else is under way; whether it did.
    fn sign_checkpoint(&mut self) -> bool {
        let now = self.now();
        if !self.is_quiet() || !self.signing.is_due(&self.ledger, now.0) {
            return false;
        }
        let signed = self.signing.sign(&mut self.ledger, now).is_ok();
        if !signed {
            self.unrecorded = Some(self.commanded());
        }
        signed
    }

    /// Lets its own scrub go on, if it has nothing better to do.
    fn check_itself(&mut self) {
        if self.is_quiet() && !self.reading.is_busy() {
            let now = self.now();
            self.check.advance(&self.ledger, &mut self.vault, now);
        }
    }

    /// Whether nothing is under way that a suspension has to wait for.
    fn is_quiet(&self) -> bool {
        self.submissions.is_settled() && self.ledger.staged() == 0 && self.ledger.commits() == 0
    }

    /// Reads the lifecycle command; one this version cannot carry out is left alone.
    fn read_command(&mut self) {
        let mut page = CommandPage::new_zeroed();
        let command = if self.lifecycle.read(&mut page) { page.decode() } else { None };
        let Some(command) = command.filter(|&command| self.command != Some(command)) else { return };
        self.command = Some(command);
        self.tracer.note(trace::Event::Commanded(command.target));
    }

    /// The sequence number of the command in force; 0 if there was none.
    fn commanded(&self) -> u64 {
        self.command.map_or(0, |command| command.sequence)
    }

    fn publish(&mut self) {
        let totals = self.ledger.totals();
        let state = self.state();
        let obeys = state != ArchiveState::Starting && self.has_obeyed();
        let mut claim = Claim {
            heartbeat: self.published.heartbeat,
            state,
            obeyed: if obeys { self.commanded() } else { self.published.obeyed },
            records: totals.head.records,
            documents: totals.documents,
            bytes: totals.bytes,
            head: totals.head.hash,
            root: self.published.root,
            recorded: totals.standing,
            check: self.check.report(),
        };
        if claim != self.published {
            if claim.head != self.published.head {
                claim.root = totals.tree.root();
            }
            self.show(claim);
        }
    }

    fn show(&mut self, mut claim: Claim) {
        claim.heartbeat += 1;
        if claim.obeyed != self.published.obeyed {
            self.tracer.note(trace::Event::Obeyed(self.target()));
        }
        let standing = |claim: &Claim| (claim.state, claim.obeyed, claim.check.result);
        self.news |= standing(&claim) != standing(&self.published);
        self.untold = true;
        self.published = claim;
        self.health.publish(&claim.encode());
    }

    /// Tells the orchestrator of what was published: of changes of state at once, of commits when a row of
    /// them has ended.
    fn tell(&mut self, kernel: &mut dyn Kernel) {
        if self.news || (self.untold && self.ledger.commits() == 0) {
            (self.news, self.untold) = (false, false);
            kernel.notify(self.orchestrator);
        }
    }
}

impl Domain for Archive {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.tracer.wake(kernel.counter_ms());
        self.tracer.note(trace::Event::Started);
        self.read_command();
        self.batch(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        self.tracer.wake(kernel.counter_ms());
        if from.contains(self.orchestrator) {
            self.read_command();
            self.check.beat(&self.ledger, self.now().0);
            // A sign of life.
            self.show(self.published);
            self.news = true;
        }
        self.take_replies();
        self.batch(kernel);
    }
}
