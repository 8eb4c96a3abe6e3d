//! The *manifest*: what the build tells a protection domain (PD) about itself.
//!
//! The host tool writes one per PD from `totebox.toml`; the system description fills it into a region
//! the PD can only read. Every channel number, address and size a PD uses comes from here, so all
//! archives share one program image and nothing is typed twice.
//!
//! A manifest is a [`Header`] followed by tables of [`Link`]s, [`Volume`]s and [`Device`]s, and fits
//! [`MANIFEST_SIZE`]. All fields are little-endian.

#![no_std]
#![forbid(unsafe_code)]

pub mod conversation;
mod driver;
mod role;

pub use driver::{DRIVERS, Driver, Interrupt};
pub use role::{Cpu, KnownVolumes, PERIOD_US, ROLES, Role, RoleInfo, SERVICES};

use ledger_fmt::layout::{Layout, NAME_LEN_MAX, Superblock};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a manifest region: tables for the largest deployment fit with room to spare.
pub const MANIFEST_SIZE: usize = 0x4000;

/// Protection domains a Microkit system can have (its tool: `MAX_PDS`).
pub const PDS_MAX: usize = 63;

/// Channel and interrupt ids a PD can have: 0 to 61 (Microkit 2.3 and rust-sel4 agree on this).
pub const CHANNELS_MAX: usize = 62;

pub const SERVICE_PDS: usize = SERVICES.len();

/// Archives in a deployment at most: every other PD counts against [`PDS_MAX`], and the orchestrator
/// has a channel to each archive and to each other service domain.
pub const ARCHIVES_MAX: usize = {
    let by_pds = PDS_MAX - SERVICE_PDS;
    let by_channels = CHANNELS_MAX - (SERVICE_PDS - 1);
    if by_pds < by_channels { by_pds } else { by_channels }
};

/// Volumes in a deployment at most: one per archive and the audit volume.
pub const VOLUMES_MAX: usize = ARCHIVES_MAX + 1;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`Header::MAGIC`].
    pub magic: [u8; 8],
    /// [`Role`] of this PD.
    pub role: u8,
    /// Among archives, this one's index; 0 for others.
    pub index: u8,
    pub links: u8,
    pub volumes: u8,
    pub devices: u8,
    pub archives: u8,
    pub reserved: [u8; 2],
    pub deployment: [u8; 16],
    /// The deployment's name, padded with zeros.
    pub deployment_name: [u8; NAME_LEN_MAX],
    /// Clock ticks per second.
    pub tick_hz: U32,
    /// Seconds between scheduled audits of one archive; 0: only on command.
    pub audit_period_s: U32,
    /// Every so many scheduled audits is a full one.
    pub audit_full_every: U32,
    pub reserved_tail: U32,
    /// Of a domain that signs: the region that begins with its signing key's seed ([`Seed`](ledger_fmt::note::Seed)).
    /// The auditor's goes on with the public key of every archive.
    pub signing_key: Region,
}

impl Header {
    pub const MAGIC: [u8; 8] = *b"TBXMANI1";
}

/// No channel, in [`Link::channel`].
pub const NO_CHANNEL: u8 = 0xff;

/// One conversation with one other domain: a channel, the region this PD writes for the other, and the
/// region the other writes for this one. Either region or the channel may be missing.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Link {
    /// [`Role`] of the peer.
    pub peer: u8,
    /// Among archives, the peer's index; 0 for others.
    pub peer_index: u8,
    /// The channel id in this PD, or [`NO_CHANNEL`].
    pub channel: u8,
    /// The child id in this PD if the peer is its child, or [`NO_CHANNEL`].
    pub child: u8,
    /// [`LinkKind`].
    pub kind: u8,
    pub reserved: [u8; 3],
    /// The region this PD writes.
    pub mine: Region,
    /// The region this PD reads.
    pub theirs: Region,
}

/// What flows over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LinkKind {
    /// Two rings, one in each region.
    Queue = 0,
    /// A published value in each region that exists.
    Page = 1,
    /// What a domain notes of what it does, in the region it writes; its peer is the orchestrator, which reads it.
    Trace = 2,
}

impl LinkKind {
    /// The kind with this number.
    pub const fn from_u8(n: u8) -> Option<LinkKind> {
        match n {
            0 => Some(LinkKind::Queue),
            1 => Some(LinkKind::Page),
            2 => Some(LinkKind::Trace),
            _ => None,
        }
    }
}

/// A mapped region; all zero if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Region {
    pub vaddr: U64,
    /// Its size in bytes; 0 if there is none.
    pub size: U64,
}

/// A volume and the superblock the deployment expects on it. The index in the table is the volume's
/// number in every message; archive i's volume is volume i and the audit volume is the last.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Volume {
    /// The first block of the partition, in 4 KiB blocks from the start of the disk.
    pub first_block: U64,
    /// What block 0 of the volume must hold; also its name, id and size.
    pub superblock: Superblock,
    /// What a mismatch does: 0 flag, 1 suspend ([`OnMismatch`]).
    pub on_mismatch: u8,
    pub reserved: [u8; 7],
}

/// What the orchestrator does with an archive whose audit finds a mismatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OnMismatch {
    /// Raise the flag; the archive goes on.
    Flag = 0,
    /// Raise the flag and suspend the archive.
    Suspend = 1,
}

/// A device this PD drives.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Device {
    /// [`DeviceKind`].
    pub kind: u8,
    /// The channel its interrupt arrives on, or [`NO_CHANNEL`].
    pub irq_channel: u8,
    /// The number of its [`Driver`]; 0 for what needs none.
    pub driver: u8,
    pub reserved: [u8; 5],
    /// Its registers (or its DMA memory), mapped here.
    pub region: Region,
}

/// What a [`Device`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DeviceKind {
    Disk = 1,
    /// Normal memory the block device may access.
    DmaMemory = 2,
    Uart = 3,
    Rtc = 4,
    Timer = 5,
}

impl DeviceKind {
    /// Its name in board files and in regions' names.
    pub const fn name(self) -> &'static str {
        match self {
            DeviceKind::Disk => "disk",
            DeviceKind::DmaMemory => "dma",
            DeviceKind::Uart => "uart",
            DeviceKind::Rtc => "rtc",
            DeviceKind::Timer => "timer",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// No manifest magic.
    Foreign,
    /// A table does not fit, a count is over its limit, or a role is unknown.
    Malformed,
}

#[derive(Clone, Copy, Debug)]
pub struct Manifest<'a> {
    header: &'a Header,
    links: &'a [Link],
    volumes: &'a [Volume],
    devices: &'a [Device],
}

impl<'a> Manifest<'a> {
    /// Reads a manifest and checks its counts and layouts.
    pub fn parse(bytes: &'a [u8]) -> Result<Manifest<'a>, ManifestError> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| ManifestError::Foreign)?;
        if header.magic != Header::MAGIC {
            return Err(ManifestError::Foreign);
        }
        let malformed = ManifestError::Malformed;
        let (links, rest) =
            <[Link]>::ref_from_prefix_with_elems(rest, header.links.into()).map_err(|_| malformed)?;
        let (volumes, rest) =
            <[Volume]>::ref_from_prefix_with_elems(rest, header.volumes.into()).map_err(|_| malformed)?;
        let (devices, _) =
            <[Device]>::ref_from_prefix_with_elems(rest, header.devices.into()).map_err(|_| malformed)?;
        let sound = Role::from_u8(header.role).is_some()
            && header.archives as usize <= ARCHIVES_MAX
            && volumes.len() <= VOLUMES_MAX
            && links
                .iter()
                .all(|link| Role::from_u8(link.peer).is_some() && LinkKind::from_u8(link.kind).is_some())
            && volumes.iter().all(|volume| volume.layout().is_some());
        if sound { Ok(Manifest { header, links, volumes, devices }) } else { Err(malformed) }
    }

    pub fn header(&self) -> &'a Header {
        self.header
    }

    pub fn role(&self) -> Role {
        Role::from_u8(self.header.role).expect("checked in parse")
    }

    pub fn links(&self) -> &'a [Link] {
        self.links
    }

    /// The conversation of this kind with this peer (`index` among archives, else 0).
    pub fn link(&self, peer: Role, index: u8, kind: LinkKind) -> Option<&'a Link> {
        self.links
            .iter()
            .find(|link| link.peer == peer as u8 && link.peer_index == index && link.kind == kind as u8)
    }

    /// The number of this PD's child that is the peer of a page link (`index` among archives, else 0).
    pub fn child(&self, peer: Role, index: u8) -> Option<u8> {
        self.link(peer, index, LinkKind::Page).map(|link| link.child).filter(|&child| child != NO_CHANNEL)
    }

    /// The volumes this PD knows of. An archive has one, its own; the vault, the orchestrator, the
    /// auditor and the console have all (the console for the archives' names).
    pub fn volumes(&self) -> &'a [Volume] {
        self.volumes
    }

    pub fn devices(&self) -> &'a [Device] {
        self.devices
    }

    pub fn device(&self, kind: DeviceKind) -> Option<&'a Device> {
        self.devices.iter().find(|device| device.kind == kind as u8)
    }
}

impl Volume {
    /// The layout its superblock declares; `None` only before [`Manifest::parse`] has checked it.
    pub fn layout(&self) -> Option<Layout> {
        self.superblock.layout()
    }

    /// Its name, without padding.
    pub fn name(&self) -> &str {
        name_str(&self.superblock.name)
    }
}

/// A zero-padded name as text; `"?"` if it is not UTF-8.
pub fn name_str(name: &[u8; NAME_LEN_MAX]) -> &str {
    let len = name.iter().position(|&b| b == 0).unwrap_or(NAME_LEN_MAX);
    core::str::from_utf8(&name[..len]).unwrap_or("?")
}

/// Appends the manifest's bytes to `out` through `write`; the host tool's side of [`Manifest::parse`].
pub fn encode(
    header: &Header,
    links: &[Link],
    volumes: &[Volume],
    devices: &[Device],
    mut write: impl FnMut(&[u8]),
) {
    let mut header = *header;
    header.links = links.len() as u8;
    header.volumes = volumes.len() as u8;
    header.devices = devices.len() as u8;
    write(header.as_bytes());
    write(links.as_bytes());
    write(volumes.as_bytes());
    write(devices.as_bytes());
}

const _: () = {
    // Of each kind one with each of the others, and no queue between the orchestrator and an archive.
    let most = 2 * ARCHIVES_MAX + 3 * SERVICE_PDS;
    assert!(most <= u8::MAX as usize);
    let links = most * size_of::<Link>();
    let volumes = VOLUMES_MAX * size_of::<Volume>();
    let devices = 4 * size_of::<Device>();
    assert!(size_of::<Header>() + links + volumes + devices <= MANIFEST_SIZE);
};
