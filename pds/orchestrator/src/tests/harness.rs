//! The orchestrator's peers: the archives', auditor's, vault's, clock's and console's ends.

use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::verify::FindingKind;
use totebox_domain::{Channel, ChannelSet, Domain, Fault, FaultKind};
use totebox_manifest::conversation::{AUDIT_DATA, MESSAGE_HEADER, queue};
use totebox_manifest::{Link, LinkKind, Manifest, OnMismatch, Region, Role};
use totebox_protocol::audit::{self, Ending, EntryRow, EventRow, NO_RECORD, Report};
use totebox_protocol::flag::{FlagKind, FlagRow};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::operator::{Op, Order, REASON_MAX, Refusal, Reply, Request, Traced};
use totebox_protocol::page::{ArchiveState, CommandPage, Health, StatusPage, StatusRow, Time, VaultPage};
use totebox_protocol::trace::NoteRow;
use totebox_protocol::vault::{self, Status, VolumeState};
use totebox_shm::testing::mapped;
use totebox_shm::{Consumer, PageReader, PageWriter, Producer, Shared, queue_pair};
use totebox_testing::{TestKernel, TestManifest};
use zerocopy::{FromZeros, IntoBytes};

use super::super::Orchestrator;
use super::messages::{Past, child, clean, healthy, mismatch};

pub const ARCHIVES: usize = 3;
/// The audit volume.
pub const AUDIT: usize = ARCHIVES;

/// The wall clock's time when the machine started.
pub const WALL_MS: u64 = 1_000_000;

/// An orchestrator and its peers' ends.
pub struct Harness {
    pub orchestrator: Orchestrator,
    pub kernel: TestKernel,
    /// What the archives last published.
    pub claims: Vec<Health>,
    health: Vec<PageWriter<Health>>,
    lifecycle: Vec<PageReader<CommandPage>>,
    pub archives: Vec<Channel>,
    vault_page: PageWriter<VaultPage>,
    /// What the vault last published.
    pub vault: VaultPage,
    pub vault_channel: Channel,
    seals: Consumer,
    seal_replies: Producer,
    time_page: PageWriter<Time>,
    /// What the clock last published.
    pub time: Time,
    pub clock: Channel,
    status_page: PageReader<StatusPage>,
    pub console: Channel,
    orders: Producer,
    answers: Consumer,
    last_tag: u32,
    /// Vault, console and auditor give signs of life when asked.
    pub vault_lives: bool,
    pub console_lives: bool,
    pub auditor_lives: bool,
    requests: Consumer,
    reports: Producer,
    /// Requests taken from the ring, pings left out, with their bodies.
    asked: Vec<(audit::Request, EntryRow)>,
    /// Pings taken from the ring.
    pub pings: usize,
    /// Records in the audit record.
    pub records: u64,
    pub auditor: Channel,
    /// The peers' own regions, for what broken ones would do to them.
    pub auditor_region: Shared,
    pub vault_region: Shared,
    pub console_region: Shared,
    pub clock_region: Shared,
    /// Where the archives note what they do.
    pub traces: Vec<Region>,
    ledger_blocks: u64,
}

/// Deploys such that an archive in which something does not match is suspended.
pub fn suspends(description: &mut TestManifest) {
    description.volumes.iter_mut().for_each(|volume| volume.on_mismatch = OnMismatch::Suspend as u8);
}

impl Harness {
    /// An orchestrator of three archives, not started.
    pub fn new() -> Harness {
        Harness::with(ARCHIVES, |_| {})
    }

    /// One of so many archives, deployed as `deploy` says.
    pub fn with(archives: usize, deploy: impl FnOnce(&mut TestManifest)) -> Harness {
        let mut description = TestManifest::new(Role::Orchestrator);
        let mut pages: Vec<(Link, Link)> = Vec::new();
        for index in 0..archives as u8 {
            description.volume("archive");
            let ends = description.link(Role::Archive, index, LinkKind::Page);
            description.links.last_mut().unwrap().child = 10 + index;
            pages.push(ends);
        }
        description.volume("audit");
        deploy(&mut description);
        let (auditor, auditor_end) = description.link(Role::Auditor, 0, LinkKind::Queue);
        let (_, vault_end) = description.link(Role::Vault, 0, LinkKind::Page);
        let (vault, vault_queue) = description.link(Role::Vault, 0, LinkKind::Queue);
        let (_, console_end) = description.link(Role::Console, 0, LinkKind::Page);
        let (console, console_queue) = description.link(Role::Console, 0, LinkKind::Queue);
        let (clock, clock_end) = description.link(Role::Clock, 0, LinkKind::Page);
        let traced = (0..archives as u8).map(|index| (Role::Archive, index));
        let others = [Role::Auditor, Role::Vault, Role::Console, Role::Clock].map(|role| (role, 0));
        let trace = |(role, index)| description.link(role, index, LinkKind::Trace).1.mine;
        let traces = traced.chain(others).map(trace).collect();

        let mapped = mapped();
        let form = queue(Role::Auditor, Role::Orchestrator).unwrap();
        let (reports, requests) = queue_pair(mapped, &auditor_end, form).unwrap();
        let form = queue(Role::Console, Role::Orchestrator).unwrap();
        let (orders, answers) = queue_pair(mapped, &console_queue, form).unwrap();
        let form = queue(Role::Vault, Role::Orchestrator).unwrap();
        let (seal_replies, seals) = queue_pair(mapped, &vault_queue, form).unwrap();
        let mut vault_page = VaultPage::new_zeroed();
        vault_page.durable = 1;
        vault_page.volumes[..=archives].iter_mut().for_each(|row| row.state = VolumeState::Ready as u8);
        let bytes = description.bytes();
        let manifest = Manifest::parse(&bytes).unwrap();
        let mut harness = Harness {
            orchestrator: Orchestrator::new(&manifest, mapped).unwrap(),
            kernel: TestKernel::default(),
            claims: vec![Health { state: ArchiveState::Starting as u8, ..healthy() }; archives],
            health: pages.iter().map(|(_, end)| PageWriter::new(mapped, end.mine).unwrap()).collect(),
            lifecycle: pages.iter().map(|(_, end)| PageReader::new(mapped, end.theirs).unwrap()).collect(),
            archives: pages.iter().map(|(own, _)| Channel(own.channel)).collect(),
            vault_page: PageWriter::new(mapped, vault_end.mine).unwrap(),
            vault: vault_page,
            vault_channel: Channel(vault.channel),
            seals,
            seal_replies,
            time_page: PageWriter::new(mapped, clock_end.mine).unwrap(),
            time: Time { wall_ms: WALL_MS.into(), uptime_ms: 0.into(), ticks: 1.into() },
            clock: Channel(clock.channel),
            status_page: PageReader::new(mapped, console_end.theirs).unwrap(),
            console: Channel(console.channel),
            orders,
            answers,
            last_tag: 0,
            vault_lives: true,
            console_lives: true,
            auditor_lives: true,
            requests,
            reports,
            asked: Vec::new(),
            pings: 0,
            records: 0,
            auditor: Channel(auditor.channel),
            auditor_region: Shared::new(mapped, auditor_end.mine).unwrap(),
            vault_region: Shared::new(mapped, vault_queue.mine).unwrap(),
            console_region: Shared::new(mapped, console_queue.mine).unwrap(),
            clock_region: Shared::new(mapped, clock_end.mine).unwrap(),
            traces,
            ledger_blocks: manifest.volumes()[0].layout().unwrap().space.blocks,
        };
        harness.vault_page.publish(&harness.vault);
        harness.time_page.publish(&harness.time);
        harness
    }

    /// One that has started, with the audit record read and every archive active.
    pub fn settled() -> Harness {
        Harness::new().settle(&Past::default())
    }

    /// One that was deployed so, and has settled.
    pub fn deployed(deploy: impl FnOnce(&mut TestManifest)) -> Harness {
        Harness::with(ARCHIVES, deploy).settle(&Past::default())
    }

    /// Starts it with this past; every archive does what it is told.
    pub fn settle(mut self, past: &Past) -> Harness {
        self.start();
        self.restore(past);
        for archive in 0..self.archives.len() {
            let recorded = past.standings.get(archive).map_or(Standing::Active, |standings| standings.1);
            let state = recorded.state() as u8;
            self.say(archive, |health| (health.state, health.recorded) = (state, state));
            self.obey(archive);
        }
        self.kernel.notified.clear();
        self
    }

    pub fn start(&mut self) {
        self.orchestrator.start(&mut self.kernel);
    }

    pub fn notify(&mut self, channel: Channel) {
        let mut from = ChannelSet::default();
        from.insert(channel);
        self.orchestrator.notified(&mut self.kernel, from);
    }

    // ---- the archives ----

    /// An archive changes what it says, and gives a sign of life.
    pub fn say(&mut self, archive: usize, change: impl FnOnce(&mut Health)) {
        let heartbeat = self.claims[archive].heartbeat.get().wrapping_add(1);
        self.claims[archive].heartbeat = heartbeat.into();
        change(&mut self.claims[archive]);
        self.health[archive].publish(&self.claims[archive]);
        self.notify(self.archives[archive]);
    }

    /// What an archive was last told; `None` if it never was.
    pub fn told(&self, archive: usize) -> Option<CommandPage> {
        let mut told = CommandPage::new_zeroed();
        self.lifecycle[archive].read(&mut told).then_some(told)
    }

    /// What an archive was last told to be.
    pub fn target(&self, archive: usize) -> Option<Standing> {
        self.told(archive).and_then(|told| Standing::from_wire(told.target))
    }

    /// An archive does what it was told, and says so.
    pub fn obey(&mut self, archive: usize) {
        let told = self.told(archive).expect("it was told something");
        self.say(archive, |health| {
            (health.state, health.recorded, health.obeyed) = (told.target, told.target, told.sequence);
        });
    }

    pub fn fault(&mut self, archive: usize) {
        let fault = Fault { kind: FaultKind::Memory, address: 0xdead_0000, instruction: 0x1000, status: 0x92 };
        self.orchestrator.fault(&mut self.kernel, child(archive), fault);
    }

    // ---- the clock ----

    /// The clock ticks at this time.
    pub fn tick(&mut self, uptime_ms: u64) {
        self.time.ticks += 1;
        (self.time.uptime_ms, self.time.wall_ms) = (uptime_ms.into(), (WALL_MS + uptime_ms).into());
        self.publish_time();
    }

    pub fn publish_time(&mut self) {
        self.time_page.publish(&self.time);
        self.kernel.counter_ms = self.kernel.counter_ms.max(self.time.uptime_ms.get());
        self.live();
        self.notify(self.clock);
    }

    /// Vault, console and auditor give the sign of life that is due by now.
    pub fn live(&mut self) {
        if self.auditor_lives {
            self.take_requests();
        }
        if self.vault_lives {
            self.vault.heartbeat += 1;
            self.vault_page.publish(&self.vault);
        }
        if self.console_lives {
            self.answers();
            self.leave_order(Request { op: Op::Ping as u8, ..Request::new_zeroed() }, &[]);
        }
    }

    /// So many seconds go by; the archives live.
    pub fn seconds(&mut self, seconds: u64) {
        for _ in 0..seconds {
            for archive in 0..self.archives.len() {
                self.claims[archive].heartbeat += 1;
                self.health[archive].publish(&self.claims[archive]);
            }
            self.tick(self.time.uptime_ms.get() + 1000);
        }
    }

    // ---- the vault ----

    pub fn publish_vault(&mut self) {
        self.vault_page.publish(&self.vault);
        self.notify(self.vault_channel);
    }

    pub fn set_volume(&mut self, volume: usize, state: VolumeState) {
        self.vault.volumes[volume].state = state as u8;
        self.publish_vault();
    }

    /// The volumes the vault is asked to seal.
    pub fn seals(&mut self) -> Vec<vault::Request> {
        let mut seals = Vec::new();
        for _ in 0..self.seals.available().unwrap() {
            let mut request = vault::Request::new_zeroed();
            self.seals.read(0, request.as_mut_bytes());
            self.seals.release();
            assert_eq!(request.op.get(), vault::Op::Seal as u16);
            seals.push(request);
        }
        seals
    }

    pub fn answer_seal(&mut self, request: &vault::Request, status: Status) {
        let mut reply = vault::Reply::new_zeroed();
        (reply.op, reply.tag, reply.volume) = (request.op, request.tag, request.volume);
        reply.status = (status as u16).into();
        if status == Status::Ok {
            self.vault.volumes[usize::from(request.volume)].state = VolumeState::Sealed as u8;
            self.vault_page.publish(&self.vault);
        }
        reply.state = self.vault.volumes[usize::from(request.volume)].state;
        assert!(self.seal_replies.send(reply.as_bytes(), &[]).unwrap());
        self.notify(self.vault_channel);
    }

    /// Blocks of an archive's `ledger/`.
    pub fn archive_ledger_blocks(&self) -> u64 {
        self.ledger_blocks
    }

    /// Blocks of the audit volume's `ledger/`.
    pub fn audit_ledger_blocks(&self) -> u64 {
        self.orchestrator.audit_ledger_blocks
    }

    // ---- the auditor ----

    /// Reports what the audit record says.
    pub fn restore(&mut self, past: &Past) {
        for (volume, (report, remembered)) in past.verified.iter().enumerate() {
            let (mut report, mut remembered) = (*report, *remembered);
            let (before, state) = past.standings.get(volume).copied().unwrap_or_default();
            (report.op, report.volume) = (audit::Op::RestoreVolume as u8, volume as u8);
            (remembered.before, remembered.state) = (before.state() as u8, state.state() as u8);
            self.report(&report, remembered.as_bytes());
        }
        for row in &past.flags {
            self.report_flag(row);
        }
        let (opened, body) = &past.opened;
        self.records = body.records.get();
        self.report(opened, body.as_bytes());
    }

    pub fn report_flag(&mut self, row: &FlagRow) {
        let mut report = Report::new_zeroed();
        (report.op, report.verdict) = (audit::Op::RestoreFlag as u8, Ending::Event as u8);
        self.report(&report, row.as_bytes());
    }

    pub fn report(&mut self, report: &Report, body: &[u8]) {
        self.leave(report, body);
        self.notify(self.auditor);
    }

    /// Puts a report into the ring without waking the orchestrator.
    pub fn leave(&mut self, report: &Report, body: &[u8]) {
        let mut padded = [0; AUDIT_DATA];
        padded[..body.len()].copy_from_slice(body);
        assert!(self.reports.send(report.as_bytes(), &padded).unwrap());
    }

    pub fn report_event(&mut self, report: &Report, event: &EventRow) {
        self.report(report, event.as_bytes());
    }

    fn take_requests(&mut self) {
        for _ in 0..self.requests.available().unwrap() {
            let (mut request, mut entry) = (audit::Request::new_zeroed(), EntryRow::new_zeroed());
            self.requests.read(0, request.as_mut_bytes());
            self.requests.read(MESSAGE_HEADER, entry.as_mut_bytes());
            self.requests.release();
            match audit::Op::from_wire(request.op) {
                Some(audit::Op::Ping) => self.pings += 1,
                _ => self.asked.push((request, entry)),
            }
        }
    }

    /// The requests of these kinds that have come since the last time.
    pub fn asked(&mut self, wanted: &[audit::Op]) -> Vec<(audit::Request, EntryRow)> {
        self.take_requests();
        let is_wanted = |asked: &(audit::Request, EntryRow)| wanted.iter().any(|op| *op as u8 == asked.0.op);
        let (taken, left) = self.asked.drain(..).partition(is_wanted);
        self.asked = left;
        taken
    }

    /// The verifications asked for.
    pub fn jobs(&mut self) -> Vec<audit::Request> {
        let jobs = self.asked(&[audit::Op::VerifyFull, audit::Op::VerifyIncremental]);
        jobs.into_iter().map(|(request, _)| request).collect()
    }

    /// The entries asked for.
    pub fn entries(&mut self) -> Vec<(audit::Request, EntryRow)> {
        self.asked(&[audit::Op::Record])
    }

    /// The report that an entry is recorded.
    pub fn recorded(&mut self, request: &audit::Request) -> Report {
        self.records += 1;
        let mut report = clean(request);
        report.verdict = Ending::Recorded as u8;
        report.audit_record = (self.records - 1).into();
        report
    }

    /// Enters a record, and reports that.
    pub fn record(&mut self, request: &audit::Request) {
        let report = self.recorded(request);
        self.report(&report, &[]);
    }

    /// Enters all that is asked for; returns it.
    pub fn record_all(&mut self) -> Vec<EntryRow> {
        let mut recorded = Vec::new();
        loop {
            let entries = self.entries();
            if entries.is_empty() {
                return recorded;
            }
            for (request, entry) in entries {
                self.record(&request);
                recorded.push(entry);
            }
        }
    }

    /// Has a volume verified; the auditor finds this.
    pub fn find(&mut self, volume: usize, found: &[(FindingKind, u64)]) {
        self.command(Op::Verify, volume).unwrap();
        let job = self.jobs()[0];
        let (report, verified) = mismatch(&job, found);
        self.report(&report, verified.as_bytes());
    }

    /// Reports that an entry could not be recorded.
    pub fn fail_record(&mut self, request: &audit::Request) {
        let mut report = clean(request);
        report.verdict = Ending::NotRecorded as u8;
        report.audit_record = NO_RECORD.into();
        self.report(&report, &[]);
    }

    // ---- the console ----

    pub fn status_page(&self) -> StatusPage {
        let mut status_page = StatusPage::new_zeroed();
        assert!(self.status_page.read(&mut status_page));
        status_page
    }

    pub fn row(&self, volume: usize) -> StatusRow {
        self.status_page().rows[volume]
    }

    pub fn state(&self, volume: usize) -> Option<ArchiveState> {
        ArchiveState::from_wire(self.row(volume).state)
    }

    /// The flags shown.
    pub fn flags(&self) -> Vec<FlagRow> {
        self.status_page().flags.into_iter().take_while(|row| row.id != 0).collect()
    }

    /// The kinds and volumes of the flags shown.
    pub fn flagged(&self) -> Vec<(FlagKind, u8)> {
        self.flags().iter().map(|row| (FlagKind::from_wire(row.kind).unwrap(), row.volume)).collect()
    }

    /// Puts an order into the console's ring without waking the orchestrator; returns its tag.
    pub fn leave_order(&mut self, mut request: Request, reason: &[u8]) -> u32 {
        self.last_tag += 1;
        request.tag = self.last_tag.into();
        if !reason.is_empty() {
            request.len = (reason.len() as u16).into();
        }
        assert!(self.orders.send(request.as_bytes(), reason).unwrap());
        self.last_tag
    }

    /// The answers that have come.
    pub fn answers(&mut self) -> Vec<Reply> {
        let mut answers = Vec::new();
        for _ in 0..self.answers.available().unwrap() {
            let mut reply = Reply::new_zeroed();
            self.answers.read(0, reply.as_mut_bytes());
            self.answers.release();
            answers.push(reply);
        }
        answers
    }

    /// Gives an order as the console.
    pub fn call(&mut self, request: Request, reason: &[u8]) -> Result<u32, Refusal> {
        self.answers();
        let tag = self.leave_order(request, reason);
        self.notify(self.console);
        let [reply] = self.answers()[..] else { panic!("one answer to one order") };
        let outcome = reply.decode(&Request { tag: tag.into(), ..request }).expect("an answer to this order");
        assert!(outcome.is_ok() || reply.name == 0);
        outcome
    }

    pub fn command(&mut self, op: Op, volume: usize) -> Result<u32, Refusal> {
        self.call(Request { op: op as u8, volume: volume as u8, ..Request::new_zeroed() }, &[])
    }

    pub fn history(&mut self, from: u64) -> Result<u32, Refusal> {
        self.call(Request { op: Op::History as u8, number: from.into(), ..Request::new_zeroed() }, &[])
    }

    /// What a domain noted last, by the status page.
    pub fn trace(&mut self, domain: Traced) -> Vec<NoteRow> {
        let tag = self.call(Order::Trace(domain).encode(0, 0), &[]).unwrap();
        let status_page = self.status_page();
        assert_eq!(status_page.trace_tag.get(), tag, "it is there when the answer comes");
        status_page.notes[..status_page.notes_len.get() as usize].to_vec()
    }

    pub fn acknowledge(&mut self, id: u64, reason: &[u8]) -> Result<u32, Refusal> {
        let request = Request { op: Op::Acknowledge as u8, number: id.into(), ..Request::new_zeroed() };
        assert!(reason.len() <= REASON_MAX + 1);
        self.call(request, reason)
    }
}
