//! The orchestrator between fake peers, over real shared regions.

use alloc::vec::Vec;

use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use totebox_manifest::Link;
use totebox_manifest::conversation::{QUEUE_HEADER, queue};
use totebox_shm::testing::mapped;
use totebox_shm::{Consumer, PageWriter, Producer, Shared, queue_pair};

use super::*;
use crate::FaultKind;
use crate::proto::audit::{self, NO_RECORD, Report, Verdict};
use crate::proto::page::{Health, Lifecycle, Surface};
use crate::testing::{TestKernel, TestManifest};

const ARCHIVES: usize = 3;
/// The audit volume.
const AUDIT: usize = ARCHIVES;

/// An orchestrator of three archives, and its peers' ends.
struct Bench {
    orchestrator: Orchestrator,
    kernel: TestKernel,
    health: Vec<PageWriter<Health>>,
    lifecycle: Vec<PageReader<Lifecycle>>,
    archives: Vec<Channel>,
    vault: PageWriter<VaultPage>,
    time: PageWriter<Time>,
    clock: Channel,
    surface: PageReader<Surface>,
    console: Channel,
    requests: Consumer,
    reports: Producer,
    /// The vault's ends.
    seals: Consumer,
    seal_replies: Producer,
    vault_channel: Channel,
    /// The auditor's own region, for what a broken auditor would do to it.
    auditor_region: Shared,
    auditor: Channel,
}

impl Bench {
    fn new() -> Bench {
        let mut description = TestManifest::new(Role::Orchestrator);
        let mut archives: Vec<(Link, Link)> = Vec::new();
        for index in 0..ARCHIVES as u8 {
            description.volume("archive");
            let ends = description.link(Role::Archive, index, LinkKind::Page);
            description.links.last_mut().unwrap().child = 10 + index;
            archives.push(ends);
        }
        description.volume("audit");
        let (auditor, auditor_end) = description.link(Role::Auditor, 0, LinkKind::Queue);
        let (_, vault_end) = description.link(Role::Vault, 0, LinkKind::Page);
        let (_, vault_queue) = description.link(Role::Vault, 0, LinkKind::Queue);
        let (console, console_end) = description.link(Role::Console, 0, LinkKind::Page);
        let (clock, clock_end) = description.link(Role::Clock, 0, LinkKind::Page);

        let mapped = mapped();
        let form = queue(Role::Auditor, Role::Orchestrator).unwrap();
        let (reports, requests) = queue_pair(mapped, &auditor_end, form).unwrap();
        let form = queue(Role::Vault, Role::Orchestrator).unwrap();
        let (seal_replies, seals) = queue_pair(mapped, &vault_queue, form).unwrap();
        let bytes = description.bytes();
        let manifest = Manifest::parse(&bytes).unwrap();
        Bench {
            orchestrator: Orchestrator::new(&manifest, mapped).unwrap(),
            kernel: TestKernel::default(),
            health: archives.iter().map(|(_, end)| PageWriter::new(mapped, end.mine).unwrap()).collect(),
            lifecycle: archives.iter().map(|(_, end)| PageReader::new(mapped, end.theirs).unwrap()).collect(),
            archives: archives.iter().map(|(own, _)| Channel(own.channel)).collect(),
            vault: PageWriter::new(mapped, vault_end.mine).unwrap(),
            time: PageWriter::new(mapped, clock_end.mine).unwrap(),
            clock: Channel(clock.channel),
            surface: PageReader::new(mapped, console_end.theirs).unwrap(),
            console: Channel(console.channel),
            requests,
            reports,
            seals,
            seal_replies,
            vault_channel: Channel(vault_queue.channel),
            auditor_region: Shared::new(mapped, auditor_end.mine).unwrap(),
            auditor: Channel(auditor.channel),
        }
    }

    /// An orchestrator that has started, with every archive active.
    fn settled() -> Bench {
        let mut bench = Bench::new();
        bench.orchestrator.start(&mut bench.kernel);
        for index in 0..ARCHIVES {
            bench.report_health(index, &healthy());
        }
        bench.kernel.notified.clear();
        bench
    }

    fn notify(&mut self, channel: Channel) {
        let mut from = ChannelSet::default();
        from.insert(channel);
        self.orchestrator.notified(&mut self.kernel, from);
    }

    fn report_health(&mut self, index: usize, health: &Health) {
        self.health[index].publish(health);
        self.notify(self.archives[index]);
    }

    fn tick(&mut self, uptime_ms: u64) {
        let (uptime_ms, wall_ms) = (uptime_ms.into(), (1_000_000 + uptime_ms).into());
        self.time.publish(&Time { wall_ms, uptime_ms, ticks: 0.into() });
        self.notify(self.clock);
    }

    fn surface(&self) -> Surface {
        let mut surface = Surface::new_zeroed();
        assert!(self.surface.read(&mut surface));
        surface
    }

    fn state(&self, volume: usize) -> Option<ArchiveState> {
        ArchiveState::from_wire(self.surface().rows[volume].state)
    }

    /// Makes a protected call as the console.
    fn call(&mut self, request: &[u8]) -> (Option<Outcome>, u32) {
        let mut reply = [0xee; 16];
        let len = self.orchestrator.protected(&mut self.kernel, self.console, request, &mut reply);
        let reply = Reply::read_from_bytes(&reply[..len]).unwrap();
        (Outcome::from_wire(reply.outcome), reply.tag.get())
    }

    fn verify(&mut self, volume: u8) -> (Option<Outcome>, u32) {
        self.call(Request { op: Op::Verify as u8, volume, ..Request::new_zeroed() }.as_bytes())
    }

    /// The requests waiting for the auditor.
    fn asked(&mut self) -> Vec<audit::Request> {
        let mut asked = Vec::new();
        for _ in 0..self.requests.available().unwrap() {
            let mut request = audit::Request::new_zeroed();
            self.requests.read(0, request.as_mut_bytes());
            self.requests.release();
            asked.push(request);
        }
        asked
    }

    fn report(&mut self, report: &Report) {
        assert!(self.reports.send(report.as_bytes(), &[0; 64]).unwrap());
        self.notify(self.auditor);
    }
}

fn healthy() -> Health {
    let mut health = Health::new_zeroed();
    health.state = ArchiveState::Active as u8;
    (health.records, health.documents, health.bytes) = (5.into(), 4.into(), 9000.into());
    health
}

/// A clean report on a request.
fn clean(request: &audit::Request) -> Report {
    let mut report = Report::new_zeroed();
    (report.op, report.volume, report.tag) = (request.op, request.volume, request.tag);
    report.verdict = Verdict::Clean as u8;
    report.record = NO_RECORD.into();
    (report.records, report.bytes, report.duration_ms) = (5.into(), 40_960.into(), 7.into());
    report.audit_record = 17.into();
    report
}

fn mismatch(request: &audit::Request) -> Report {
    let mut report = clean(request);
    report.verdict = Verdict::Mismatch as u8;
    report.finding = FindingKind::Asset as u8;
    (report.findings, report.area, report.block) = (2.into(), Area::Assets as u8, 33.into());
    report.record = 3.into();
    report
}

#[test]
fn at_start_every_archive_is_told_to_be_active_and_the_surface_shows_it_starting() {
    let mut bench = Bench::new();
    bench.orchestrator.start(&mut bench.kernel);
    for index in 0..ARCHIVES {
        let mut told = Lifecycle::new_zeroed();
        assert!(bench.lifecycle[index].read(&mut told));
        assert_eq!((told.sequence.get(), told.target), (1, ArchiveState::Active as u8));
        assert!(bench.kernel.notified.contains(&bench.archives[index]));
        assert_eq!(bench.state(index), Some(ArchiveState::Starting));
    }
    assert_eq!(bench.state(AUDIT), Some(ArchiveState::Starting));
    assert_eq!(bench.surface().settled, 0);
}

#[test]
fn the_surface_settles_when_every_archive_has_come_up_or_failed_to() {
    let mut bench = Bench::new();
    bench.orchestrator.start(&mut bench.kernel);
    bench.report_health(0, &healthy());
    bench.report_health(1, &Health { state: ArchiveState::Unavailable as u8, ..healthy() });
    assert_eq!(bench.surface().settled, 0);
    bench.report_health(2, &Health { state: ArchiveState::Failed as u8, ..healthy() });
    assert_eq!(bench.surface().settled, 1);
    assert_eq!(bench.kernel.notified.last(), Some(&bench.console));

    bench.report_health(0, &Health { state: ArchiveState::Starting as u8, ..healthy() });
    assert_eq!(bench.surface().settled, 1, "once settled it stays so");
}

#[test]
fn a_silent_archive_holds_the_surface_up_for_a_bounded_time() {
    let mut bench = Bench::new();
    bench.orchestrator.start(&mut bench.kernel);
    bench.report_health(0, &healthy());
    bench.tick(SETTLE_MS - 1);
    assert_eq!(bench.surface().settled, 0);
    bench.tick(SETTLE_MS);
    assert_eq!(bench.surface().settled, 1);
    assert_eq!(bench.state(1), Some(ArchiveState::Starting));
}

#[test]
fn the_surface_shows_health_vault_and_time_and_wakes_the_console_for_news_only() {
    let mut bench = Bench::settled();
    let mut page = VaultPage::new_zeroed();
    (page.durable, page.read_only) = (1, 7);
    page.volumes[0].state = VolumeState::Ready as u8;
    page.volumes[0].refused = 3.into();
    page.volumes[0].assets_next = 2.into();
    page.volumes[AUDIT].ledger_next = u64::MAX.into();
    bench.vault.publish(&page);
    bench.tick(1000);
    assert_eq!(bench.kernel.notified, [bench.console]);
    let surface = bench.surface();
    assert_eq!((surface.durable, surface.read_only), (1, 0));
    assert_eq!((surface.uptime_ms.get(), surface.wall_ms.get()), (1000, 1_001_000));
    let row = surface.rows[0];
    assert_eq!((row.records.get(), row.documents.get(), row.bytes.get()), (5, 4, 9000));
    assert_eq!((row.volume_state, row.refused.get()), (VolumeState::Ready as u8, 3));
    let assets = 256 - 32 - 64;
    assert_eq!(row.free.get(), (assets - 2) * 4096);
    assert_eq!(surface.rows[AUDIT].free.get(), 0, "more blocks used than there are");

    bench.tick(1100);
    assert_eq!(bench.surface().uptime_ms.get(), 1100);
    assert_eq!(bench.kernel.notified, [bench.console], "the time alone wakes nobody");
}

#[test]
fn nonsense_in_pages_is_not_believed() {
    let impossible: [fn(&mut Health); 5] = [
        |health| health.state = 77,
        |health| health.state = ArchiveState::Faulted as u8,
        |health| health.records = u64::MAX.into(),
        |health| health.documents = 6.into(),
        |health| health.bytes = u64::MAX.into(),
    ];
    for spoil in impossible {
        let mut bench = Bench::settled();
        let mut health = healthy();
        spoil(&mut health);
        bench.report_health(1, &health);
        let row = bench.surface().rows[1];
        assert_eq!(ArchiveState::from_wire(row.state), Some(ArchiveState::Failed), "{health:?}");
        assert_eq!((row.records.get(), row.documents.get(), row.bytes.get()), (5, 4, 9000));
        assert_eq!(bench.state(0), Some(ArchiveState::Active));
    }

    let mut bench = Bench::settled();
    let mut page = VaultPage::new_zeroed();
    page.volumes[0].refused = 1.into();
    page.volumes[2].state = 99;
    bench.vault.publish(&page);
    bench.tick(1000);
    assert_eq!(bench.surface().rows[0].refused.get(), 0, "nothing of such a page is taken over");
}

#[test]
fn a_fault_stops_one_archive_and_its_pages_are_no_longer_believed() {
    let mut bench = Bench::settled();
    let fault = Fault { kind: FaultKind::Memory, address: 0xdead_0000, instruction: 0x1000 };
    bench.orchestrator.fault(&mut bench.kernel, Child(11), fault);
    assert_eq!(bench.kernel.stopped, [Child(11)]);
    assert_eq!(bench.kernel.notified, [bench.console]);

    bench.report_health(1, &Health { records: 6.into(), ..healthy() });
    bench.orchestrator.fault(&mut bench.kernel, Child(11), Fault { kind: FaultKind::Other, ..fault });
    let row = bench.surface().rows[1];
    assert_eq!(ArchiveState::from_wire(row.state), Some(ArchiveState::Faulted));
    assert_eq!((row.fault, row.fault_address.get()), (FaultKind::Memory as u8, 0xdead_0000));
    assert_eq!(row.records.get(), 5);
    for sibling in [0, 2] {
        assert_eq!(bench.state(sibling), Some(ArchiveState::Active));
        assert_eq!(bench.surface().rows[sibling].fault, 0);
    }
    assert!(bench.kernel.resumed.is_empty());

    bench.orchestrator.fault(&mut bench.kernel, Child(40), fault);
    assert!(!bench.kernel.stopped.contains(&Child(40)), "not a child of ours");
}

#[test]
fn a_verify_command_goes_to_the_auditor_and_its_verdict_to_the_surface() {
    let mut bench = Bench::settled();
    let (outcome, tag) = bench.verify(1);
    assert_eq!(outcome, Some(Outcome::Accepted));
    assert_ne!(tag, 0);
    assert!(bench.kernel.notified.contains(&bench.auditor));
    let row = bench.surface().rows[1];
    assert_eq!((row.verifying, row.verify_tag.get(), row.verdict), (1, 0, 0));

    let asked = bench.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].op, asked[0].volume), (audit::Op::VerifyFull as u8, 1));
    bench.tick(2000);
    bench.report(&clean(&asked[0]));
    let row = bench.surface().rows[1];
    assert_eq!((row.verifying, row.verify_tag.get()), (0, tag));
    assert_eq!((row.verdict, row.finding, row.findings.get()), (Verdict::Clean as u8, 0, 0));
    assert_eq!((row.verified_records.get(), row.verified_bytes.get()), (5, 40_960));
    assert_eq!((row.verified_ms.get(), row.verify_duration_ms.get()), (1_002_000, 7));
    assert_eq!(bench.kernel.notified.last(), Some(&bench.console));
    let audit = bench.surface().rows[AUDIT];
    assert_eq!((ArchiveState::from_wire(audit.state), audit.records.get()), (Some(ArchiveState::Active), 18));
}

#[test]
fn a_finding_is_shown_with_kind_and_place() {
    let mut bench = Bench::settled();
    let (_, tag) = bench.verify(2);
    let asked = bench.asked();
    bench.report(&mismatch(&asked[0]));
    let row = bench.surface().rows[2];
    assert_eq!((row.verdict, row.verify_tag.get()), (Verdict::Mismatch as u8, tag));
    assert_eq!((row.finding, row.findings.get()), (FindingKind::Asset as u8, 2));
    assert_eq!((row.finding_area, row.finding_block.get()), (Area::Assets as u8, 33));
    assert_eq!(row.finding_record.get(), 3);
}

#[test]
fn all_volumes_are_verified_by_one_command() {
    let mut bench = Bench::settled();
    let (outcome, tag) = bench.verify(ALL_VOLUMES);
    assert_eq!(outcome, Some(Outcome::Accepted));
    let asked = bench.asked();
    let volumes: Vec<u8> = asked.iter().map(|request| request.volume).collect();
    assert_eq!(volumes, [0, 1, 2, 3]);
    for request in &asked[..3] {
        bench.report(&clean(request));
    }
    assert_eq!((bench.surface().rows[AUDIT].verifying, bench.surface().rows[0].verifying), (1, 0));
    let mut report = clean(&asked[3]);
    report.verdict = Verdict::Unreadable as u8;
    (report.finding, report.findings) = (FindingKind::Unreadable as u8, 1.into());
    report.audit_record = NO_RECORD.into();
    bench.report(&report);
    let surface = bench.surface();
    assert!(surface.rows[..=AUDIT].iter().all(|row| row.verify_tag.get() == tag && row.verifying == 0));
    assert_eq!(surface.rows[AUDIT].verdict, Verdict::Unreadable as u8);
}

#[test]
fn refusals_have_names_and_change_nothing() {
    let mut bench = Bench::settled();
    let accepted = Some(Outcome::Accepted);
    assert_eq!(bench.verify(0).0, accepted);
    assert_eq!(bench.verify(0), (Some(Outcome::AlreadyRunning), 0));
    assert_eq!(bench.verify(ALL_VOLUMES), (Some(Outcome::AlreadyRunning), 0));
    assert_eq!(bench.verify(AUDIT as u8 + 1), (Some(Outcome::UnknownArchive), 0));
    assert_eq!(bench.verify(ALL_VOLUMES - 1), (Some(Outcome::UnknownArchive), 0));
    assert_eq!(bench.asked().len(), 1);
    assert_eq!(bench.verify(1).0, accepted, "another volume may be verified meanwhile");

    let good = Request { op: Op::Verify as u8, volume: 2, ..Request::new_zeroed() };
    let bad_request = (Some(Outcome::BadRequest), 0);
    assert_eq!(bench.call(&[]), bad_request);
    assert_eq!(bench.call(&good.as_bytes()[..7]), bad_request);
    assert_eq!(bench.call(&[1, 2, 0, 0, 0, 0, 0, 0, 0]), bad_request);
    assert_eq!(bench.call(Request { op: 99, ..good }.as_bytes()), bad_request);
    assert_eq!(bench.call(Request { reserved: [1; 6], ..good }.as_bytes()), bad_request);
    assert_eq!(bench.asked().len(), 1);

    let mut reply = [0; 8];
    let (kernel, auditor) = (&mut bench.kernel, bench.auditor);
    assert_eq!(bench.orchestrator.protected(kernel, auditor, good.as_bytes(), &mut reply), 0, "not the console");
    assert_eq!(bench.surface().rows[2].verifying, 0);
}

#[test]
fn the_auditors_own_ledger_is_the_state_of_the_audit_row() {
    let boot = |audit_record: u64, verdict: Verdict| {
        let mut report = Report::new_zeroed();
        (report.op, report.volume) = (audit::Op::Record as u8, AUDIT as u8);
        report.verdict = verdict as u8;
        (report.records, report.audit_record) = (5.into(), audit_record.into());
        report
    };
    let mut bench = Bench::settled();
    bench.report(&boot(4, Verdict::Recorded));
    assert_eq!(bench.state(AUDIT), Some(ArchiveState::Active));
    assert_eq!(bench.surface().rows[AUDIT].records.get(), 5);
    let mut page = VaultPage::new_zeroed();
    page.volumes[AUDIT].state = VolumeState::Ready as u8;
    bench.vault.publish(&page);
    bench.report(&boot(NO_RECORD, Verdict::NotRecorded));
    assert_eq!(bench.state(AUDIT), Some(ArchiveState::Failed));
    assert_eq!(bench.surface().rows[AUDIT].records.get(), 5);
    page.volumes[AUDIT].state = VolumeState::Foreign as u8;
    bench.vault.publish(&page);
    bench.tick(1);
    assert_eq!(bench.state(AUDIT), Some(ArchiveState::Unavailable));
}

/// Asserts that the link to the auditor is closed, and that what was under way has ended.
fn assert_auditor_lost(bench: &mut Bench, tag: u32, why: &str) {
    let row = bench.surface().rows[1];
    assert_eq!((row.verifying, row.verdict), (0, Verdict::NotVerified as u8), "{why}");
    assert_eq!(row.verify_tag.get(), tag, "{why}");
    assert_eq!(bench.verify(0), (Some(Outcome::AuditorUnavailable), 0), "{why}");
    assert_eq!(bench.state(0), Some(ArchiveState::Active), "{why}");
    assert_eq!(bench.state(AUDIT), Some(ArchiveState::Unavailable), "{why}");
}

#[test]
fn an_auditor_that_reports_what_cannot_be_is_not_read_any_more() {
    type Spoil = fn(&mut Report);
    let spoilers: [(&str, Spoil); 9] = [
        ("an unknown verdict", |report| report.verdict = 200),
        ("an unknown operation", |report| report.op = 9),
        ("a volume that is not under way", |report| report.volume = 2),
        ("a volume there is not", |report| report.volume = 250),
        ("another tag", |report| report.tag = 4711.into()),
        ("clean with a finding", |report| report.finding = 1),
        ("a mismatch without a finding", |report| report.verdict = Verdict::Mismatch as u8),
        ("an unknown area", |report| {
            report.verdict = Verdict::Mismatch as u8;
            (report.finding, report.findings, report.area) = (1, 1.into(), 9);
        }),
        ("a record nobody asked for", |report| report.verdict = Verdict::Recorded as u8),
    ];
    for (why, spoil) in spoilers {
        let mut bench = Bench::settled();
        let (_, tag) = bench.verify(1);
        let mut report = clean(&bench.asked()[0]);
        spoil(&mut report);
        bench.report(&report);
        assert_auditor_lost(&mut bench, tag, why);
        report = clean(&audit::Request { tag: tag.into(), ..audit::Request::new_zeroed() });
        report.volume = 1;
        bench.report(&report);
        assert_eq!(bench.surface().rows[1].verdict, Verdict::NotVerified as u8, "{why}");
    }
}

#[test]
fn an_auditor_with_impossible_indices_is_not_read_any_more() {
    const TAIL: usize = 0;
    const HEAD: usize = 8;
    const { assert!(HEAD < QUEUE_HEADER) };
    for (offset, value) in [(TAIL, 65), (TAIL, u64::MAX), (HEAD, 2), (HEAD, u64::MAX)] {
        let mut bench = Bench::settled();
        let (_, tag) = bench.verify(1);
        bench.auditor_region.store(offset, value);
        bench.notify(bench.auditor);
        bench.verify(0);
        assert_auditor_lost(&mut bench, tag, "impossible index");
    }
}

#[test]
fn a_manifest_without_a_peer_is_refused() {
    let mut description = TestManifest::new(Role::Orchestrator);
    for _ in 0..2 {
        description.volume("archive");
    }
    let bytes = description.bytes();
    let manifest = Manifest::parse(&bytes).unwrap();
    let error = Orchestrator::new(&manifest, mapped()).err();
    assert_eq!(error, Some(SetupError::Link(Role::Vault, LinkKind::Page)));
}
