//! The auditor's peers: a vault over volumes in memory, and the orchestrator's and the archives' ends.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::batch_header::{Batch, BatchHeader, BatchKind, Frontier, STAMP_SIZE};
use ledger_fmt::hash::checksum;
use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::note::{Seed, Signer};
use ledger_fmt::record::Record;
use ledger_fmt::testing::{TestVolume, shown};
use totebox_domain::Channel;
use totebox_domain::Domain as _;
use totebox_ledger_writer::RESERVED_BLOCKS;
use totebox_manifest::conversation::{AUDIT_DATA, MESSAGE_HEADER, PAGE, QueueForm, queue};
use totebox_manifest::{Link, LinkKind, Region};
use totebox_protocol::audit::{self, NO_RECORD, Remembered, Report, Verified};
use totebox_protocol::flag::FlagRow;
use totebox_protocol::vault::{self, Area, Committed, Status, VolumeState};
use totebox_shm::testing::mapped;
use totebox_shm::{Consumer, PageWriter, Producer, Shared, queue_pair};
use totebox_testing::{TestKernel, TestManifest};
use zerocopy::{FromBytes, IntoBytes};

use super::super::*;

/// A volume as the vault holds it.
pub struct Disk {
    pub volume: TestVolume,
    pub state: VolumeState,
    /// Blocks that cannot be read.
    pub unreadable: Vec<(Area, u64)>,
    /// What the vault says its frontier is, if not the truth.
    pub claimed: Option<Frontier>,
}

/// A vault that does what it is asked, slowly.
pub struct FakeVault {
    pub disks: Vec<Disk>,
    requests: Consumer,
    replies: Producer,
    form: QueueForm,
    /// The most requests that waited at once.
    pub waiting_max: usize,
    pub commits: usize,
    /// The vault's own region, for what a broken one would do to it.
    pub region: Shared,
}

impl FakeVault {
    fn new(disks: Vec<Disk>, link: &Link) -> FakeVault {
        let form = queue(Role::Vault, Role::Auditor).unwrap();
        let (replies, requests) = queue_pair(mapped(), link, form).unwrap();
        let region = Shared::new(mapped(), link.mine).unwrap();
        FakeVault { disks, requests, replies, form, waiting_max: 0, commits: 0, region }
    }

    /// Serves at most `max` requests; returns how many.
    fn serve(&mut self, max: usize) -> usize {
        let waiting = self.requests.available().unwrap();
        self.waiting_max = self.waiting_max.max(waiting);
        let served = waiting.min(max);
        for i in 0..served {
            let mut slot = vec![0; self.form.slot_size];
            self.requests.read(0, &mut slot);
            let (header, data) = slot.split_at(MESSAGE_HEADER);
            let request = vault::Request::read_from_bytes(header).unwrap();
            if self.disks[usize::from(request.volume)].state == VolumeState::Recovering {
                return i;
            }
            self.requests.release();
            let (status, data) = self.carry_out(&request, &data[..request_data(&request)]);
            let disk = &self.disks[usize::from(request.volume)];
            let mut reply = vault::Reply::new_zeroed();
            (reply.op, reply.tag, reply.volume) = (request.op, request.tag, request.volume);
            (reply.status, reply.state) = ((status as u16).into(), disk.state as u8);
            reply.len = (data.len() as u32).into();
            reply.ledger_next = disk.volume.frontier.ledger_next.into();
            reply.assets_next = disk.volume.frontier.assets_next.into();
            reply.batches = disk.volume.frontier.batches.into();
            assert!(self.replies.send(reply.as_bytes(), &data).unwrap());
        }
        served
    }

    fn carry_out(&mut self, request: &vault::Request, data: &[u8]) -> (Status, Vec<u8>) {
        let audit = self.disks.len() - 1;
        let disk = &mut self.disks[usize::from(request.volume)];
        let block = request.block.get();
        match vault::Op::from_wire(request.op.get()) {
            Some(vault::Op::Hello) => {
                if !disk.state.readable() {
                    return (Status::Unavailable, Vec::new());
                }
                let frontier = disk.claimed.unwrap_or(disk.volume.frontier);
                let info = Committed { frontier, last_header_block: 0 }.encode();
                (Status::Ok, info.as_bytes().to_vec())
            }
            Some(vault::Op::Read) => {
                let area = Area::from_u8(request.area).unwrap();
                let blocks = u64::from(request.len.get()) / BLOCK_SIZE as u64;
                assert!((1..=8).contains(&blocks) && request.len.get().is_multiple_of(BLOCK_SIZE as u32));
                if disk.state == VolumeState::NoDisk {
                    return (Status::Unavailable, Vec::new());
                }
                if disk.volume.layout.place(area, block, blocks).is_none() {
                    return (Status::OutOfRange, Vec::new());
                }
                if disk.unreadable.iter().any(|bad| bad.0 == area && (block..block + blocks).contains(&bad.1)) {
                    return (Status::Io, Vec::new());
                }
                (Status::Ok, disk.volume.bytes[disk.volume.range(area, block, blocks)].to_vec())
            }
            Some(vault::Op::WriteInput) => {
                assert_eq!(usize::from(request.volume), audit, "the auditor writes its own volume alone");
                let start = disk.volume.range(Area::Input, block, 1).start;
                assert!(block + (data.len() / BLOCK_SIZE) as u64 <= disk.volume.layout.input.blocks);
                disk.volume.bytes[start..start + data.len()].copy_from_slice(data);
                (Status::Ok, Vec::new())
            }
            Some(vault::Op::Commit) => {
                assert_eq!(usize::from(request.volume), audit, "the auditor writes its own volume alone");
                assert_eq!(block, disk.volume.frontier.ledger_next);
                commit(&mut disk.volume, data);
                self.commits += 1;
                (Status::Ok, Vec::new())
            }
            op => panic!("the auditor asked for {op:?}"),
        }
    }
}

fn request_data(request: &vault::Request) -> usize {
    let carries = [vault::Op::Commit, vault::Op::WriteInput].map(|op| op as u16).contains(&request.op.get());
    if carries { request.len.get() as usize } else { 0 }
}

/// Writes a batch of records behind its batch header, as the vault does.
pub fn commit(volume: &mut TestVolume, records: &[u8]) {
    let batch = Batch {
        kind: BatchKind::Commit,
        volume: volume.superblock.volume,
        payload_len: records.len() as u32,
        assets_to: volume.frontier.assets_next,
        assets_durable: volume.frontier.assets_next,
        ledger_checksum: checksum(records),
        assets_checksum: checksum(&[]),
    };
    let header = BatchHeader::new(&volume.frontier, &batch);
    let range = volume.range(Area::Ledger, volume.frontier.ledger_next, header.ledger_blocks.get().into());
    let bytes = &mut volume.bytes[range];
    bytes.fill(0);
    bytes[..STAMP_SIZE].copy_from_slice(header.as_bytes());
    bytes[STAMP_SIZE..][..records.len()].copy_from_slice(records);
    volume.frontier = header.frontier_after();
}

/// An archive's volume: documents of many sizes, in batches of one and several records.
pub fn archive_volume(name: &str) -> TestVolume {
    let mut volume = TestVolume::blank(name, 256);
    volume.hint(0);
    volume.genesis();
    volume.commit();
    for (number, len) in [0, 1, 4096, 5000, 100_000, 33_000, 7].into_iter().enumerate() {
        let content: Vec<u8> = (0..len).map(|i| (i * 7 + number) as u8).collect();
        volume.document("document", &content);
        if number % 3 != 0 {
            volume.commit();
        }
    }
    volume.commit();
    volume.hint(1);
    volume
}

/// An audit volume as the host tool and the vault's first start leave it.
pub fn audit_volume() -> TestVolume {
    let mut volume = TestVolume::blank("audit", 256);
    volume.hint(0);
    volume.hint(1);
    volume
}

/// An audit volume in which only what is kept for its end is left.
pub fn full_audit_volume() -> TestVolume {
    let mut volume = audit_volume();
    volume.genesis();
    volume.commit();
    while volume.frontier.ledger_next + RESERVED_BLOCKS < volume.layout.space.blocks {
        volume.checkpoint();
        volume.commit();
    }
    volume.hint(0);
    volume.hint(1);
    volume
}

/// The seed of the key of the volume with this number, or of the auditor's for the last one.
pub fn seed(volume: usize) -> Seed {
    [volume as u8 + 1; size_of::<Seed>()]
}

/// The auditor's key region, for so many volumes.
pub fn key_region(volumes: usize) -> Region {
    let region = totebox_shm::testing::region(PAGE);
    let shared = Shared::new(mapped(), region).unwrap();
    shared.write(0, &seed(volumes - 1));
    for archive in 0..volumes - 1 {
        let signer = Signer::new("any", &seed(archive)).unwrap();
        shared.write(size_of::<Seed>() * (archive + 1), signer.verifier().key());
    }
    region
}

pub struct Harness {
    pub auditor: Auditor,
    pub kernel: TestKernel,
    pub vault: FakeVault,
    pub vault_channel: Channel,
    pub orchestrator: Channel,
    pub requests: Producer,
    pub reports: Consumer,
    pub orchestrator_region: Shared,
    pub health: Vec<PageWriter<Health>>,
    pub time: PageWriter<Time>,
    /// The report that came unasked, and its body.
    pub boot: Report,
    pub opened: audit::Opened,
    /// What was told at start: of volumes, and of flags.
    pub restored: Vec<(Report, Remembered)>,
    pub flags: Vec<FlagRow>,
}

impl Harness {
    /// The auditor of these volumes, the last being its own; not started.
    pub fn new(volumes: Vec<TestVolume>) -> Harness {
        let mut description = TestManifest::new(Role::Auditor);
        description.deployment = volumes[0].superblock.deployment;
        for volume in &volumes {
            let (first_block, superblock) = (0.into(), volume.superblock);
            description.volumes.push(Volume { first_block, superblock, on_mismatch: 0, reserved: [0; 7] });
        }
        description.signing_key = key_region(volumes.len());
        let (orchestrator, orchestrator_end) = description.link(Role::Orchestrator, 0, LinkKind::Queue);
        let (vault, vault_end) = description.link(Role::Vault, 0, LinkKind::Queue);
        let (_, clock_end) = description.link(Role::Clock, 0, LinkKind::Page);
        let archives = volumes.len() - 1;
        let pages: Vec<Region> = (0..archives as u8)
            .map(|index| description.link(Role::Archive, index, LinkKind::Page).1.mine)
            .collect();
        let form = queue(Role::Orchestrator, Role::Auditor).unwrap();
        let (requests, reports) = queue_pair(mapped(), &orchestrator_end, form).unwrap();
        let intact = |volume| Disk { volume, state: VolumeState::Ready, unreadable: Vec::new(), claimed: None };
        let bytes = description.bytes();
        let manifest = Manifest::parse(&bytes).unwrap();
        Harness {
            auditor: Auditor::new(&manifest, mapped()).unwrap(),
            kernel: TestKernel::default(),
            vault: FakeVault::new(volumes.into_iter().map(intact).collect(), &vault_end),
            vault_channel: Channel(vault.channel),
            orchestrator: Channel(orchestrator.channel),
            requests,
            reports,
            orchestrator_region: Shared::new(mapped(), orchestrator_end.mine).unwrap(),
            health: pages.into_iter().map(|page| PageWriter::new(mapped(), page).unwrap()).collect(),
            time: PageWriter::new(mapped(), clock_end.mine).unwrap(),
            boot: Report::new_zeroed(),
            opened: audit::Opened::new_zeroed(),
            restored: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Two archives and the audit volume, started; the boot report has been taken.
    pub fn started() -> Harness {
        let mut harness =
            Harness::new(vec![archive_volume("contracts"), archive_volume("finance"), audit_volume()]);
        let boot = harness.start();
        assert_eq!(boot.audit_record.get(), 1);
        harness
    }

    /// Starts the auditor and returns the report that comes unasked.
    pub fn start(&mut self) -> Report {
        self.auditor.start(&mut self.kernel);
        self.run();
        self.boot_report()
    }

    /// The report on the boot record; what was told before it is kept in `restored`.
    pub fn boot_report(&mut self) -> Report {
        let mut messages = self.messages();
        let (boot, body) = messages.pop().unwrap();
        self.opened = audit::Opened::read_from_prefix(&body).unwrap().0;
        assert_eq!((boot.op, boot.tag.get()), (audit::Op::Record as u8, 0));
        for (report, body) in messages {
            match audit::Op::from_wire(report.op) {
                Some(audit::Op::RestoreVolume) => {
                    self.restored.push((report, Remembered::read_from_prefix(&body).unwrap().0));
                }
                Some(audit::Op::RestoreFlag) => self.flags.push(FlagRow::read_from_prefix(&body).unwrap().0),
                op => panic!("{op:?} before the report on the boot record"),
            }
        }
        self.boot = boot;
        boot
    }

    pub fn notify(&mut self, channel: Channel) {
        let mut from = ChannelSet::default();
        from.insert(channel);
        self.auditor.notified(&mut self.kernel, from);
    }

    /// One step of the vault and of the auditor; false if the vault had nothing to do.
    pub fn step(&mut self) -> bool {
        let served = self.vault.serve(3) > 0;
        if served {
            self.notify(self.vault_channel);
        }
        served
    }

    /// Lets vault and auditor work until nothing is under way.
    pub fn run(&mut self) {
        while self.step() {}
    }

    pub fn send(&mut self, request: &audit::Request) {
        assert!(self.requests.send(request.as_bytes(), &[]).unwrap());
        self.notify(self.orchestrator);
    }

    pub fn ask(&mut self, volume: u8, tag: u32) {
        self.ask_for(audit::Op::VerifyFull, volume, tag);
    }

    pub fn ask_for(&mut self, op: audit::Op, volume: u8, tag: u32) {
        let mut request = audit::Request::new_zeroed();
        (request.op, request.volume, request.tag) = (op as u8, volume, tag.into());
        self.send(&request);
    }

    /// The reports that have come, with their bodies.
    pub fn messages(&mut self) -> Vec<(Report, [u8; AUDIT_DATA])> {
        let mut messages = Vec::new();
        for _ in 0..self.reports.available().unwrap() {
            let (mut report, mut body) = (Report::new_zeroed(), [0; AUDIT_DATA]);
            self.reports.read(0, report.as_mut_bytes());
            self.reports.read(MESSAGE_HEADER, &mut body);
            self.reports.release();
            messages.push((report, body));
        }
        messages
    }

    /// The reports on verifications and entries that have come.
    pub fn reports(&mut self) -> Vec<(Report, Verified)> {
        let verified = |body: &[u8]| Verified::read_from_prefix(body).unwrap().0;
        self.messages().into_iter().map(|(report, body)| (report, verified(&body))).collect()
    }

    /// Verifies a volume and returns the report.
    pub fn verify(&mut self, volume: u8) -> (Report, Verified) {
        self.ask(volume, 77);
        self.run();
        let reports = self.reports();
        assert_eq!(reports.len(), 1);
        let (report, verified) = reports[0];
        assert_eq!((report.op, report.volume, report.tag.get()), (audit::Op::VerifyFull as u8, volume, 77));
        (report, verified)
    }

    /// The audit volume.
    pub fn audit_disk(&mut self) -> &mut Disk {
        self.vault.disks.last_mut().unwrap()
    }

    /// The payloads of the audit record as text, genesis left out.
    pub fn audit_record(&mut self) -> Vec<String> {
        let volume = &self.audit_disk().volume;
        let seen = volume.audit();
        assert_eq!(seen.findings, [], "the audit record is sound");
        let payload = |&(_, block, offset): &(u64, u64, usize)| {
            let from = volume.range(Area::Ledger, block, 1).start + offset;
            let (record, _) = Record::decode(&volume.bytes[from..]).unwrap();
            assert!(record.has_form(), "{:x?}", record.payload);
            shown(record.payload)
        };
        seen.records[1..].iter().map(payload).collect()
    }
}

/// A report's first finding: kind, area, block, record.
pub fn place(report: &Report) -> (u8, u8, u64, Option<u64>) {
    let record = report.record.get();
    (report.finding, report.area, report.block.get(), (record != NO_RECORD).then_some(record))
}
