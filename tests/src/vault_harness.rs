//! A vault alone on a simulated machine. Its clients are the test's: they send what they like.

use std::collections::VecDeque;

use ledger_fmt::layout::{Area, BLOCK_SIZE};
use totebox_deployment::Deployment;
use totebox_manifest::conversation::{self, MESSAGE_HEADER};
use totebox_manifest::{LinkKind, Role};
use totebox_programs::Vault;
use totebox_protocol::page::VaultPage;
use totebox_protocol::vault::{Op, Reply, Request, Status, VolumeInfo, VolumeState};
use totebox_shm::{Consumer, PageReader, Producer, Shared, queue_pair, testing};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::sim::{DiskHandle, Silent, World, blank_disk, deployment};

/// Three small archives.
pub const SMALL: &str = r#"
[deployment]
name = "small"
id = "000102030405060708090a0b0c0d0e0f"
board = "qemu_virt_aarch64"

[disk]
size = "16 MiB"

[audit]
volume = "1 MiB"
period = "off"
full_every = 1

[[archive]]
name = "contracts"
size = "1 MiB"
on_mismatch = "flag"

[[archive]]
name = "finance"
size = "2 MiB"
on_mismatch = "flag"

[[archive]]
name = "correspondence"
size = "1 MiB"
on_mismatch = "flag"
"#;

/// The audit volume's number in [`SMALL`].
pub const AUDIT: u8 = 3;

/// A deployment of [`SMALL`] and its blank disk.
pub fn small() -> (Deployment, DiskHandle) {
    let deployment = deployment(SMALL);
    let disk = DiskHandle::new(blank_disk(&deployment));
    (deployment, disk)
}

/// Bytes that are like no others: `salt` tells them apart.
pub fn bytes(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8 ^ salt).collect()
}

/// A client of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId(usize);

struct Client {
    pd: usize,
    channel: u8,
    producer: Producer,
    consumer: Consumer,
    /// The region the client writes, to break the rules in.
    mine: Shared,
    tag: u32,
    /// The tags of requests that were not answered: of batches, and of others.
    batches: VecDeque<u32>,
    others: VecDeque<u32>,
}

impl Client {
    /// The tags of requests that are answered in one order with this kind.
    fn unanswered(&mut self, op: u16) -> &mut VecDeque<u32> {
        if Op::from_wire(op).is_some_and(Op::is_batch) { &mut self.batches } else { &mut self.others }
    }
}

/// A reply and its data.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its header.
    pub reply: Reply,
    /// Its data.
    pub data: Vec<u8>,
}

impl Answer {
    /// How the request went.
    pub fn status(&self) -> Status {
        Status::from_wire(self.reply.status.get()).expect("the vault sends known statuses")
    }

    /// The volume's state.
    pub fn state(&self) -> VolumeState {
        VolumeState::from_wire(self.reply.state).expect("the vault sends known states")
    }

    /// The answer to a `Hello`.
    pub fn info(&self) -> VolumeInfo {
        VolumeInfo::read_from_bytes(&self.data).expect("the data of a Hello are a VolumeInfo")
    }
}

/// The vault and its clients.
pub struct VaultHarness {
    /// The machine.
    pub world: World,
    clients: Vec<Client>,
    page: PageReader<VaultPage>,
}

/// A request that asks nothing yet.
pub fn request(op: Op) -> Request {
    let mut request = Request::new_zeroed();
    request.op = (op as u16).into();
    request
}

impl VaultHarness {
    /// A machine with [`SMALL`] and a blank disk.
    pub fn small() -> (Deployment, VaultHarness) {
        let (deployment, disk) = small();
        let harness = VaultHarness::new(&deployment, disk, 1);
        (deployment, harness)
    }

    /// A machine just switched on, with this disk.
    pub fn new(deployment: &Deployment, disk: DiskHandle, seed: u64) -> VaultHarness {
        let world = World::new(deployment, disk, seed, |manifest, mapped, devices| match manifest.role() {
            Role::Vault => {
                Box::new(Vault::new(manifest, mapped, devices.disk.driver()).expect("a vault's manifest"))
            }
            _ => Box::new(Silent),
        });
        let archives = (0..deployment.archives.len() as u8).map(|index| (Role::Archive, index));
        let others = [(Role::Auditor, 0), (Role::Orchestrator, 0)];
        let clients = archives.chain(others).map(|(role, index)| client(&world, role, index)).collect();
        let orchestrator = world.manifest(world.pd(Role::Orchestrator, 0));
        let page = orchestrator.link(Role::Vault, 0, LinkKind::Page).expect("the vault's page");
        let page = PageReader::new(testing::mapped(), page.theirs).expect("the vault's page");
        VaultHarness { world, clients, page }
    }

    /// The same machine after its domains were killed (and before that perhaps its power was cut) and it was
    /// started again.
    pub fn restarted(mut self, deployment: &Deployment, seed: u64) -> VaultHarness {
        let disk = self.world.devices().disk.clone();
        disk.borrow_mut().kill(self.world.random());
        drop(self);
        VaultHarness::new(deployment, disk, seed)
    }

    /// An archive.
    pub fn archive(&self, index: usize) -> ClientId {
        ClientId(index)
    }

    /// The auditor.
    pub fn auditor(&self) -> ClientId {
        ClientId(self.clients.len() - 2)
    }

    /// The orchestrator.
    pub fn orchestrator(&self) -> ClientId {
        ClientId(self.clients.len() - 1)
    }

    /// The vault's page, as last published.
    pub fn page(&self) -> VaultPage {
        let mut page = VaultPage::new_zeroed();
        assert!(self.page.read(&mut page), "the vault has published its page");
        page
    }

    /// Whether the vault says that it has looked at every volume.
    pub fn is_recovered(&self) -> bool {
        let page = self.page();
        let archives = self.clients.len() - 2;
        page.volumes[..=archives].iter().all(|row| row.state != VolumeState::Recovering as u8)
    }

    /// The region a client writes, to break the rules in.
    pub fn region_of(&self, client: ClientId) -> Shared {
        self.clients[client.0].mine
    }

    /// Sends a request if the ring has room. The tag is the client's next one.
    pub fn try_send(&mut self, client: ClientId, mut request: Request, data: &[u8]) -> bool {
        let client = &mut self.clients[client.0];
        let Client { pd, channel, producer, tag, .. } = client;
        request.tag = (*tag).into();
        if !producer.send(request.as_bytes(), data).expect("the vault keeps to the protocol") {
            return false;
        }
        self.world.notify(*pd, *channel);
        *tag += 1;
        client.unanswered(request.op.get()).push_back(request.tag.get());
        true
    }

    /// Sends a request.
    pub fn send(&mut self, client: ClientId, request: Request, data: &[u8]) {
        assert!(self.try_send(client, request, data), "the ring has room");
    }

    /// Wakes the vault on a client's behalf.
    pub fn notify(&mut self, client: ClientId) {
        let Client { pd, channel, .. } = self.clients[client.0];
        self.world.notify(pd, channel);
    }

    /// Takes a reply, if there is one. Those to runs must come in the order of the requests, and so must all
    /// others.
    pub fn receive(&mut self, client: ClientId) -> Option<Answer> {
        let client = &mut self.clients[client.0];
        let Client { pd, channel, consumer, .. } = client;
        if consumer.available().expect("the vault keeps to the protocol") == 0 {
            return None;
        }
        let mut reply = Reply::new_zeroed();
        consumer.read(0, reply.as_mut_bytes());
        let mut data = vec![0; reply.len.get() as usize];
        consumer.read(MESSAGE_HEADER, &mut data);
        consumer.release();
        self.world.notify(*pd, *channel);
        let due = client.unanswered(reply.op.get()).pop_front();
        assert_eq!(Some(reply.tag.get()), due, "replies come in the order of the requests");
        Some(Answer { reply, data })
    }

    /// Sends a request and lets things happen until it is answered.
    pub fn ask(&mut self, client: ClientId, request: Request, data: &[u8]) -> Answer {
        self.send(client, request, data);
        self.answer(client)
    }

    /// Lets things happen until a client has a reply.
    pub fn answer(&mut self, client: ClientId) -> Answer {
        for _ in 0..1_000_000 {
            if let Some(answer) = self.receive(client) {
                return answer;
            }
            self.world.step();
        }
        panic!("the vault never answers");
    }

    /// `Hello`.
    pub fn hello(&mut self, client: ClientId, volume: u8) -> Answer {
        self.ask(client, Request { volume, ..request(Op::Hello) }, &[])
    }

    /// `Read`.
    pub fn read(&mut self, client: ClientId, volume: u8, area: Area, block: u64, blocks: usize) -> Answer {
        let len = ((blocks * BLOCK_SIZE) as u32).into();
        let request = Request { volume, area: area as u8, block: block.into(), len, ..request(Op::Read) };
        self.ask(client, request, &[])
    }

    /// A request with data, at a block.
    pub fn write(&mut self, client: ClientId, op: Op, block: u64, data: &[u8]) -> Answer {
        let request = write(op, block, data);
        self.ask(client, request, data)
    }
}

/// A request with these data, at a block.
pub fn write(op: Op, block: u64, data: &[u8]) -> Request {
    Request { block: block.into(), len: (data.len() as u32).into(), ..request(op) }
}

fn client(world: &World, role: Role, index: u8) -> Client {
    let pd = world.pd(role, index);
    let manifest = world.manifest(pd);
    let link = *manifest.link(Role::Vault, 0, LinkKind::Queue).expect("a client of the vault");
    let form = conversation::queue(role, Role::Vault).expect("a queue to the vault");
    let (producer, consumer) = queue_pair(testing::mapped(), &link, form).expect("a queue to the vault");
    let mine = Shared::new(testing::mapped(), link.mine).expect("a queue to the vault");
    let (batches, others) = (VecDeque::new(), VecDeque::new());
    Client { pd, channel: link.channel, producer, consumer, mine, tag: 1, batches, others }
}
