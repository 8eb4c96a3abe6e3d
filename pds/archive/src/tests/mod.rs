//! An archive between a vault in memory and a console made of test code, over real queues.

mod documents;
mod garbage;
mod lifecycle;
mod scrub;
mod signing;
mod start;
mod trouble;
mod vault;

use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::hash::content_blake3;
use ledger_fmt::layout::Superblock;
use ledger_fmt::note::Seed;
use ledger_fmt::testing::padded_name;
use totebox_manifest::conversation::{INTAKE_DATA, MESSAGE_HEADER, PAGE, queue};
use totebox_manifest::{LinkKind, Region, Volume};
use totebox_protocol::intake::{Answer, Failure, Op, Reply, Request, SIZE_UNKNOWN};
use totebox_shm::testing::mapped;
use totebox_shm::{Consumer, Producer, Shared, queue_pair};
use totebox_testing::{Random, TestKernel, TestManifest};
use zerocopy::IntoBytes;

use super::*;
use vault::{Disk, FakeVault};

/// What the wall clock says.
const NOW_MS: u64 = 1_770_000_000_000;

/// A record of a listing: its sequence number and name.
type Entry = (u64, Vec<u8>);

/// An answer and its data.
#[derive(Clone, Debug)]
struct Answered {
    answer: Answer,
    reply: Reply,
    data: Vec<u8>,
}

struct Harness {
    archive: Archive,
    kernel: TestKernel,
    vault: FakeVault,
    requests: Producer,
    answers: Consumer,
    health: PageReader<Health>,
    lifecycle: PageWriter<CommandPage>,
    time: PageWriter<Time>,
    /// The regions the vault and the console write.
    regions: [Region; 2],
    commanded: u64,
    next_tag: u32,
}

/// The seed of the archive's key.
const SEED: Seed = [5; 32];

/// A region with this key.
fn key_region(seed: &Seed) -> Region {
    let region = totebox_shm::testing::region(PAGE);
    Shared::new(mapped(), region).unwrap().write(0, seed);
    region
}

/// An empty volume.
fn blank(blocks: u64) -> Disk {
    Disk::new(Superblock::new([7; 16], [1; 16], padded_name("contracts"), blocks))
}

/// Bytes that differ from place to place.
fn document(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| random.number().to_le_bytes()).collect();
    bytes.truncate(len);
    bytes
}

impl Harness {
    /// An archive over this disk that has not started yet.
    fn off(disk: Disk) -> Harness {
        let mut description = TestManifest::new(Role::Archive);
        let superblock = disk.superblock;
        let first_block = 0.into();
        description.volumes.push(Volume { first_block, superblock, on_mismatch: 0, reserved: [0; 7] });
        let (_, of_vault) = description.link(Role::Vault, 0, LinkKind::Queue);
        let (_, of_console) = description.link(Role::Console, 0, LinkKind::Queue);
        let (_, of_orchestrator) = description.link(Role::Orchestrator, 0, LinkKind::Page);
        let (_, of_clock) = description.link(Role::Clock, 0, LinkKind::Page);
        description.signing_key = key_region(&SEED);
        let bytes = description.bytes();
        let archive = Archive::new(&Manifest::parse(&bytes).unwrap(), mapped()).unwrap();
        let form = queue(Role::Console, Role::Archive).unwrap();
        let (requests, answers) = queue_pair(mapped(), &of_console, form).unwrap();
        let time = Time { wall_ms: NOW_MS.into(), uptime_ms: 5.into(), ticks: 1.into() };
        let mut clock = PageWriter::new(mapped(), of_clock.mine).unwrap();
        clock.publish(&time);
        Harness {
            archive,
            kernel: TestKernel::default(),
            vault: FakeVault::new(disk, &of_vault),
            requests,
            answers,
            health: PageReader::new(mapped(), of_orchestrator.theirs).unwrap(),
            lifecycle: PageWriter::new(mapped(), of_orchestrator.mine).unwrap(),
            time: clock,
            regions: [of_vault.mine, of_console.mine],
            commanded: 0,
            next_tag: 100,
        }
    }

    /// An archive over this disk that has started.
    fn on(disk: Disk) -> Harness {
        let mut harness = Harness::off(disk);
        harness.start();
        harness
    }

    fn start(&mut self) {
        self.archive.start(&mut self.kernel);
        self.settle();
    }

    /// The archive is cut off and started again over what is on the disk.
    fn restart(self) -> Harness {
        Harness::on(self.vault.disk)
    }

    /// Everybody but the orchestrator has notified.
    fn notify(&mut self) {
        let Channel(orchestrator) = self.archive.orchestrator;
        self.archive.notified(&mut self.kernel, ChannelSet(!(1 << orchestrator)));
    }

    /// The orchestrator has notified: there may be a command, and a sign of life is due.
    fn beat(&mut self) {
        let mut from = ChannelSet::default();
        from.insert(self.archive.orchestrator);
        self.archive.notified(&mut self.kernel, from);
        self.settle();
    }

    /// Lets the vault and the archive work until neither has anything to do.
    fn settle(&mut self) {
        while self.vault.serve(usize::MAX) > 0 {
            self.notify();
        }
    }

    fn health(&self) -> Health {
        let mut health = Health::new_zeroed();
        assert!(self.health.read(&mut health));
        health
    }

    fn state(&self) -> ArchiveState {
        ArchiveState::from_wire(self.health().state).unwrap()
    }

    fn command(&mut self, target: ArchiveState) {
        self.commanded += 1;
        let sequence = self.commanded.into();
        let cause = totebox_protocol::page::Cause::Operator as u8;
        self.lifecycle.publish(&CommandPage { sequence, target: target as u8, cause });
        self.beat();
    }

    /// The answers there are now. None of them acknowledges what is not committed.
    fn answers(&mut self) -> Vec<Answered> {
        let mut out = Vec::new();
        while self.answers.available().unwrap() > 0 {
            let mut reply = Reply::new_zeroed();
            self.answers.read(0, reply.as_mut_bytes());
            let mut data = vec![0; reply.len.get() as usize];
            self.answers.read(MESSAGE_HEADER, &mut data);
            self.answers.release();
            let answer = Answer::from_wire(reply.answer).unwrap();
            let early = answer == Answer::Receipt && reply.value.get() >= self.vault.disk.records;
            assert!(!early, "a receipt for a record that is not committed");
            out.push(Answered { answer, reply, data });
        }
        out
    }

    /// Puts a request into the ring; false if it is full.
    fn offer(&mut self, op: Op, tag: u32, value: u64, extra: u64, data: &[u8]) -> bool {
        let mut request = Request::new_zeroed();
        (request.op, request.tag) = ((op as u16).into(), tag.into());
        (request.value, request.extra) = (value.into(), extra.into());
        request.len = (data.len() as u32).into();
        self.requests.send(request.as_bytes(), data).unwrap()
    }

    /// Sends a request, and lets everything settle.
    fn send(&mut self, op: Op, tag: u32, value: u64, extra: u64, data: &[u8]) -> Vec<Answered> {
        assert!(self.offer(op, tag, value, extra, data));
        self.work()
    }

    /// Lets everyone work until all is done; returns what was answered.
    fn work(&mut self) -> Vec<Answered> {
        let mut answers = Vec::new();
        loop {
            self.notify();
            self.settle();
            let new = self.answers();
            if new.is_empty() {
                return answers;
            }
            answers.extend(new);
        }
    }

    fn tag(&mut self) -> u32 {
        self.next_tag += 1;
        self.next_tag
    }

    /// The messages of one submission.
    fn submission(&mut self, name: &str, bytes: &[u8]) -> Vec<(Op, u32, u64, Vec<u8>)> {
        let tag = self.tag();
        let mut messages = vec![(Op::PutBegin, tag, bytes.len() as u64, name.as_bytes().to_vec())];
        for (i, chunk) in bytes.chunks(INTAKE_DATA).enumerate() {
            messages.push((Op::PutData, tag, (i * INTAKE_DATA) as u64, chunk.to_vec()));
        }
        messages.push((Op::PutEnd, tag, 0, Vec::new()));
        messages
    }

    /// Sends messages as fast as the ring takes them; returns all answers.
    fn send_all(&mut self, messages: &[(Op, u32, u64, Vec<u8>)]) -> Vec<Answered> {
        let mut answers = Vec::new();
        let mut waiting = messages.iter().peekable();
        while let Some((op, tag, value, data)) = waiting.peek() {
            if self.offer(*op, *tag, *value, 0, data) {
                waiting.next();
                continue;
            }
            self.notify();
            self.vault.serve(1);
            answers.extend(self.answers());
        }
        answers.extend(self.work());
        answers
    }

    /// Sends messages as a console does that has the higher priority: the ring is filled whenever there is
    /// room, before the archive runs.
    fn send_without_pause(&mut self, messages: Vec<(Op, u32, u64, Vec<u8>)>) {
        let mut waiting = messages.into_iter().peekable();
        while let Some((op, tag, value, data)) = waiting.peek() {
            if self.offer(*op, *tag, *value, 0, data) {
                waiting.next();
            } else {
                self.notify();
                self.answers();
                self.vault.serve(1);
            }
        }
        self.work();
    }

    /// Submits a document; returns what ended it.
    fn put(&mut self, name: &str, bytes: &[u8]) -> Answered {
        let messages = self.submission(name, bytes);
        let answers = self.send_all(&messages);
        let [ready, end] = &answers[..] else { panic!("not two answers: {answers:?}") };
        assert_eq!(ready.answer, Answer::Ready);
        end.clone()
    }

    /// Fetches a document from a byte on: what it is, its content, and what ended it.
    fn get(&mut self, sequence: u64, offset: u64) -> (Option<Answered>, Vec<u8>, Answered) {
        let tag = self.tag();
        let mut answers = self.send(Op::Get, tag, sequence, offset, &[]);
        assert!(answers.iter().all(|answered| answered.reply.tag.get() == tag));
        let end = answers.pop().unwrap();
        let mut rest = answers.into_iter();
        let document = rest.next();
        let mut content = Vec::new();
        for part in rest {
            assert_eq!(part.answer, Answer::Data);
            assert_eq!(part.reply.value.get(), offset + content.len() as u64);
            content.extend(part.data);
        }
        (document, content, end)
    }

    /// Lists records: sequence numbers and names, and what ended the listing.
    fn list(&mut self, from: u64, count: u64) -> (Vec<(u64, Vec<u8>)>, Answered) {
        let (entries, _, end) = self.list_with_gaps(from, count);
        (entries, end)
    }

    /// As [`Harness::list`], with the gaps: the first record missing and how many.
    fn list_with_gaps(&mut self, from: u64, count: u64) -> (Vec<Entry>, Vec<(u64, u64)>, Answered) {
        let tag = self.tag();
        let mut answers = self.send(Op::List, tag, from, count, &[]);
        let end = answers.pop().unwrap();
        let (mut entries, mut gaps) = (Vec::new(), Vec::new());
        for answered in answers {
            let value = answered.reply.value.get();
            match answered.answer {
                Answer::Entry => entries.push((value, answered.data)),
                Answer::Gap => gaps.push((value, answered.reply.extra.get())),
                other => panic!("{other:?} in a listing"),
            }
        }
        (entries, gaps, end)
    }
}

impl Answered {
    /// The sequence number of a receipt.
    fn sequence(&self) -> u64 {
        assert_eq!(self.answer, Answer::Receipt, "{self:?}");
        self.reply.value.get()
    }

    /// Why a request failed.
    fn failure(&self) -> Failure {
        assert_eq!(self.answer, Answer::Failed, "{self:?}");
        Failure::from_wire(self.reply.code).unwrap()
    }
}
