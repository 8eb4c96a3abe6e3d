//! Requests to the vault that no archive may make, one after another.

use totebox_domain::{Channel, Kernel, SetupError};
use totebox_manifest::conversation::{self, MESSAGE_HEADER, VAULT_DATA};
use totebox_manifest::{LinkKind, Manifest, Role};
use totebox_protocol::vault::{Area, Op, Reply, Request, Status, VolumeInfo};
use totebox_shm::{Consumer, Mapped, Producer, Shared, queue_pair};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Volume numbers that are not this archive's: all but 0.
const OTHER_VOLUMES: u64 = 255;

/// Requests of [`forbidden`] behind those for other volumes.
const OTHER_REQUESTS: u64 = 15;

/// How many requests a run of the attack makes that must be refused; the vault also counts the broken
/// queue at the end.
pub const FORBIDDEN_REQUESTS: u64 = OTHER_VOLUMES + OTHER_REQUESTS;

/// How many requests an archive makes that goes on as if its volume took anything.
pub const APPENDING_REQUESTS: u64 = 2;

#[derive(Debug)]
pub struct Requests {
    queue: (Producer, Consumer),
    mine: Shared,
    channel: Channel,
    input_blocks: u64,
    assets_blocks: u64,
    /// The frontier, once the vault has said it.
    info: Option<VolumeInfo>,
    sent: u64,
    refused: u64,
    granted: u64,
    broken: bool,
    /// It appends at its own frontier, instead of breaking every other rule.
    appends: bool,
}

impl Requests {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped, appends: bool) -> Result<Self, SetupError> {
        let missing = SetupError::Link(Role::Vault, LinkKind::Queue);
        let link = manifest.link(Role::Vault, 0, LinkKind::Queue).ok_or(missing)?;
        let form = conversation::queue(Role::Archive, Role::Vault).ok_or(missing)?;
        let layout = manifest.volumes().first().and_then(|volume| volume.layout()).ok_or(SetupError::Volumes)?;
        Ok(Requests {
            queue: queue_pair(mapped, link, form).ok_or(missing)?,
            mine: Shared::new(mapped, link.mine).ok_or(missing)?,
            channel: Channel::of(link).ok_or(missing)?,
            input_blocks: layout.input.blocks,
            assets_blocks: layout.blocks_of(Area::Assets),
            info: None,
            sent: 0,
            refused: 0,
            granted: 0,
            broken: false,
            appends,
        })
    }

    /// Requests the vault refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Requests the vault granted: breaches.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// Something went through that must not.
    pub fn breach(&mut self) {
        self.granted += 1;
    }

    /// Takes what the vault has answered and asks on.
    pub fn advance(&mut self, kernel: &mut dyn Kernel) {
        let (_, consumer) = &mut self.queue;
        while consumer.available() != Ok(0) && !self.broken {
            let mut message = [0; MESSAGE_HEADER + size_of::<VolumeInfo>()];
            consumer.read(0, &mut message);
            consumer.release();
            let (reply, data) = Reply::read_from_prefix(&message).expect("sized for it");
            if reply.op.get() == Op::Hello as u16 {
                self.info = VolumeInfo::read_from_prefix(data).ok().map(|(info, _)| info);
            } else if reply.status.get() == Status::Ok as u16 {
                self.granted += 1;
            } else {
                self.refused += 1;
            }
        }
        self.ask();
        if self.refused + self.granted == self.planned() && !self.appends && !self.broken {
            // A tail far ahead of every slot there is.
            self.mine.store(0, u64::MAX / 2);
            self.broken = true;
        }
        kernel.notify(self.channel);
    }

    /// Requests it makes.
    fn planned(&self) -> u64 {
        if self.appends { APPENDING_REQUESTS } else { FORBIDDEN_REQUESTS }
    }

    fn ask(&mut self) {
        while self.sent <= self.planned() && self.queue.0.free().is_ok_and(|free| free > 0) {
            let mut request = Request::new_zeroed();
            match (self.sent, self.info) {
                (0, _) => request.op = (Op::Hello as u16).into(),
                (n, Some(info)) => self.forbidden(n - 1, &info, &mut request),
                (_, None) => return,
            }
            let len = (request.len.get() as usize).min(VAULT_DATA);
            let data = if request.op.get() == Op::Read as u16 { 0 } else { len };
            let sent = self.queue.0.send(request.as_bytes(), &[0xee; VAULT_DATA][..data]);
            assert_eq!(sent, Ok(true), "there was room");
            self.sent += 1;
        }
    }

    /// The n-th request that must be refused.
    fn forbidden(&self, n: u64, info: &VolumeInfo, request: &mut Request) {
        let (ledger, assets) = (info.ledger_next.get(), info.assets_next.get());
        let mut set = |op: Op, volume: u8, area: Area, block: u64, len: u32| {
            request.op = (op as u16).into();
            request.volume = volume;
            request.area = area as u8;
            request.block = block.into();
            request.len = len.into();
        };
        let block = 4096;
        if self.appends {
            return match n {
                0 => set(Op::Append, 0, Area::Assets, assets, block),
                _ => set(Op::Commit, 0, Area::Ledger, ledger, 128),
            };
        }
        if n < OTHER_VOLUMES {
            return set(Op::Read, n as u8 + 1, Area::Ledger, 0, block);
        }
        match n - OTHER_VOLUMES {
            0 => set(Op::Append, 1, Area::Assets, 0, block),
            1 => set(Op::Commit, 1, Area::Ledger, 0, 128),
            2 => set(Op::WriteInput, 1, Area::Input, 0, block),
            3 => set(Op::Abandon, 1, Area::Assets, 0, 0),
            // Committed bytes of its own.
            4 => set(Op::Append, 0, Area::Assets, 0, block),
            5 => set(Op::Append, 0, Area::Assets, assets.saturating_sub(1), block),
            6 => set(Op::Commit, 0, Area::Ledger, 0, 128),
            7 => set(Op::Commit, 0, Area::Ledger, ledger.saturating_sub(1), 128),
            // Beyond its frontier and its directories.
            8 => set(Op::Append, 0, Area::Assets, assets + 1, block),
            9 => set(Op::Commit, 0, Area::Ledger, ledger + 1, 128),
            10 => set(Op::WriteInput, 0, Area::Input, self.input_blocks, block),
            11 => set(Op::Read, 0, Area::Assets, self.assets_blocks, block),
            12 => set(Op::Read, 0, Area::Ledger, u64::MAX, block),
            // What only others may ask, and what nobody can.
            13 => set(Op::Seal, 0, Area::Volume, 0, 0),
            _ => {
                set(Op::Append, 0, Area::Assets, assets, u32::MAX);
                request.op = 99.into();
            }
        }
    }
}
