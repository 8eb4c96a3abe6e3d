//! A console on its own, for tests here and of the host tool: a serial line made of bytes in memory, archives that keep
//! documents in memory, and the orchestrator's page. Only notifications that were really sent are delivered, so that
//! one that is missing shows.

mod orchestrator;
mod page;

pub use orchestrator::TestOrchestrator;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;

use ledger_fmt::hash;
use ledger_fmt::record::Kind;
use totebox_console_protocol::data::{checksum, verified};
use totebox_domain::device::Uart;
use totebox_domain::{Channel, ChannelSet, Domain};
use totebox_manifest::conversation::{INTAKE_DATA, MESSAGE_HEADER, queue};
use totebox_manifest::{DeviceKind, Link, LinkKind, Manifest, Region, Role};
use totebox_protocol::audit::Op as Audit;
use totebox_protocol::intake::{Answer, Failure, Op, Reply, Request, SIZE_UNKNOWN};
use totebox_protocol::page::{ArchiveState, StatusPage, Time, VolumeStatus};
use totebox_shm::testing::{give_back, mapped};
use totebox_shm::{Consumer, PageWriter, Producer, queue_pair};
use totebox_testing::{TestKernel, TestManifest};
use zerocopy::{FromZeros, IntoBytes};

use super::Console;

/// The serial line, shared with the test.
#[derive(Default)]
pub struct Line {
    pub to_console: VecDeque<u8>,
    pub from_console: Vec<u8>,
    /// Bytes the line takes before it blocks.
    pub room: usize,
    pub hung_up: bool,
    blocked: bool,
}

#[derive(Clone)]
pub struct TestUart(pub Rc<RefCell<Line>>);

impl Uart for TestUart {
    fn receive(&mut self, out: &mut [u8]) -> usize {
        let mut line = self.0.borrow_mut();
        let count = out.len().min(line.to_console.len());
        for (slot, byte) in out.iter_mut().zip(line.to_console.drain(..count)) {
            *slot = byte;
        }
        count
    }

    fn transmit(&mut self, bytes: &[u8]) -> usize {
        let mut line = self.0.borrow_mut();
        let count = bytes.len().min(line.room);
        line.room -= count;
        line.blocked = count < bytes.len();
        line.from_console.extend(&bytes[..count]);
        count
    }

    fn acknowledge(&mut self) {}

    fn hung_up(&mut self) -> bool {
        core::mem::take(&mut self.0.borrow_mut().hung_up)
    }
}

/// A document in a test archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub name: String,
    pub content: Vec<u8>,
}

struct Open {
    tag: u32,
    declared: Request,
    document: Document,
}

/// What an archive is sending.
enum Sending {
    Document { tag: u32, index: usize, offset: usize },
    List { tag: u32, next: u64, end: u64, gap: bool },
}

/// An archive that keeps to the protocol of `proto::intake`, with its documents in memory. Record 0 is
/// its genesis, so document i is record i + 1.
pub struct TestArchive {
    requests: Consumer,
    pub answers: Producer,
    pub documents: Vec<Document>,
    open: Option<Open>,
    sending: Option<Sending>,
    pending: VecDeque<Reply>,
    /// It does nothing at all.
    pub hung: bool,
    /// It keeps receipts back.
    pub holds_receipts: bool,
    /// It refuses the open submission once this many bytes came.
    pub refuses_at: Option<usize>,
    /// It is sealed.
    pub refuses_puts: bool,
    /// Every request it took, by operation.
    pub seen: Vec<Op>,
    /// The content it hands out is not what its records say.
    pub damages: bool,
    /// Records that cannot be read: a listing leaves them out and ends with an error.
    pub unreadable: Vec<u64>,
}

impl TestArchive {
    fn new(link: &Link) -> Self {
        let form = queue(Role::Archive, Role::Console).unwrap();
        let (answers, requests) = queue_pair(mapped(), link, form).unwrap();
        TestArchive {
            requests,
            answers,
            documents: Vec::new(),
            open: None,
            sending: None,
            pending: VecDeque::new(),
            hung: false,
            holds_receipts: false,
            refuses_at: None,
            refuses_puts: false,
            seen: Vec::new(),
            damages: false,
            unreadable: Vec::new(),
        }
    }

    /// Submissions that wait for their receipts.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Does what it can; whether that was something.
    fn run(&mut self) -> bool {
        if self.hung {
            return false;
        }
        let mut moved = false;
        while self.answers.free().unwrap() > 1 {
            if !self.holds_receipts
                && let Some(receipt) = self.pending.pop_front()
            {
                let record = [receipt.hash[0] ^ 0xff; 32];
                self.answer(receipt, &record);
            } else if !self.send_on() {
                if self.requests.available().unwrap() == 0 {
                    break;
                }
                self.take_request();
            }
            moved = true;
        }
        moved
    }

    fn take_request(&mut self) {
        let mut request = Request::new_zeroed();
        self.requests.read(0, request.as_mut_bytes());
        let mut data = [0; INTAKE_DATA];
        let data = &mut data[..request.len.get() as usize];
        self.requests.read(MESSAGE_HEADER, data);
        self.requests.release();
        let (op, tag, value) = (Op::from_wire(request.op.get()).unwrap(), request.tag.get(), request.value.get());
        self.seen.push(op);
        match op {
            Op::PutBegin => {
                assert!(self.open.is_none(), "the console sends one submission at a time");
                let name = String::from_utf8(data.to_vec()).unwrap();
                if self.refuses_puts {
                    return self.fail(tag, Failure::Sealed, 0);
                }
                let document = Document { name, content: Vec::new() };
                self.open = Some(Open { tag, declared: request, document });
                self.answer(reply(Answer::Ready, tag), &[]);
            }
            Op::PutData => {
                let Some(open) = self.open.as_mut().filter(|open| open.tag == tag) else { return };
                assert_eq!(value, open.document.content.len() as u64, "content comes in order");
                open.document.content.extend(&*data);
                let len = open.document.content.len();
                if self.refuses_at.is_some_and(|limit| len >= limit) {
                    self.open = None;
                    self.fail(tag, Failure::Full, 77);
                }
            }
            Op::PutEnd => {
                let Some(open) = self.open.take_if(|open| open.tag == tag) else { return };
                self.end(open);
            }
            Op::PutCancel => {
                if self.open.take_if(|open| open.tag == tag).is_some() {
                    self.fail(tag, Failure::Cancelled, 0);
                }
            }
            Op::Get => match (value as usize).checked_sub(1) {
                None => self.fail(tag, Failure::NotADocument, 0),
                Some(index) if index >= self.documents.len() => {
                    self.fail(tag, Failure::NotFound, self.documents.len() as u64 + 1);
                }
                Some(index) => {
                    let Document { name, content } = self.documents[index].clone();
                    let header = document_reply(Answer::Document, tag, value, &content);
                    self.answer(header, name.as_bytes());
                    self.sending = Some(Sending::Document { tag, index, offset: request.extra.get() as usize });
                }
            },
            Op::Sign => {
                let mut header = reply(Answer::Signed, tag);
                let records = self.documents.len() as u64 + 1;
                (header.value, header.extra) = (records.into(), records.into());
                self.answer(header, &[]);
            }
            Op::List => {
                let end = value.saturating_add(request.extra.get()).min(self.documents.len() as u64 + 1);
                self.sending = Some(Sending::List { tag, next: value, end, gap: false });
            }
            Op::Cancel => {
                let sends = match self.sending {
                    Some(Sending::Document { tag, .. } | Sending::List { tag, .. }) => Some(tag),
                    None => None,
                };
                if sends == Some(tag) {
                    self.sending = None;
                    self.fail(tag, Failure::Cancelled, 0);
                }
            }
        }
    }

    fn end(&mut self, Open { tag, declared, document }: Open) {
        let (len, size) = (document.content.len() as u64, declared.value.get());
        if size != SIZE_UNKNOWN && size != len {
            return self.fail(tag, Failure::WrongSize, len);
        }
        let hashed = declared.flags.get() == 1;
        if hashed && declared.hash != hash::content_blake3(&document.content) {
            return self.fail(tag, Failure::WrongHash, 0);
        }
        self.documents.push(document);
        let sequence = self.documents.len() as u64;
        let content = &self.documents[sequence as usize - 1].content;
        self.pending.push_back(document_reply(Answer::Receipt, tag, sequence, content));
    }

    /// Sends the next part of what is being sent; whether there was one.
    fn send_on(&mut self) -> bool {
        match self.sending.take() {
            None => return false,
            Some(Sending::Document { tag, index, offset }) => {
                let mut content = self.documents[index].content.clone();
                if let (true, Some(byte)) = (self.damages, content.first_mut()) {
                    *byte ^= 1;
                }
                let mut header = document_reply(Answer::End, tag, content.len() as u64, &content);
                let rest = content.get(offset..).unwrap_or(&[]);
                let part = &rest[..rest.len().min(INTAKE_DATA)];
                if !part.is_empty() {
                    (header.answer, header.value) = (Answer::Data as u8, (offset as u64).into());
                    self.sending = Some(Sending::Document { tag, index, offset: offset + part.len() });
                }
                self.answer(header, part);
            }
            Some(Sending::List { tag, next, end, .. }) if next < end && self.unreadable.contains(&next) => {
                let end = (end + 1).min(self.documents.len() as u64 + 1);
                self.sending = Some(Sending::List { tag, next: next + 1, end, gap: true });
            }
            Some(Sending::List { tag, next, end, gap }) if next < end => {
                let Document { name, content } = match next {
                    0 => Document { name: "".to_string(), content: Vec::new() },
                    _ => self.documents[next as usize - 1].clone(),
                };
                let mut header = document_reply(Answer::Entry, tag, next, &content);
                header.code = if next == 0 { Kind::Genesis as u8 } else { Kind::Document as u8 };
                self.answer(header, name.as_bytes());
                self.sending = Some(Sending::List { tag, next: next + 1, end, gap });
            }
            Some(Sending::List { tag, gap: true, .. }) => self.fail(tag, Failure::Damaged, 0),
            Some(Sending::List { tag, .. }) => {
                let mut header = reply(Answer::Listed, tag);
                header.value = (self.documents.len() as u64 + 1).into();
                self.answer(header, &[]);
            }
        }
        true
    }

    fn fail(&mut self, tag: u32, failure: Failure, value: u64) {
        let mut header = reply(Answer::Failed, tag);
        (header.code, header.value) = (failure as u8, value.into());
        self.answer(header, &[]);
    }

    /// Sends an answer, which must fit.
    pub fn answer(&mut self, mut header: Reply, data: &[u8]) {
        header.len = (data.len() as u16).into();
        assert!(self.answers.send(header.as_bytes(), data).unwrap());
    }
}

pub fn reply(answer: Answer, tag: u32) -> Reply {
    let mut header = Reply::new_zeroed();
    (header.answer, header.tag) = (answer as u8, tag.into());
    header
}

/// The time all records of a test archive have.
pub const RECORD_TIME_MS: u64 = 1_709_251_200_000;

fn document_reply(answer: Answer, tag: u32, value: u64, content: &[u8]) -> Reply {
    let mut header = reply(answer, tag);
    (header.value, header.extra) = (value.into(), (content.len() as u64).into());
    (header.hash, header.time_ms) = (hash::content_blake3(content), RECORD_TIME_MS.into());
    header
}

/// The console and everything around it.
pub struct Harness {
    pub console: Console<TestUart>,
    pub kernel: TestKernel,
    pub line: Rc<RefCell<Line>>,
    pub archives: Vec<TestArchive>,
    archive_channels: Vec<Channel>,
    pub status_page: Box<StatusPage>,
    page: PageWriter<StatusPage>,
    pub uart: Channel,
    pub orchestrator: Channel,
    pub peer: TestOrchestrator,
    clock: PageWriter<Time>,
    clock_channel: Channel,
    /// What the clock last published.
    pub time: Time,
    /// The clock ticks.
    pub ticks: bool,
    /// Notifications on their way to the console.
    waiting: ChannelSet,
    regions: Vec<Region>,
}

impl Drop for Harness {
    fn drop(&mut self) {
        give_back(self.regions.drain(..));
    }
}

impl Harness {
    /// A console that has started; nothing was published yet.
    pub fn starting(names: &[&str]) -> Harness {
        let mut description = TestManifest::new(Role::Console);
        let (page, _) = description.link(Role::Orchestrator, 0, LinkKind::Page);
        let (orders, peer) = description.link(Role::Orchestrator, 0, LinkKind::Queue);
        let (clock, _) = description.link(Role::Clock, 0, LinkKind::Page);
        let mut links = Vec::new();
        for (index, name) in names.iter().enumerate() {
            description.volume(name);
            links.push(description.link(Role::Archive, index as u8, LinkKind::Queue));
        }
        description.volume("audit");
        let uart = description.device(DeviceKind::Uart);
        let bytes = description.bytes();
        let manifest = Manifest::parse(&bytes).unwrap();
        let line = Rc::new(RefCell::new(Line { room: usize::MAX, ..Line::default() }));
        let console = Console::new(&manifest, mapped(), TestUart(line.clone())).unwrap();
        let mut harness = Harness {
            console,
            kernel: TestKernel::default(),
            line,
            archives: links.iter().map(|(_, other)| TestArchive::new(other)).collect(),
            archive_channels: links.iter().map(|(link, _)| Channel(link.channel)).collect(),
            status_page: StatusPage::new_box_zeroed().unwrap(),
            page: PageWriter::new(mapped(), page.theirs).unwrap(),
            uart,
            orchestrator: Channel(orders.channel),
            peer: TestOrchestrator::new(&peer),
            clock: PageWriter::new(mapped(), clock.theirs).unwrap(),
            clock_channel: Channel(clock.channel),
            time: Time::new_zeroed(),
            ticks: true,
            waiting: ChannelSet::default(),
            regions: description.links.iter().flat_map(|link| [link.mine, link.theirs]).collect(),
        };
        for row in &mut harness.status_page.rows {
            *row = VolumeStatus::default().encode();
            (row.verify_op, row.audit_record) = (Audit::VerifyFull as u8, 0.into());
        }
        harness.console.start(&mut harness.kernel);
        harness.run();
        harness
    }

    /// A console whose archives are all active, its welcome already read.
    pub fn up(names: &[&str]) -> Harness {
        let mut harness = Harness::starting(names);
        for row in &mut harness.status_page.rows[..=names.len()] {
            (row.state, row.volume_state) = (ArchiveState::Active as u8, 1);
        }
        (harness.status_page.settled, harness.status_page.restored, harness.status_page.durable) = (1, 1, 1);
        harness.status_page.in_service = 1;
        harness.publish();
        harness.output();
        harness
    }

    /// The same in machine mode.
    pub fn up_machine(names: &[&str]) -> Harness {
        let mut harness = Harness::up(names);
        harness.bytes(b"\x03\nmachine\n");
        let output = harness.output();
        let (_, answer) = output.split_once("machine\r\n").unwrap();
        assert_eq!(verified(answer.trim_end().as_bytes()), Ok(&b"+machine totebox/1 0"[..]));
        harness
    }

    /// Publishes the status page and tells the console.
    pub fn publish(&mut self) {
        self.page.publish(&self.status_page);
        self.waiting.insert(self.orchestrator);
        self.run();
    }

    /// Lets so many seconds pass by the CPU's counter, in which the clock ticks, unless it stands still.
    pub fn seconds(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.kernel.counter_ms += 1000;
            if self.ticks {
                self.time.ticks += 1;
                self.clock.publish(&self.time);
                self.waiting.insert(self.clock_channel);
                self.run();
            }
        }
    }

    /// Tells the console that the orchestrator wants it to look.
    pub fn notify_from_orchestrator(&mut self) {
        self.waiting.insert(self.orchestrator);
        self.run();
    }

    /// Lets the orchestrator look again by itself, after it was hung.
    pub fn revive_orchestrator(&mut self) {
        self.peer.hung = false;
        self.peer.run();
        self.waiting.insert(self.orchestrator);
        self.run();
    }

    /// Lets bytes arrive over the line.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.line.borrow_mut().to_console.extend(bytes);
        self.waiting.insert(self.uart);
        self.run();
    }

    /// Sends a line of machine mode.
    pub fn send(&mut self, line: &str) {
        let line = format!("{line} #{:08x}\n", checksum(line.as_bytes()));
        self.bytes(line.as_bytes());
    }

    /// What came from the console since the last call.
    pub fn output_bytes(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.line.borrow_mut().from_console)
    }

    /// What came from the console since the last call, as text.
    pub fn output(&mut self) -> String {
        String::from_utf8_lossy(&self.output_bytes()).into_owned()
    }

    /// The lines of machine mode that came since the last call; every checksum must match, and docs/console-protocol.md
    /// has each.
    pub fn lines(&mut self) -> Vec<String> {
        let output = self.output();
        let lines = output.split_terminator("\r\n").map(|line| {
            let body = verified(line.as_bytes()).unwrap_or_else(|damage| panic!("{line:?}: {damage:?}"));
            let line = String::from_utf8(body.to_vec()).unwrap();
            page::check(&line);
            line
        });
        lines.collect()
    }

    /// Sends a line of machine mode and returns what it led to.
    pub fn ask(&mut self, line: &str) -> Vec<String> {
        self.send(line);
        self.lines()
    }

    /// Types a line as a person and returns what the terminal shows from there on.
    pub fn type_line(&mut self, line: &str) -> String {
        self.bytes(line.as_bytes());
        self.bytes(b"\r");
        self.output()
    }

    /// Lets the line take this many more bytes.
    pub fn let_out(&mut self, bytes: usize) {
        let mut line = self.line.borrow_mut();
        line.room = line.room.saturating_add(bytes);
        if core::mem::take(&mut line.blocked) {
            self.waiting.insert(self.uart);
        }
        drop(line);
        self.run();
    }

    /// Runs until nobody has anything to do.
    pub fn run(&mut self) {
        loop {
            let from = core::mem::take(&mut self.waiting);
            let mut idle = from == ChannelSet::default();
            if !idle {
                self.console.notified(&mut self.kernel, from);
            }
            let woken = core::mem::take(&mut self.kernel.notified);
            if woken.contains(&self.orchestrator) && self.peer.run() {
                self.waiting.insert(self.orchestrator);
                idle = false;
            }
            for (archive, channel) in self.archives.iter_mut().zip(&self.archive_channels) {
                if woken.contains(channel) && archive.run() {
                    self.waiting.insert(*channel);
                    idle = false;
                }
            }
            if idle {
                break;
            }
        }
    }

    /// Lets an archive look again by itself: after it was hung, or held something back.
    pub fn revive(&mut self, archive: usize) {
        (self.archives[archive].hung, self.archives[archive].holds_receipts) = (false, false);
        self.archives[archive].run();
        self.waiting.insert(self.archive_channels[archive]);
        self.run();
    }

    /// Tells the console that an archive wants it to look.
    pub fn notify_from(&mut self, archive: usize) {
        self.waiting.insert(self.archive_channels[archive]);
        self.run();
    }
}
