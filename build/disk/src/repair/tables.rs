//! The partition table: one copy from the other, or both from the volumes.

use anyhow::Result;
use uuid::Uuid;

use ledger_fmt::layout::BLOCK_SIZE;

use super::{Piece, Plan};
use crate::image::{FoundBy, Image, Volume};
use crate::table::{self, Copies, Copy};
use totebox_common::units::MIB;
use totebox_deployment::Deployment;
use totebox_deployment::partitions::{self, Entry, PARTITION_TYPE, Stretch};
use totebox_deployment::volume::TABLE_SIZE;

const PRIMARY: &str = "partition table at the start";
const BACKUP: &str = "partition table at the end";

/// The signature behind a sector with a boot record in it, and where it is.
const BOOT_SIGNATURE: (usize, [u8; 2]) = (510, [0x55, 0xaa]);

/// Plans what is to be done for the table. `sound` are the volumes whose superblock is right or will be.
pub fn plan(image: &Image, deployment: Option<&Deployment>, sound: &[&Volume], plan: &mut Plan) -> Result<()> {
    if image.note.is_some() {
        // A volume alone has no table.
        return Ok(());
    }
    let Copies { sector, primary, backup } = table::copies(image.file(), image.size);
    let planned = match (primary, backup) {
        (Ok(primary), Ok(backup)) => agree(image, sector, &primary, &backup),
        (Ok(primary), Err(error)) => mirror(image, sector, &primary, BACKUP, &error),
        (Err(error), Ok(backup)) => mirror(image, sector, &backup, PRIMARY, &error),
        (Err(error), Err(_)) => anew(image, deployment, sound, &error)?,
    };
    match planned {
        Ok(pieces) => plan.pieces.extend(pieces),
        Err(refusal) => plan.refuse(None, refusal),
    }
    Ok(())
}

/// Two sound copies; which of two that differ is right is not for this program to say.
fn agree(image: &Image, sector: u64, primary: &Copy, backup: &Copy) -> Result<Vec<Piece>, String> {
    let volumes = |copy: &Copy| copy.volumes(image.file(), sector);
    if volumes(primary) == volumes(backup) {
        return Ok(Vec::new());
    }
    Err("the two copies of the partition table are both sound, and differ: which is right is for a partitioning \
         program to settle (`sgdisk`)"
        .to_owned())
}

/// One copy, which is damaged, from the other.
fn mirror(image: &Image, sector: u64, from: &Copy, what: &'static str, error: &str) -> Result<Vec<Piece>, String> {
    if from.other(image.file(), sector).is_some() {
        return Err(
            "the disk goes on behind the end that its partition table names: `sgdisk --move-second-header` \
                    moves the table's second copy there, if it is the right disk"
                .to_owned(),
        );
    }
    let writes = mirrored(from, sector, image.size).ok_or_else(|| {
        format!("the {what} is damaged ({error}), and the other one says that it stands in an impossible place")
    })?;
    let mut writes = writes.to_vec();
    // The boot record counts sectors of 512 bytes.
    if what == PRIMARY && sector == 512 {
        let mut boot = vec![0; 512];
        let read = image.read_at(0, &mut boot);
        let (at, signature) = BOOT_SIGNATURE;
        if !read || boot[at..] != signature {
            let [_, primary] =
                partitions::tables(&[], &[0; 16], image.size).map_err(|error| format!("{error:#}"))?;
            writes.insert(1, primary.into_iter().find(|(offset, _)| *offset == 0).expect("a boot record"));
        }
    }
    let why = format!("damaged: {error}; made anew from the other copy");
    Ok(vec![Piece { volume: None, what, why, writes }])
}

/// This copy as the other one is to be: its entries and its header, and the bytes of the disk they begin at. `None` if
/// there is no room for it where this one says it is.
fn mirrored(copy: &Copy, sector: u64, size: u64) -> Option<[Stretch; 2]> {
    let at = copy.other_at(sector)?;
    let sectors = (copy.entries.len() as u64).div_ceil(sector);
    // The one at the start has its entries behind its header, the one at the end before it.
    let at_start = at < copy.at;
    let entries = if at_start { at.checked_add(sector)? } else { at.checked_sub(sectors * sector)? };
    if at == copy.at || (at_start && at != sector) || at.checked_add(sector)? > size {
        return None;
    }
    let mut header = copy.header;
    header[24..32].copy_from_slice(&(at / sector).to_le_bytes());
    header[32..40].copy_from_slice(&(copy.at / sector).to_le_bytes());
    header[72..80].copy_from_slice(&(entries / sector).to_le_bytes());
    let sum = table::checksum(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    let mut header = header.to_vec();
    header.resize(sector as usize, 0);
    Some([(entries, copy.entries.clone()), (at, header)])
}

/// Both copies, from the deployment, or from volumes that lie as a deployment has them.
fn anew(
    image: &Image,
    deployment: Option<&Deployment>,
    sound: &[&Volume],
    error: &str,
) -> Result<Result<Vec<Piece>, String>> {
    let lost = format!("the partition table is lost ({error})");
    let (entries, id, source) = match deployment {
        Some(deployment) => {
            let places = |volume: &Volume| {
                deployment.volumes.iter().any(|place| (place.id, place.offset()) == (volume.id, volume.start))
            };
            if image.volumes.iter().any(|volume| volume.found_by == FoundBy::Search && !places(volume)) {
                return Ok(Err(format!("{lost}, and the volumes are not where the deployment has them")));
            }
            if !sound.iter().any(|volume| places(volume)) {
                return Ok(Err(format!("{lost}, and no volume bears out that this is the deployment's disk")));
            }
            (partitions::expected(deployment), deployment.id, "the deployment")
        }
        None => match entries(image) {
            Ok((entries, id)) => (entries, id, "the volumes found"),
            Err(why) => return Ok(Err(format!("{lost}, and {why}; with --deployment DIR it can be made anew"))),
        },
    };
    let end = entries.iter().map(|entry| (entry.first_block + entry.blocks) * BLOCK_SIZE as u64).max();
    if end.unwrap_or(0) + TABLE_SIZE > image.size {
        return Ok(Err(format!("{lost}, and the disk ends before there is room for one behind its volumes")));
    }
    let [backup, primary] = partitions::tables(&entries, &id, image.size)?;
    let why = format!("lost: {error}; made anew from {source}");
    let piece = |what, writes| Piece { volume: None, what, why: why.clone(), writes };
    Ok(Ok(vec![piece(BACKUP, backup), piece(PRIMARY, primary)]))
}

/// The partitions of the volumes that were searched for, if they lie as every deployment has them; and its id.
fn entries(image: &Image) -> Result<(Vec<Entry>, [u8; 16]), String> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut deployment = None;
    let mut next = TABLE_SIZE;
    for volume in &image.volumes {
        let Ok(superblock) = &volume.superblock else { return Err("a volume has no superblock".to_owned()) };
        let blocks = superblock.blocks.get();
        let size = blocks * BLOCK_SIZE as u64;
        if volume.start != next || !size.is_multiple_of(MIB) {
            return Err(format!("byte {next}, where a volume must begin, is not where {} does", volume.name));
        }
        if *deployment.get_or_insert(superblock.deployment) != superblock.deployment {
            return Err("its volumes are of several deployments".to_owned());
        }
        if entries.iter().any(|entry| entry.id.as_bytes() == &volume.id) {
            return Err(format!("the volume {} is there twice", volume.name));
        }
        entries.push(Entry {
            kind: PARTITION_TYPE,
            id: Uuid::from_bytes(volume.id),
            name: volume.name.clone(),
            first_block: next / BLOCK_SIZE as u64,
            blocks,
        });
        next += size;
    }
    let deployment = deployment.ok_or("there is no volume")?;
    Ok((entries, deployment))
}
