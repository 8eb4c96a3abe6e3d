//! Where volumes are on the disk, and what identifies them.
//!
//! ```text
//! first MiB    protective MBR, GPT
//! audit        the audit volume
//! NAME ...     the archives' volumes, in the order of totebox.toml
//! (free)
//! last MiB     backup GPT
//! ```
//!
//! A new archive goes to the end of totebox.toml and so behind all volumes there are: none ever moves.

use ledger_fmt::layout::{BLOCK_SIZE, Layout, NAME_LEN_MAX, Superblock};

use uuid::Uuid;

use totebox_common::units::MIB;

/// Bytes before the first volume and after the last: room for the tables, and what keeps volumes aligned.
pub const TABLE_SIZE: u64 = MIB;

pub const AUDIT: &str = "audit";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The archive's name, or [`AUDIT`].
    pub name: String,
    pub id: [u8; 16],
    /// The first block of its partition, in [`BLOCK_SIZE`] bytes from the start of the disk.
    pub first_block: u64,
    pub layout: Layout,
    deployment: [u8; 16],
}

impl Volume {
    /// The volume called `name` of a deployment, with its place on the disk.
    pub fn new(deployment: [u8; 16], name: &str, first_block: u64, layout: Layout) -> Volume {
        Volume { name: name.to_owned(), id: volume_id(&deployment, name), first_block, layout, deployment }
    }

    /// The superblock that must stand in its first block.
    pub fn superblock(&self) -> Superblock {
        Superblock::new(self.deployment, self.id, padded(&self.name), self.layout.blocks)
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.layout.blocks * BLOCK_SIZE as u64
    }

    /// The byte of the disk it begins at.
    pub fn offset(&self) -> u64 {
        self.first_block * BLOCK_SIZE as u64
    }
}

/// A name as fixed-size structures have it.
pub fn padded(name: &str) -> [u8; NAME_LEN_MAX] {
    let mut padded = [0; NAME_LEN_MAX];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    padded
}

/// A volume's id: BLAKE3 of deployment and name, in the form of a UUID of version 8 (RFC 9562).
fn volume_id(deployment: &[u8; 16], name: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("totebox.v1 volume id");
    hasher.update(deployment).update(name.as_bytes());
    let hash: [u8; 16] = hasher.finalize().as_bytes()[..16].try_into().expect("16 of 32 bytes");
    Uuid::new_v8(hash).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_and_depend_on_deployment_and_name() {
        let id = volume_id(&[1; 16], "contracts");
        assert_eq!((id[6] >> 4, id[8] >> 6), (8, 2));
        assert_ne!(id, volume_id(&[2; 16], "contracts"));
        assert_ne!(id, volume_id(&[1; 16], "finance"));
    }
}
