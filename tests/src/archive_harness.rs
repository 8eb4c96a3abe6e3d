//! Archives and the vault on a simulated machine; the console is the test's.

use std::collections::VecDeque;

use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::testing::Seen;
use ledger_fmt::verify::Mode;
use totebox_deployment::Deployment;
use totebox_manifest::conversation::{self, INTAKE_DATA, MESSAGE_HEADER};
use totebox_manifest::{LinkKind, Role};
use totebox_protocol::intake::{Answer, Op, Reply, Request};
use totebox_shm::{Consumer, Producer, queue_pair, testing};
use zerocopy::{FromZeros, IntoBytes};

use crate::sim::{DiskHandle, Silent, World, domain};

/// A request to an archive and its data.
pub type Message = (Op, u32, u64, Vec<u8>);

/// An archive's answer and its data.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What kind of answer it is.
    pub answer: Answer,
    /// Its header.
    pub reply: Reply,
    /// Its data.
    pub data: Vec<u8>,
}

/// The console's end of the link to one archive.
struct Link {
    channel: u8,
    requests: Producer,
    answers: Consumer,
    waiting: VecDeque<Message>,
}

/// Vault, clock and archives.
pub struct ArchiveHarness {
    /// The machine.
    pub world: World,
    console: usize,
    links: Vec<Link>,
}

/// The messages of one submission.
pub fn submission(tag: u32, name: &str, bytes: &[u8]) -> Vec<Message> {
    let mut messages = vec![(Op::PutBegin, tag, bytes.len() as u64, name.as_bytes().to_vec())];
    for (i, chunk) in bytes.chunks(INTAKE_DATA).enumerate() {
        messages.push((Op::PutData, tag, (i * INTAKE_DATA) as u64, chunk.to_vec()));
    }
    messages.push((Op::PutEnd, tag, 0, Vec::new()));
    messages
}

impl ArchiveHarness {
    /// A machine just switched on, with this disk.
    pub fn new(deployment: &Deployment, disk: DiskHandle, seed: u64) -> ArchiveHarness {
        let world = World::new(deployment, disk, seed, |manifest, mapped, devices| match manifest.role() {
            Role::Vault | Role::Clock | Role::Archive => domain(manifest, mapped, devices),
            _ => Box::new(Silent),
        });
        let console = world.pd(Role::Console, 0);
        let form = conversation::queue(Role::Console, Role::Archive).expect("a queue to each archive");
        let link = |index| {
            let manifest = world.manifest(console);
            let link = manifest.link(Role::Archive, index, LinkKind::Queue).expect("a queue to each archive");
            let (requests, answers) = queue_pair(testing::mapped(), link, form).expect("a queue to each archive");
            Link { channel: link.channel, requests, answers, waiting: VecDeque::new() }
        };
        let links = (0..deployment.archives.len() as u8).map(link).collect();
        ArchiveHarness { world, console, links }
    }

    /// The machine's power is cut and comes back.
    pub fn power_cut(mut self, deployment: &Deployment, seed: u64) -> ArchiveHarness {
        let disk = self.world.devices().disk.clone();
        disk.borrow_mut().cut_power(self.world.random());
        drop(self);
        ArchiveHarness::new(deployment, disk, seed)
    }

    /// Has messages sent to an archive as its ring takes them.
    pub fn send(&mut self, archive: usize, messages: impl IntoIterator<Item = Message>) {
        self.links[archive].waiting.extend(messages);
    }

    /// Lets one thing happen; returns an answer with its archive, if there is one. Sets `idle` if nothing
    /// can happen any more but the passing of time.
    pub fn step(&mut self, idle: &mut bool) -> Option<(usize, Answered)> {
        let mut sent = false;
        for (archive, link) in self.links.iter_mut().enumerate() {
            if let Some((op, tag, value, data)) = link.waiting.front() {
                let mut request = Request::new_zeroed();
                (request.op, request.tag, request.value) = ((*op as u16).into(), (*tag).into(), (*value).into());
                request.len = (data.len() as u32).into();
                request.extra = if *op == Op::List { u64::MAX.into() } else { 0.into() };
                if link.requests.send(request.as_bytes(), data).expect("an archive keeps to the protocol") {
                    link.waiting.pop_front();
                    self.world.notify(self.console, link.channel);
                    sent = true;
                }
            }
            if link.answers.available().expect("an archive keeps to the protocol") > 0 {
                let mut reply = Reply::new_zeroed();
                link.answers.read(0, reply.as_mut_bytes());
                let mut data = vec![0; reply.len.get() as usize];
                link.answers.read(MESSAGE_HEADER, &mut data);
                link.answers.release();
                self.world.notify(self.console, link.channel);
                let answer = Answer::from_wire(reply.answer).expect("an archive sends known answers");
                return Some((archive, Answered { answer, reply, data }));
            }
        }
        *idle = !self.world.step() && !sent;
        None
    }

    /// Sends messages to an archive; returns what it answers until there is nothing more to do.
    pub fn ask(&mut self, archive: usize, messages: impl IntoIterator<Item = Message>) -> Vec<Answered> {
        self.send(archive, messages);
        let mut answers = Vec::new();
        let mut idle = false;
        while !idle {
            match self.step(&mut idle) {
                Some((of, answered)) => {
                    assert_eq!(of, archive, "an answer nobody asked for: {answered:?}");
                    answers.push(answered);
                }
                None => assert!(self.world.steps() < 50_000_000, "this never ends"),
            }
        }
        answers
    }
}

/// Verifies a volume on a disk as the host tool does.
pub fn verify(deployment: &Deployment, disk: &DiskHandle, volume: usize) -> Seen {
    verify_content(deployment, disk.borrow().seen(), volume)
}

/// Every volume on a disk verifies as the host tool does it, and nothing is found.
pub fn all_clean(deployment: &Deployment, disk: &DiskHandle) {
    for (number, volume) in deployment.volumes.iter().enumerate() {
        assert_eq!(verify(deployment, disk, number).findings, [], "{}", volume.name);
    }
}

/// Verifies a volume of the disk with this content as the host tool does.
pub fn verify_content(deployment: &Deployment, disk: &[u8], volume: usize) -> Seen {
    let volume = &deployment.volumes[volume];
    let start = volume.first_block as usize * BLOCK_SIZE;
    let bytes = &disk[start..start + volume.layout.blocks as usize * BLOCK_SIZE];
    ledger_fmt::testing::verify(bytes, &volume.superblock(), None, Mode::Full)
}
