//! Adds an archive to a deployment: to `totebox.toml`, to `system.xml`, and its volume to the disk. All of
//! it happens or nothing.
//!
//! Order: the new files are written beside the old ones; then the disk is laid out and flushed; then
//! `totebox.toml` is replaced, which is the moment the archive exists; then `system.xml`. Until that moment
//! a failure puts the disk back. A crash leaves a disk with a volume no deployment speaks of, which the
//! next try with the same name and size takes up, or a stale `system.xml`, which `totebox system` mends.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::disk_add::{Undo, add_volume};
use crate::files::draft;
use crate::model::{self, Deployment, SYSTEM_FILE};

/// Adds an archive called `name` with a volume of `size` to the deployment in `path` (its file, or the
/// directory of that), and its volume to the image or device `disk`.
pub fn provision(path: &Path, name: &str, size: &str, disk: Option<&Path>) -> Result<Deployment> {
    let file = model::file(path);
    let old = Deployment::load(&file)?;
    let source = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let source = with_archive(&source, name, size)?;
    let new = Deployment::parse(&file, &source)
        .with_context(|| format!("nothing was changed: with the archive \"{name}\" there would be a problem"))?;
    let toml = draft(&file, source.as_bytes())?;
    let system = draft(&file.with_file_name(SYSTEM_FILE), new.system_xml().as_bytes())?;
    let undo = disk.map(|disk| add_volume(disk, &old, &new)).transpose()?;
    if let Err(error) = toml.publish(true) {
        undo.map(Undo::run).transpose()?;
        return Err(error);
    }
    system.publish(true)?;
    Ok(new)
}

/// The text of `totebox.toml` with one more archive at its end, and everything else as it was.
fn with_archive(source: &str, name: &str, size: &str) -> Result<String> {
    let mut document: DocumentMut = source.parse()?;
    let archives = document.get_mut("archive").and_then(Item::as_array_of_tables_mut);
    let archives = archives.ok_or_else(|| anyhow!("the archives are not written as [[archive]] tables"))?;
    let mut table = Table::new();
    table.insert("name", value(name));
    table.insert("size", value(size));
    table.insert("on_mismatch", value("suspend"));
    table.decor_mut().set_prefix("\n");
    archives.push(table);
    Ok(document.to_string())
}
