//! A vault over a volume in memory: keeps the rules, and misbehaves when told to.

use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::batch_header::{Batch, BatchHeader, BatchKind, Frontier, STAMP_SIZE};
use ledger_fmt::hash::checksum;
use ledger_fmt::layout::{BLOCK_SIZE, Layout, Superblock};
use ledger_fmt::record::Record;
use ledger_fmt::testing::ranges;
use totebox_manifest::conversation::{MESSAGE_HEADER, QueueForm, queue};
use totebox_manifest::{Link, Role};
use totebox_protocol::vault::{Area, Committed, Op, Reply, Request, Status, VolumeInfo, VolumeState};
use totebox_shm::testing::mapped;
use totebox_shm::{Consumer, Producer, queue_pair};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// What lasts over a restart.
#[derive(Clone)]
pub struct Disk {
    pub superblock: Superblock,
    pub layout: Layout,
    pub bytes: Vec<u8>,
    pub frontier: Frontier,
    /// Records committed.
    pub records: u64,
    last_header_block: u64,
}

impl Disk {
    pub fn new(superblock: Superblock) -> Disk {
        let layout = superblock.layout().unwrap();
        let mut bytes = vec![0; layout.blocks as usize * BLOCK_SIZE];
        bytes[..size_of::<Superblock>()].copy_from_slice(superblock.as_bytes());
        Disk { superblock, layout, bytes, frontier: Frontier::EMPTY, records: 0, last_header_block: 0 }
    }

    /// The bytes of an area from a block on.
    pub fn at(&mut self, area: Area, block: u64) -> &mut [u8] {
        let start = self.layout.run(area, block).start as usize * BLOCK_SIZE;
        &mut self.bytes[start..]
    }

    /// Whether everything committed is what it should be.
    pub fn is_sound(&self) -> bool {
        let mode = ledger_fmt::verify::Mode::Full;
        let seen = ledger_fmt::testing::verify(&self.bytes, &self.superblock, Some(self.frontier), mode);
        // This vault writes no hints.
        seen.findings.iter().all(|finding| finding.kind == ledger_fmt::verify::FindingKind::Hint)
    }

    /// Commits these record bytes.
    pub fn commit(&mut self, records: &[u8], assets_to: u64) {
        let from = self.frontier.assets_next;
        let ranges = ranges(&self.layout, Area::Assets, from, assets_to - from);
        let assets: Vec<u8> = ranges.flat_map(|range| self.bytes[range].iter().copied()).collect();
        let assets_checksum = checksum(&assets);
        let batch = Batch {
            kind: BatchKind::Commit,
            volume: self.superblock.volume,
            payload_len: records.len() as u32,
            assets_to,
            assets_durable: from,
            ledger_checksum: checksum(records),
            assets_checksum,
        };
        let header = BatchHeader::new(&self.frontier, &batch);
        let block = self.frontier.ledger_next;
        let bytes = self.at(Area::Ledger, block);
        bytes[..BatchHeader::blocks_for(records.len()) * BLOCK_SIZE].fill(0);
        bytes[..STAMP_SIZE].copy_from_slice(header.as_bytes());
        bytes[STAMP_SIZE..][..records.len()].copy_from_slice(records);
        self.frontier = header.frontier_after();
        self.last_header_block = block;
        let mut rest = records;
        while let Ok((_, len)) = Record::decode(rest) {
            (self.records, rest) = (self.records + 1, &rest[len..]);
        }
    }
}

/// The vault's end.
pub struct FakeVault {
    pub disk: Disk,
    pub state: VolumeState,
    assets_next: u64,
    requests: Consumer,
    replies: Producer,
    form: QueueForm,
    /// Commits served, and bytes read.
    pub commits: usize,
    pub read: usize,
    /// Reads served, and those of them that were in no hurry.
    pub reads: usize,
    pub background: usize,
    /// Every operation in the order it was served.
    pub log: Vec<Op>,
    /// The answer to every request of this kind.
    pub refuse: Option<(Op, Status)>,
    /// What it says of the volume's state keeps it from nothing but writing.
    pub shows_damage: bool,
    /// Blocks that cannot be read.
    pub unreadable: Vec<(Area, u64)>,
    /// Spoils every reply.
    pub spoil: Option<fn(&mut Reply)>,
}

impl FakeVault {
    pub fn new(disk: Disk, link: &Link) -> FakeVault {
        let form = queue(Role::Vault, Role::Archive).unwrap();
        let (replies, requests) = queue_pair(mapped(), link, form).unwrap();
        FakeVault {
            assets_next: disk.frontier.assets_next,
            disk,
            state: VolumeState::Ready,
            requests,
            replies,
            form,
            commits: 0,
            read: 0,
            reads: 0,
            background: 0,
            log: Vec::new(),
            refuse: None,
            shows_damage: false,
            unreadable: Vec::new(),
            spoil: None,
        }
    }

    /// Serves at most `max` requests; returns how many.
    pub fn serve(&mut self, max: usize) -> usize {
        let served = self.requests.available().unwrap().min(max);
        let mut replies = Vec::new();
        for _ in 0..served {
            let mut slot = vec![0; self.form.slot_size];
            self.requests.read(0, &mut slot);
            self.requests.release();
            let (header, data) = slot.split_at(MESSAGE_HEADER);
            let request = Request::read_from_bytes(header).unwrap();
            let op = Op::from_wire(request.op.get()).unwrap();
            self.log.push(op);
            let (status, data) = match self.refuse {
                Some((refused, status)) if refused == op => {
                    if status == Status::Io {
                        self.state = VolumeState::Failed;
                    }
                    (status, Vec::new())
                }
                _ => self.carry_out(op, &request, &data[..data.len().min(request.len.get() as usize)]),
            };
            let mut reply = Reply::new_zeroed();
            (reply.op, reply.tag, reply.volume) = (request.op, request.tag, request.volume);
            (reply.status, reply.state) = ((status as u16).into(), self.state as u8);
            reply.len = (data.len() as u32).into();
            reply.ledger_next = self.disk.frontier.ledger_next.into();
            reply.assets_next = self.assets_next.into();
            replies.push((reply, data));
        }
        // What was served together is durable together.
        for (mut reply, data) in replies {
            reply.batches = self.disk.frontier.batches.into();
            if let Some(spoil) = self.spoil {
                spoil(&mut reply);
            }
            assert!(self.replies.send(reply.as_bytes(), &data).unwrap(), "the archive asked for too much");
        }
        served
    }

    /// Sends a reply that may be anything, if the ring has room.
    pub fn send(&mut self, reply: &Reply, data: &[u8]) {
        self.replies.send(reply.as_bytes(), data).unwrap();
    }

    /// Makes a reply the answer to the oldest request, as far as an archive can tell before it looks at
    /// the values; false if there is no request.
    pub fn shape(&mut self, reply: &mut Reply) -> bool {
        if self.requests.available().unwrap() == 0 {
            return false;
        }
        let mut request = Request::new_zeroed();
        self.requests.read(0, request.as_mut_bytes());
        self.requests.release();
        (reply.op, reply.tag, reply.volume) = (request.op, request.tag, request.volume);
        (reply.status, reply.state) = ((Status::Ok as u16).into(), VolumeState::Ready as u8);
        reply.len = match Op::from_wire(request.op.get()).unwrap() {
            Op::Hello => (size_of::<VolumeInfo>() as u32).into(),
            Op::Read => request.len,
            _ => 0.into(),
        };
        true
    }

    fn carry_out(&mut self, op: Op, request: &Request, data: &[u8]) -> (Status, Vec<u8>) {
        let (block, len) = (request.block.get(), request.len.get() as usize);
        let blocks = len.div_ceil(BLOCK_SIZE) as u64;
        let layout = self.disk.layout;
        let done = (Status::Ok, Vec::new());
        match op {
            Op::Hello if !self.state.readable() && !self.shows_damage => return (Status::Unavailable, Vec::new()),
            Op::Hello => {
                let Disk { frontier, last_header_block, .. } = self.disk;
                let committed = Committed { frontier, last_header_block };
                return (Status::Ok, committed.encode().as_bytes().to_vec());
            }
            Op::Read => {
                self.reads += 1;
                self.background += usize::from(request.background);
                let area = Area::from_u8(request.area).unwrap();
                assert!(layout.place(area, block, blocks).is_some(), "read outside its area, or not in one piece");
                let within = |&(of, bad): &(Area, u64)| of == area && (block..block + blocks).contains(&bad);
                if self.unreadable.iter().any(within) {
                    return (Status::Io, Vec::new());
                }
                self.read += len;
                return (Status::Ok, self.disk.at(area, block)[..len].to_vec());
            }
            _ if self.state != VolumeState::Ready => return (Status::Unavailable, Vec::new()),
            Op::WriteInput => self.disk.at(Area::Input, block)[..len].copy_from_slice(data),
            Op::Append => {
                assert_eq!(block, self.assets_next, "an append goes to the append position");
                assert!(layout.place(Area::Assets, block, blocks).is_some(), "what is appended is in one piece");
                let most = layout.assets_end(self.disk.frontier.ledger_next + 1);
                assert!(block + blocks <= most, "the volume is full");
                let bytes = self.disk.at(Area::Assets, block);
                bytes[..blocks as usize * BLOCK_SIZE].fill(0);
                bytes[..len].copy_from_slice(data);
                self.assets_next += blocks;
            }
            Op::Abandon => self.assets_next = self.disk.frontier.assets_next,
            Op::Commit => {
                let room = layout.ledger_end(self.assets_next) - self.disk.frontier.ledger_next;
                assert_eq!(block, self.disk.frontier.ledger_next, "a commit goes to the frontier");
                assert!(room > BatchHeader::blocks_for(len) as u64, "the volume is full");
                self.disk.commit(data, self.assets_next);
                self.commits += 1;
            }
            Op::Seal => panic!("an archive does not seal"),
        }
        done
    }
}
