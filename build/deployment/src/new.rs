//! Makes a fresh deployment.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use totebox_shown::ShowPath;
use uuid::Uuid;

use crate::provision::VOLUME_SIZE;
use crate::volume::TABLE_SIZE;
use crate::{DEPLOYMENT_FILE, Deployment, SYSTEM_FILE};
use totebox_common::files::write_atomically;
use totebox_common::units::{MIB, parse_size, show_size};

const AUDIT_SIZE: &str = "32 MiB";

/// Makes the files and keys of a deployment with these archives in `directory`, which must be empty or not there.
pub fn new_deployment(directory: &Path, name: &str, board: &str, archives: &[String]) -> Result<Deployment> {
    let shown = directory.shown();
    match directory.read_dir().map(|mut entries| entries.next().is_some()) {
        Ok(false) => {}
        Ok(true) => bail!("{shown} is not empty; name a new directory"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make a deployment in {shown}")),
    }
    let file = directory.join(DEPLOYMENT_FILE);
    let source = template(name, board, archives);
    let deployment =
        Deployment::parse(&file, &source).context("nothing was made: the deployment would be invalid")?;
    // Whatever the umask is: where anybody may rename, anybody may exchange the keys.
    let made = DirBuilder::new().recursive(true).mode(0o775).create(directory);
    made.with_context(|| format!("cannot make {shown}"))?;
    write_atomically(&file, source.as_bytes())?;
    write_atomically(&directory.join(SYSTEM_FILE), deployment.system_xml().as_bytes())?;
    deployment.make_keys()?;
    Ok(deployment)
}

/// The text of a fresh deployment: its id is random, and every key is explained.
fn template(name: &str, board: &str, archives: &[String]) -> String {
    let bytes = |size| parse_size(size).expect("a size");
    let needed = 2 * TABLE_SIZE + bytes(AUDIT_SIZE) + archives.len() as u64 * bytes(VOLUME_SIZE);
    // Room for as many again, in whole halves of a GiB.
    let disk_size = show_size((2 * needed).next_multiple_of(512 * MIB));
    let id = Uuid::new_v4().simple();
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    let (name, board) = (quoted(name), quoted(board));
    let mut text = format!(
        r#"# A Totebox deployment. `totebox system` writes system.xml from this file, `totebox disk create FILE`
# the disk, and `totebox provision NAME` adds an archive here and to both.

[deployment]
name = {name}
# 32 hexadecimal digits, made once. Disks carry it; never change it.
id = "{id}"
# What the appliance runs on: a board the tool knows, a file boards/NAME.toml beside this one, or the path of a board
# file from here, as "./my-board.toml".
board = {board}

[disk]
# Partition tables (2 MiB) and all volumes must fit. It may grow later.
size = "{disk_size}"

[audit]
# The volume of the consolidated audit record.
volume = "{AUDIT_SIZE}"
# Time between two audits of an archive ("30 s", "15 min", "12 h", "7 days"), or "off": only on command.
period = "15 min"
# An audit looks at what is new and at a sample of the old; every so many of them at everything.
full_every = 8

# One [[archive]] each. Volumes lie on the disk in this order: add new ones at the end, and change no size
# once there are data.
#
#   name         a small letter, then small letters, digits and single `-`, at most 24
#   size         of its volume, in whole MiB: records and documents share it
#   on_mismatch  what a failed audit does: "suspend" the archive and raise a flag, or only "flag"
#   cpu          its share of the CPU, as "5 %"; what is left is shared equally by those without
"#
    );
    for archive in archives {
        let archive = quoted(archive);
        text += &format!("\n[[archive]]\nname = {archive}\nsize = \"{VOLUME_SIZE}\"\non_mismatch = \"suspend\"\n");
    }
    text
}
