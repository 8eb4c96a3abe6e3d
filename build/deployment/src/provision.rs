//! Adds an archive to a deployment: to `totebox.toml`, to `system.xml`, its signing key, and its volume to the
//! disk. All of it happens or nothing.
//!
//! Order: the new files are written beside the old ones; then the disk is laid out and flushed; then the key is
//! made; then `system.xml` is replaced; then `totebox.toml`, which is the moment the archive exists. A failure before
//! that puts back what was done. A crash leaves a disk with a volume, or a key, that no deployment speaks of, which
//! the next try with the same name and size takes up, or a `system.xml` that is ahead, which `totebox system` mends.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};
use totebox_shown::ShowPath;

use crate::disk::{Undo, add_volume};
use crate::{Deployment, SYSTEM_FILE, SYSTEM_MAX};
use totebox_common::files::{draft, write_atomically};
use totebox_common::read::bytes;
use totebox_common::units::{parse_size, show_size};

/// The size of a volume unless the operator says otherwise.
pub const VOLUME_SIZE: &str = "128 MiB";

/// Adds an archive called `name` with a volume of `size` to the deployment in `path` (its file, or the
/// directory of that), and its volume to the image or device `disk`. If the deployment has that archive
/// already, as its last, only the disk gets its volume.
pub fn provision(path: &Path, name: &str, size: Option<&str>, disk: Option<&Path>) -> Result<Deployment> {
    let file = crate::file(path);
    let current = Deployment::load(&file)?;
    let source = crate::read_source(&file)?;
    if let (Some(disk), true) = (disk, current.archives.last().is_some_and(|last| last.name == name)) {
        return catch_up(&file, &source, current, size, disk);
    }
    let source = with_archive(&source, name, size.unwrap_or(VOLUME_SIZE))?;
    let new = Deployment::parse(&file, &source)
        .with_context(|| format!("nothing was changed: with the archive \"{name}\" there would be a problem"))?;
    let toml = draft(&file, source.as_bytes())?;
    let system_file = file.with_file_name(SYSTEM_FILE);
    let system = draft(&system_file, new.system_xml().as_bytes())?;
    let mut done =
        Done { volume: disk.map(|disk| add_volume(disk, &current, &new)).transpose()?, ..Done::default() };
    let publish = || {
        if new.make_key(name)? {
            done.key = Some((&new, name));
        }
        disk.map_or(Ok(()), |disk| new.remember_disk(disk))?;
        let before = bytes(&system_file, SYSTEM_MAX).ok();
        system.publish(true)?;
        done.system = Some((system_file.clone(), before));
        toml.publish(true)
    };
    if let Err(error) = publish() {
        done.undo().context("what was done before could not be put back")?;
        return Err(error.context("nothing was changed"));
    }
    Ok(new)
}

/// What a provisioning has done, to be put back if it fails.
#[derive(Default)]
struct Done<'a> {
    volume: Option<Undo>,
    /// The deployment and the archive whose key was made.
    key: Option<(&'a Deployment, &'a str)>,
    /// `system.xml`, and what was in it.
    system: Option<(PathBuf, Option<Vec<u8>>)>,
}

impl Done<'_> {
    fn undo(self) -> Result<()> {
        match self.system {
            Some((file, Some(before))) => write_atomically(&file, &before)?,
            Some((file, None)) => fs::remove_file(file)?,
            None => {}
        }
        self.key.map_or(Ok(()), |(deployment, archive)| deployment.remove_key(archive))?;
        self.volume.map_or(Ok(()), Undo::run)
    }
}

/// Gives the disk the volume of the last archive.
fn catch_up(file: &Path, source: &str, new: Deployment, size: Option<&str>, disk: &Path) -> Result<Deployment> {
    let volume = new.volumes[new.archives.len() - 1].clone();
    if size.is_some_and(|size| parse_size(size) != Some(volume.size())) {
        let (name, has) = (&volume.name, show_size(volume.size()));
        bail!("the archive \"{name}\" is in {} already, with {has}; leave --size out", file.shown());
    }
    let mut document: DocumentMut = source.parse()?;
    let archives = archives(&mut document)?;
    archives.remove(archives.len() - 1);
    let old = Deployment::parse(file, &document.to_string())
        .context("without its last archive there is no deployment a disk could be of")?;
    add_volume(disk, &old, &new)?;
    new.remember_disk(disk)?;
    new.make_key(&volume.name)?;
    Ok(new)
}

fn archives(document: &mut DocumentMut) -> Result<&mut ArrayOfTables> {
    let archives = document.get_mut("archive").and_then(Item::as_array_of_tables_mut);
    archives.ok_or_else(|| anyhow!("the archives are not written as [[archive]] tables"))
}

/// The text of `totebox.toml` with one more archive behind the others, and everything else as it was.
fn with_archive(source: &str, name: &str, size: &str) -> Result<String> {
    let mut document: DocumentMut = source.parse()?;
    let mut table = Table::new();
    table.insert("name", value(name));
    table.insert("size", value(size));
    table.insert("on_mismatch", value("suspend"));
    table.decor_mut().set_prefix("\n");
    archives(&mut document)?.push(table);
    Ok(document.to_string())
}
