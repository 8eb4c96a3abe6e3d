//! The vault over a simulated disk, with clients that ask for anything and break every rule, among power cuts.
//! One archive is honest: it must be served whatever the others do.

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use fastrand::Rng;
use ledger_fmt::batch_header::{Frontier, Hint};
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use ledger_fmt::testing::verify;
use ledger_fmt::verify::Mode;
use totebox_deployment::Deployment;
use totebox_manifest::Role;
use totebox_manifest::conversation::{self, MESSAGE_HEADER};
use totebox_protocol::vault::{Op, Request, Status};
use totebox_tests::place::{bytes_of, may_be_written};
use totebox_tests::sim::{DiskHandle, blank_disk, deployment};
use totebox_tests::vault_harness::{Answer, ClientId, VaultHarness, request};
use zerocopy::FromBytes;

use crate::{Target, noise};

/// The target. What is counted is the simulated disk, its caches, and copies of what was committed.
pub const TARGET: Target =
    Target { name: "vault", run, memory: 48 << 20, memory_per_byte: 256 * 1024, mutations: 200, seeds: noise };

const DEPLOYMENT: &str = r#"
[deployment]
name = "fuzzed"
id = "000102030405060708090a0b0c0d0e0f"
board = "qemu_virt_aarch64"
[disk]
size = "8 MiB"
[audit]
volume = "1 MiB"
period = "off"
full_every = 1
[[archive]]
name = "hostile"
size = "1 MiB"
on_mismatch = "flag"
[[archive]]
name = "honest"
size = "1 MiB"
on_mismatch = "flag"
"#;

/// The volumes' numbers.
const HOSTILE: u8 = 0;
const HONEST: usize = 1;
const AUDIT: u8 = 2;

/// Steps of one input at most.
const STEPS_MAX: usize = 64;

/// Who asks.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Client {
    Archive,
    Auditor,
    Orchestrator,
}

/// A block number.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Block {
    Any(u64),
    Small(u8),
    /// So far from where the volume's ledger really ends.
    Ledger(i8),
    /// So far from where its assets really end.
    Assets(i8),
}

/// What happens next.
#[derive(Arbitrary, Clone, Debug)]
enum Step {
    /// A request whose fields have meanings.
    Ask { client: Client, op: u8, area: u8, volume: u8, block: Block, len: u16, data: u16, fill: u8 },
    /// Any message.
    Send { client: Client, header: [u8; MESSAGE_HEADER], data: Vec<u8> },
    /// A client stores any word into its region: indices, or messages on their way.
    Store { client: Client, word: u16, value: u64 },
    /// A few things happen.
    Batch { events: u8 },
    /// Everything happens that can.
    Settle,
    /// The domains are killed, or the power is cut, and the machine started again.
    Restart { power: bool, seed: u8 },
}

/// What is committed in one volume: bytes that must never change.
#[derive(Clone)]
struct Committed {
    frontier: Frontier,
    ledger: Vec<u8>,
    assets: Vec<u8>,
}

struct Attack {
    deployment: &'static Deployment,
    harness: VaultHarness,
    committed: Vec<Committed>,
    /// Clients whose own region they have written into past their queue; what they are told means nothing.
    broken: [bool; 3],
    lives: u64,
}

fn small() -> &'static Deployment {
    static SMALL: OnceLock<Deployment> = OnceLock::new();
    SMALL.get_or_init(|| deployment(DEPLOYMENT))
}

fn run(input: &[u8]) {
    let mut attack = Attack::new(small());
    attack.honest_commit();
    let steps = Unstructured::new(input).arbitrary_take_rest_iter::<Step>();
    for step in steps.expect("bytes are always steps").flatten().take(STEPS_MAX) {
        attack.step(step);
    }
    attack.honest_commit();
    attack.settle();
    attack.restart(true, 0);
    attack.honest_commit();
}

impl Client {
    fn role(self) -> Role {
        [Role::Archive, Role::Auditor, Role::Orchestrator][self as usize]
    }

    /// The volume it may append to.
    fn volume(self) -> Option<u8> {
        [Some(HOSTILE), Some(AUDIT), None][self as usize]
    }

    fn id(self, harness: &VaultHarness) -> ClientId {
        match self {
            Client::Archive => harness.archive(HOSTILE.into()),
            Client::Auditor => harness.auditor(),
            Client::Orchestrator => harness.orchestrator(),
        }
    }
}

impl Attack {
    fn new(deployment: &'static Deployment) -> Attack {
        let disk = DiskHandle::new(blank_disk(deployment));
        let harness = VaultHarness::new(deployment, disk, 1);
        let nothing = Committed { frontier: Frontier::EMPTY, ledger: Vec::new(), assets: Vec::new() };
        let committed = vec![nothing; deployment.volumes.len()];
        Attack { deployment, harness, committed, broken: [false; 3], lives: 1 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask { client, op, area, volume, block, len, data, fill } => {
                let own = client.volume().unwrap_or(volume % 3);
                let frontier = self.committed[usize::from(own)].frontier;
                let block = match block {
                    Block::Any(block) => block,
                    Block::Small(block) => block.into(),
                    Block::Ledger(off) => frontier.ledger_next.wrapping_add_signed(off.into()),
                    Block::Assets(off) => frontier.assets_next.wrapping_add_signed(off.into()),
                };
                let (op, len) = (u16::from(op % 9).into(), u32::from(len).into());
                // Half of the volumes and areas are such as there are.
                let (area, volume) = (area % 8, volume % 6);
                let message = Request { op, area, volume, block: block.into(), len, ..request(Op::Hello) };
                self.send(client, message, &vec![fill; data.into()]);
            }
            Step::Send { client, header, data } => {
                let message = Request::read_from_bytes(&header).expect("as long as a request");
                self.send(client, message, &data);
            }
            Step::Store { client, word, value } => {
                let region = self.harness.region_of(client.id(&self.harness));
                region.store(usize::from(word) * 8 % region.size(), value);
                self.harness.notify(client.id(&self.harness));
                self.broken[client as usize] = true;
            }
            Step::Batch { events } => {
                for _ in 0..events % 32 {
                    self.harness.world.step();
                    self.check_writes();
                }
                self.receive();
            }
            Step::Settle => self.settle(),
            Step::Restart { power, seed } => self.restart(power, seed),
        }
    }

    fn send(&mut self, client: Client, message: Request, data: &[u8]) {
        let form = conversation::queue(client.role(), Role::Vault).expect("a client of the vault");
        let data = &data[..data.len().min(form.slot_size - MESSAGE_HEADER)];
        self.harness.try_send(client.id(&self.harness), message, data);
    }

    /// Takes the replies of the clients that still keep to their queue.
    fn receive(&mut self) {
        for client in [Client::Archive, Client::Auditor, Client::Orchestrator] {
            if self.broken[client as usize] {
                continue;
            }
            while let Some(answer) = self.harness.receive(client.id(&self.harness)) {
                check_answer(client, &answer);
            }
        }
    }

    fn settle(&mut self) {
        self.check_writes();
        let mut steps = 0;
        while self.harness.world.step() {
            self.check_writes();
            steps += 1;
            assert!(steps < 100_000, "this never ends");
        }
        self.receive();
        self.check_committed();
    }

    fn restart(&mut self, power: bool, seed: u8) {
        let disk = self.harness.world.devices().disk.clone();
        if power {
            disk.borrow_mut().cut_power(&mut Rng::with_seed(seed.into()));
        } else {
            disk.borrow_mut().kill(&mut Rng::with_seed(seed.into()));
        }
        self.lives += 1;
        self.harness = VaultHarness::new(self.deployment, disk, self.lives);
        self.broken = [false; 3];
        self.settle();
    }

    /// No write lies anywhere but in a directory, or in a hint's block, and none below what is committed.
    fn check_writes(&mut self) {
        for (block, bytes) in self.harness.world.devices().disk.borrow_mut().take_writes() {
            let blocks = (bytes.len() / BLOCK_SIZE) as u64;
            let volume = self.deployment.volumes.iter().position(|volume| {
                volume.first_block <= block && block + blocks <= volume.first_block + volume.layout.blocks
            });
            let volume = volume.expect("every write lies in one volume");
            let (place, frontier) = (&self.deployment.volumes[volume], &self.committed[volume].frontier);
            let block = block - place.first_block;
            if HINT_BLOCKS.contains(&block) && blocks == 1 {
                assert!(Hint::find(&bytes, &place.id, &place.layout).is_some(), "the vault writes valid hints");
                continue;
            }
            assert!(
                may_be_written(&place.layout, frontier, block, blocks),
                "a write to block {block} of volume {volume}, where nothing may be written any more"
            );
        }
    }

    /// What was committed is there, byte for byte; what has been committed since is taken down. Read from the
    /// medium, by the format alone.
    fn check_committed(&mut self) {
        let disk = self.harness.world.devices().disk.clone();
        let disk = disk.borrow();
        for (volume, committed) in self.deployment.volumes.iter().zip(&mut self.committed) {
            let start = volume.first_block as usize * BLOCK_SIZE;
            let bytes = &disk.stable()[start..][..volume.layout.blocks as usize * BLOCK_SIZE];
            let directory = |area, blocks: u64| bytes_of(disk.stable(), volume, area, 0, blocks);
            let Frontier { ledger_next, assets_next, batches, sealed, .. } = committed.frontier;
            assert!(directory(Area::Ledger, ledger_next) == committed.ledger, "committed records have changed");
            assert!(directory(Area::Assets, assets_next) == committed.assets, "committed content has changed");
            let seen = verify(bytes, &volume.superblock(), None, Mode::Ledger);
            let frontier = seen.summary.expect("the walk has ended").frontier;
            assert!(
                frontier.batches >= batches && frontier.assets_next >= assets_next,
                "committed batches are gone"
            );
            assert!(!sealed || frontier == committed.frontier, "a sealed volume has grown");
            *committed = Committed {
                frontier,
                ledger: directory(Area::Ledger, frontier.ledger_next),
                assets: directory(Area::Assets, frontier.assets_next),
            };
        }
    }

    /// The honest archive commits a record, unless the orchestrator had its volume sealed.
    fn honest_commit(&mut self) {
        let archive = self.harness.archive(HONEST);
        let info = self.harness.hello(archive, 0).info();
        let answer = self.harness.write(archive, Op::Commit, info.ledger_next.get(), b"a record");
        let expected = if info.sealed == 0 { Status::Ok } else { Status::Sealed };
        assert_eq!(answer.status(), expected, "the honest archive is served");
        self.settle();
        let frontier = self.committed[HONEST].frontier;
        assert!(
            frontier.batches >= info.batches.get() + u64::from(expected == Status::Ok),
            "what it was told is so"
        );
    }
}

/// Nobody is granted what is not theirs.
fn check_answer(client: Client, answer: &Answer) {
    let Some(op) = Op::from_wire(answer.reply.op.get()).filter(|_| answer.status() == Status::Ok) else { return };
    let volume = answer.reply.volume;
    let theirs = match op {
        Op::Hello | Op::Read => client.volume() != Some(HOSTILE) || volume == HOSTILE,
        Op::WriteInput | Op::Append | Op::Abandon | Op::Commit => client.volume() == Some(volume),
        Op::Seal => client.role() == Role::Orchestrator && volume != AUDIT,
    };
    assert!(theirs, "{client:?} was granted {op:?} on volume {volume}");
    assert!(op == Op::Hello || op == Op::Read || answer.data.is_empty(), "{op:?} is answered with data");
}
