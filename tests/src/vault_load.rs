//! Archives that keep a vault busy, and the plain model of what it owes them: what was acknowledged is
//! there, and what was sent and not acknowledged is there as a whole or not at all. That nothing below the
//! frontier is ever written again, the simulated disk sees to.

use fastrand::Rng;
use ledger_fmt::batch_header::{BATCH_PAYLOAD_MAX, BatchHeader, Frontier, STAMP_SIZE};
use ledger_fmt::layout::{Area, BLOCK_SIZE};
use totebox_deployment::Deployment;
use totebox_manifest::conversation::VAULT_DATA;
use totebox_protocol::vault::{Op, Status, VolumeState};

use crate::place::{bytes_of, offset};
use crate::vault_harness::{ClientId, VaultHarness, request, write};

/// A batch that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Batch {
    records: Vec<u8>,
    /// Its asset blocks, padded.
    assets: Vec<u8>,
}

/// An archive as the model knows it.
#[derive(Clone, Debug, Default)]
struct Archive {
    /// Sent, in order.
    batches: Vec<Batch>,
    /// How many of them the vault has acknowledged.
    acknowledged: usize,
    /// Asset blocks appended and not committed.
    uncommitted: Vec<u8>,
    in_flight: usize,
    /// Requests still to be made.
    left: usize,
}

impl Archive {
    fn assets_next(&self) -> u64 {
        let blocks = |bytes: &Vec<u8>| (bytes.len() / BLOCK_SIZE) as u64;
        self.batches.iter().map(|batch| blocks(&batch.assets)).sum::<u64>() + blocks(&self.uncommitted)
    }

    fn ledger_next(batches: &[Batch]) -> u64 {
        batches.iter().map(|batch| BatchHeader::blocks_for(batch.records.len()) as u64).sum()
    }
}

/// How large requests are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Content bytes of one append, at most.
    pub append_max: usize,
    /// Record bytes of one commit, at most.
    pub records_max: usize,
}

impl Sizes {
    /// Everything the protocol allows.
    pub const ANY: Sizes = Sizes { append_max: VAULT_DATA, records_max: BATCH_PAYLOAD_MAX };
    /// What fits one sector of a block, so that a power cut has few sectors to choose from.
    pub const TINY: Sizes = Sizes { append_max: 200, records_max: 100 };
}

/// The load on one vault.
#[derive(Clone, Debug)]
pub struct Load {
    archives: Vec<Archive>,
    sizes: Sizes,
    random: Rng,
}

impl Load {
    /// So many requests of each archive.
    pub fn new(deployment: &Deployment, requests: usize, sizes: Sizes, seed: u64) -> Load {
        let archives = vec![Archive { left: requests, ..Archive::default() }; deployment.archives.len()];
        Load { archives, sizes, random: Rng::with_seed(seed) }
    }

    /// Batches acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.archives.iter().map(|archive| archive.acknowledged).sum()
    }

    /// Lets one thing happen. False once every request is answered.
    pub fn step(&mut self, deployment: &Deployment, harness: &mut VaultHarness) -> bool {
        let index = self.random.usize(..self.archives.len());
        let client = harness.archive(index);
        match self.random.u8(..4) {
            0 => self.send(deployment, index, client, harness),
            1 => self.receive(index, client, harness),
            _ => {
                harness.world.step();
            }
        }
        self.archives.iter().any(|archive| archive.left > 0 || archive.in_flight > 0)
    }

    fn send(&mut self, deployment: &Deployment, index: usize, client: ClientId, harness: &mut VaultHarness) {
        let archive = &mut self.archives[index];
        if archive.left == 0 || archive.in_flight == 8 {
            return;
        }
        let random = &mut self.random;
        let bytes = |random: &mut Rng, most: usize| {
            let len = random.usize(1..=most);
            let salt = random.u8(1..);
            (0..len).map(|i| salt.wrapping_add((i / 7) as u8)).collect::<Vec<u8>>()
        };
        let (op, block, data) = match random.u8(..10) {
            0..4 => (Op::Append, archive.assets_next(), bytes(random, self.sizes.append_max)),
            4..8 => (Op::Commit, Archive::ledger_next(&archive.batches), bytes(random, self.sizes.records_max)),
            8 => (Op::Abandon, 0, Vec::new()),
            _ => (Op::WriteInput, random.u64(..61), vec![random.u8(..); BLOCK_SIZE]),
        };
        let layout = &deployment.volumes[index].layout;
        let mut data = data;
        if op == Op::Append {
            // What is not in one piece takes two.
            data.truncate(layout.run(Area::Assets, block).blocks as usize * BLOCK_SIZE);
        }
        // A full volume is another test's matter.
        let room = match op {
            Op::Append => layout.assets_end(Archive::ledger_next(&archive.batches) + 1),
            Op::Commit => layout.ledger_end(archive.assets_next()) - 1,
            _ => u64::MAX,
        };
        if block + (data.len() + STAMP_SIZE).div_ceil(BLOCK_SIZE) as u64 > room {
            archive.left -= 1;
            return;
        }
        let message = if op == Op::Abandon { request(op) } else { write(op, block, &data) };
        if !harness.try_send(client, message, &data) {
            return;
        }
        archive.in_flight += 1;
        archive.left -= 1;
        match op {
            Op::Append => {
                archive.uncommitted.extend(&data);
                let padded = archive.uncommitted.len().next_multiple_of(BLOCK_SIZE);
                archive.uncommitted.resize(padded, 0);
            }
            Op::Commit => {
                let assets = std::mem::take(&mut archive.uncommitted);
                archive.batches.push(Batch { records: data, assets });
            }
            Op::Abandon => archive.uncommitted.clear(),
            _ => {}
        }
    }

    fn receive(&mut self, index: usize, client: ClientId, harness: &mut VaultHarness) {
        let Some(answer) = harness.receive(client) else { return };
        let archive = &mut self.archives[index];
        archive.in_flight -= 1;
        let op = Op::from_wire(answer.reply.op.get());
        assert_eq!(answer.status(), Status::Ok, "{op:?} of archive {index}");
        if op == Some(Op::Commit) {
            archive.acknowledged += 1;
        }
    }

    /// After a restart: compares what the vault says and what is on the disk with what it owes, and goes on
    /// from there. Batches `harness` until every volume has come up.
    pub fn recovered(&mut self, deployment: &Deployment, harness: &mut VaultHarness) {
        for index in 0..self.archives.len() {
            let client = harness.archive(index);
            let hello = harness.hello(client, 0);
            assert_eq!((hello.status(), hello.state()), (Status::Ok, VolumeState::Ready), "archive {index}");
            let info = hello.info();
            let batches = info.batches.get() as usize;
            let archive = &mut self.archives[index];
            let (acknowledged, sent) = (archive.acknowledged, archive.batches.len());
            assert!(
                batches >= acknowledged,
                "archive {index}: {acknowledged} batches acknowledged, {batches} left"
            );
            assert!(batches <= sent, "archive {index}: {sent} batches sent, {batches} found");
            archive.batches.truncate(batches);
            archive.acknowledged = batches;
            archive.uncommitted.clear();
            archive.left += std::mem::take(&mut archive.in_flight);
            assert_eq!(info.ledger_next.get(), Archive::ledger_next(&archive.batches), "archive {index}");
            assert_eq!(info.assets_next.get(), archive.assets_next(), "archive {index}");
            let disk = harness.world.devices().disk.borrow();
            assert!(
                batches_on_disk(deployment, index, disk.stable(), batches) == archive.batches,
                "archive {index}"
            );
        }
    }
}

/// The first `count` batches of a volume, read by the format alone.
fn batches_on_disk(deployment: &Deployment, volume: usize, disk: &[u8], count: usize) -> Vec<Batch> {
    let Deployment { volumes, .. } = deployment;
    let (id, layout) = (&volumes[volume].id, &volumes[volume].layout);
    let mut frontier = Frontier::EMPTY;
    let batch = |_| {
        let block = &disk[offset(deployment, volume, Area::Ledger, frontier.ledger_next)..];
        let header = BatchHeader::decode(block, id, &frontier, layout);
        let header = header.expect("every batch has its header");
        let records = block[STAMP_SIZE..][..header.payload_len.get() as usize].to_vec();
        let (from, to) = (header.assets_from.get(), header.assets_to.get());
        let assets = bytes_of(disk, &volumes[volume], Area::Assets, from, to - from);
        frontier = header.frontier_after();
        Batch { records, assets }
    };
    (0..count).map(batch).collect()
}
