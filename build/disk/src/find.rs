//! How the volumes of an image are found: through its partition table, where a deployment has them, or by a search
//! for their superblocks. All commands that read a disk find them here.

use ledger_fmt::batch_header::BatchHeader;
use ledger_fmt::layout::{BLOCK_SIZE, Superblock, SuperblockError, volume_name};
use uuid::Uuid;

use anyhow::{Result, bail};
use totebox_shown::ShowPath;

use super::image::{FoundBy, Image, Searching, Volume};
use super::restore::restore;
use super::search::{Found, Search, VOLUMES_MAX, search};
use super::table::{self, Partition};
use totebox_common::problem::Obstacle;
use totebox_common::units::show_size;
use totebox_deployment::Deployment;
use totebox_deployment::disk::container;

/// Volumes that are named in one sentence at most.
const NAMED_MAX: usize = 8;

pub fn find(
    image: &mut Image,
    deployment: Option<&Deployment>,
    searching: Searching,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let table = table::read(image.file(), image.size);
    if let Some(form) = container::describe(image.file()).filter(|_| table.is_err()) {
        bail!("{} is {form}", image.path().shown());
    }
    let shown = table.as_ref().is_ok_and(|table| !table.partitions.is_empty());
    let placed = deployment.is_some_and(|deployment| is_placed(image, deployment));
    if searching == Searching::Always || (!shown && !placed) {
        let search = search(image.file(), image.size, progress);
        let why = match (&table, searching) {
            (_, Searching::Always) => "the partition table was not used".to_owned(),
            (Ok(_), _) => "the partition table has no volume".to_owned(),
            (Err(error), _) => error.clone(),
        };
        match deployment {
            None => image.take_found(search, &why),
            Some(deployment) => image.expect_found(search, &why, deployment),
        }
        if !image.volumes.is_empty() {
            return Ok(());
        }
    }
    match (table, deployment) {
        (Ok(table), Some(deployment)) => {
            image.troubles = table.troubles;
            image.expect(deployment, &table.partitions);
        }
        (Ok(table), None) => {
            image.troubles = table.troubles;
            image.take_partitions(&table.partitions);
        }
        (Err(error), Some(deployment)) => {
            image.troubles.push(format!("{error}; the volumes are read where the deployment has them"));
            image.take(deployment, &[]);
        }
        (Err(error), None) => {
            let path = image.path().shown();
            let message = format!(
                "{path} has no usable partition table: {error}; and there is no superblock of a volume anywhere on it"
            );
            let help = "If it is a Totebox disk, give its deployment with --deployment DIR".into();
            return Err(Obstacle { message, help }.into());
        }
    }
    Ok(())
}

/// Whether the superblock of any volume of the deployment is where that volume must be.
fn is_placed(image: &Image, deployment: &Deployment) -> bool {
    deployment.volumes.iter().any(|volume| {
        table::superblock(image.file(), volume.offset()).is_some_and(|found| found.volume == volume.id)
    })
}

impl Image {
    /// Takes the volumes of a deployment, as they must be; or, where the disk bears out that it has one elsewhere or
    /// laid out otherwise, as it is there: what was committed to it is no worse for that. `totebox.toml` may have been
    /// changed since the disk was made.
    fn take(&mut self, deployment: &Deployment, partitions: &[Partition]) {
        for volume in &deployment.volumes {
            let must = volume.superblock();
            let partition = partitions.iter().find(|partition| partition.id == volume.id);
            let here = (volume.offset(), FoundBy::Deployment);
            let elsewhere = partition.map(|partition| (partition.start, FoundBy::PartitionTable));
            let there = [here]
                .into_iter()
                .chain(elsewhere)
                .find_map(|(start, by)| Some((start, by, self.borne_out(start, &must, partition)?)));
            let (start, found_by, superblock) = there.unwrap_or((volume.offset(), FoundBy::Deployment, must));
            self.volumes.push(Volume {
                name: volume.name.clone(),
                id: volume.id,
                start,
                blocks: superblock.blocks.get(),
                found_by,
                superblock: Ok(superblock),
                contradiction: (superblock != must).then(|| laid_out_otherwise(&superblock, &must)),
            });
        }
    }

    /// The superblock at a byte of the disk, if it is that of this volume; one of another size only if the volume's
    /// ledger begins where that has it, and its partition, if there is one, has that size too.
    fn borne_out(&self, start: u64, must: &Superblock, partition: Option<&Partition>) -> Option<Superblock> {
        let found = table::superblock(self.file(), start)?;
        let layout = found.layout()?;
        if found == *must {
            return Some(found);
        }
        let is_same = (found.deployment, found.volume, found.name) == (must.deployment, must.volume, must.name);
        let at = layout.space.start.checked_mul(BLOCK_SIZE as u64)?.checked_add(start)?;
        let mut block = [0; BLOCK_SIZE];
        let begins = self.read_at(at, &mut block) && BatchHeader::find(&block, &found.volume, 0, &layout).is_ok();
        let fits = partition.is_none_or(|partition| partition.blocks == layout.blocks);
        (is_same && begins && fits).then_some(found)
    }

    /// Takes the volumes of a deployment, and compares with the table.
    fn expect(&mut self, deployment: &Deployment, partitions: &[Partition]) {
        self.take(deployment, partitions);
        for volume in &deployment.volumes {
            let partition = partitions.iter().find(|partition| partition.id == volume.id);
            let place = partition.map(|partition| (partition.start, partition.blocks));
            let trouble = match place {
                None => "has no partition".to_owned(),
                Some((start, blocks)) if (start, blocks) != (volume.offset(), volume.layout.blocks) => {
                    let (must_start, must_blocks) = (volume.offset(), volume.layout.blocks);
                    format!(
                        "has its partition in another place or size: {} at byte {start}, and must have {} at byte \
                         {must_start}",
                        size(blocks),
                        size(must_blocks)
                    )
                }
                Some(_) => continue,
            };
            self.troubles.push(format!("the deployment's volume {} {trouble}", volume.name));
        }
        for Partition { name, id, .. } in partitions {
            if !deployment.volumes.iter().any(|volume| volume.id == *id) {
                self.troubles
                    .push(format!("partition {name:?} ({}) is not the deployment's", Uuid::from_bytes(*id)));
            }
        }
    }

    /// Takes the volumes of a deployment where a search has found them; none if it has found none of them.
    fn expect_found(&mut self, search: Search, why: &str, deployment: &Deployment) {
        let place = |id: &[u8; 16]| search.found.iter().find(|found| found.superblock.volume == *id);
        if deployment.volumes.iter().all(|volume| place(&volume.id).is_none()) {
            return;
        }
        self.tell_of_search(&search, why);
        for volume in &deployment.volumes {
            let Some(found) = place(&volume.id) else {
                self.troubles.push(format!("the deployment's volume {} is not there", volume.name));
                continue;
            };
            if found.start != volume.offset() {
                let (name, start, must) = (&volume.name, found.start, volume.offset());
                self.troubles
                    .push(format!("the deployment's volume {name} begins at byte {start}, and must at {must}"));
            }
            self.volumes.push(Volume {
                name: volume.name.clone(),
                id: volume.id,
                start: found.start,
                blocks: volume.layout.blocks,
                found_by: FoundBy::Search,
                superblock: Ok(volume.superblock()),
                contradiction: None,
            });
        }
    }

    /// Takes what a search has found, each volume by its own word.
    fn take_found(&mut self, search: Search, why: &str) {
        let alone = match &search.found[..] {
            [] => return,
            [found] => found.start == 0 && found.end() == self.size && search.passed_over.is_empty(),
            _ => false,
        };
        if alone {
            let name = volume_name(&search.found[0].superblock.name).unwrap_or_default();
            self.note = Some(format!("no disk, but the volume {name} alone: {why}"));
        } else {
            self.tell_of_search(&search, why);
        }
        for Found { start, superblock } in search.found {
            self.add(
                Volume {
                    name: String::new(),
                    id: superblock.volume,
                    start,
                    blocks: superblock.blocks.get(),
                    found_by: FoundBy::Search,
                    superblock: Ok(superblock),
                    contradiction: None,
                },
                None,
            );
        }
    }

    /// Says what a search has found where, and what is wrong with that.
    fn tell_of_search(&mut self, search: &Search, why: &str) {
        let found = list(&search.found);
        let more =
            if search.cut_short { format!(", and perhaps more than these {VOLUMES_MAX}") } else { String::new() };
        self.troubles.push(format!("{why}; volumes were searched for, and found: {found}{more}"));
        for found in search.found.iter().filter(|found| found.end() > self.size) {
            let name = volume_name(&found.superblock.name).unwrap_or_default();
            let (start, end, size) = (found.start, found.end(), self.size);
            self.troubles
                .push(format!("the volume {name} at byte {start} ends at byte {end}, the disk at byte {size}"));
        }
        if !search.passed_over.is_empty() {
            let passed_over = list(&search.passed_over);
            self.troubles
                .push(format!("superblocks of volumes that would reach into these were skipped: {passed_over}"));
        }
    }

    /// Takes the volumes of the table, each by its own word.
    fn take_partitions(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            let mut volume = Volume {
                name: String::new(),
                id: partition.id,
                start: partition.start,
                blocks: partition.blocks,
                found_by: FoundBy::PartitionTable,
                superblock: Err(String::new()),
                contradiction: None,
            };
            let mut block = [0; BLOCK_SIZE];
            let decoded = if self.read(&volume, 0, &mut block) {
                Superblock::decode(&block).map_err(|error| complaint(error).to_owned())
            } else {
                Err("its first block cannot be read".to_owned())
            };
            volume.superblock = match decoded {
                Ok((superblock, _)) => {
                    volume.contradiction = contradiction(&superblock, partition);
                    Ok(superblock)
                }
                Err(error) => restore(self, &volume, partition.blocks).ok_or(error),
            };
            self.add(volume, volume_name(partition.name.as_bytes()));
        }
    }

    /// Adds a volume, under a name that no other one has: its own, or its partition's, or its id.
    fn add(&mut self, mut volume: Volume, partition: Option<&str>) {
        let named = volume.superblock.as_ref().ok().and_then(|superblock| volume_name(&superblock.name));
        let is_free = |name: &str| self.volumes.iter().all(|other| other.name != name);
        let id = Uuid::from_bytes(volume.id).to_string();
        let name = match named.or(partition).filter(|name| is_free(name)) {
            Some(name) => name.to_owned(),
            None if is_free(&id) => id,
            None => (2..).map(|copy| format!("{id}-{copy}")).find(|name| is_free(name)).expect("one is free"),
        };
        volume.name = name;
        self.volumes.push(volume);
    }
}

/// Names and places, in one line.
fn list(found: &[Found]) -> String {
    let name = |found: &Found| {
        let name = volume_name(&found.superblock.name).unwrap_or_default();
        format!("{name} at byte {}", found.start)
    };
    let mut text = found.iter().take(NAMED_MAX).map(name).collect::<Vec<_>>().join(", ");
    if found.len() > NAMED_MAX {
        text += &format!(" and {} more", found.len() - NAMED_MAX);
    }
    text
}

/// Why a superblock is not one, in words.
pub fn complaint(error: SuperblockError) -> &'static str {
    match error {
        SuperblockError::Foreign => "there is no Totebox superblock",
        SuperblockError::Damaged => "the superblock is damaged",
        SuperblockError::Version(1) => {
            "the superblock is of format 1, which was never released; this tool reads format 2"
        }
        SuperblockError::Version(_) => "the superblock is of a format version this tool does not know",
        SuperblockError::Inconsistent => "the superblock's fields contradict each other",
        SuperblockError::OtherDeployment => "the superblock is of another deployment",
        SuperblockError::OtherVolume => "the superblock is of another volume",
    }
}

/// How a volume's superblock differs from the one its deployment has for it.
fn laid_out_otherwise(found: &Superblock, must: &Superblock) -> String {
    format!(
        "the disk has this volume with {}, and the deployment with {}: totebox.toml was changed, or is another disk's",
        size(found.blocks.get()),
        size(must.blocks.get())
    )
}

/// Blocks as a size.
fn size(blocks: u64) -> String {
    blocks.checked_mul(BLOCK_SIZE as u64).map_or(format!("{blocks} blocks"), show_size)
}

/// How a superblock contradicts the partition it stands in.
fn contradiction(superblock: &Superblock, partition: &Partition) -> Option<String> {
    let blocks = superblock.blocks.get();
    let name = volume_name(&superblock.name).unwrap_or_default();
    if superblock.volume != partition.id {
        let (own, other) = (Uuid::from_bytes(superblock.volume), Uuid::from_bytes(partition.id));
        Some(format!("it is of volume {own}, in the partition of {other}"))
    } else if blocks != partition.blocks {
        Some(format!("it says {blocks} blocks, its partition has {}", partition.blocks))
    } else if name != partition.name {
        Some(format!("it is called {name}, its partition {:?}", partition.name))
    } else {
        None
    }
}
