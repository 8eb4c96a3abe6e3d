//! The disk a run starts on: this deployment's, nobody else's meanwhile, and never an empty one in place of one that
//! is gone.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};
use totebox_lock::LockedDisk;
use totebox_shown::ShowPath;

use totebox_common::errln;
use totebox_common::files::open_to_others;
use totebox_common::units::show_size;
use totebox_deployment::Deployment;
use totebox_deployment::disk::{check_belongs, laid_out_otherwise};

/// Opens the deployment's disk for this run alone, and makes it if the deployment has never had one, or `new` says so.
pub fn open(deployment: &Deployment, path: &Path, new: bool) -> Result<LockedDisk> {
    let cannot = || format!("cannot use the disk {}", path.shown());
    let opened = match LockedDisk::open(path) {
        Ok(_) if new => bail!(
            "{} exists, and --new-disk replaces nothing; leave --new-disk out to use it, or give it up with `totebox \
             disk create --force`",
            path.shown()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !new {
                refuse_if_one_is_gone(deployment, path)?;
            }
            deployment.create_disk(path)?;
            errln!("made the disk {} ({})", path.shown(), show_size(deployment.disk_size));
            LockedDisk::open(path)
        }
        // Documents can be read from it all the same.
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            LockedDisk::open_read_only(path)
        }
        opened => opened,
    };
    let mut disk = opened.with_context(cannot)?;
    check_belongs(&mut disk, deployment).with_context(cannot)?;
    laid_out_otherwise(&mut disk, path, deployment).inspect(|word| errln!("{word}"));
    deployment.remember_disk(path)?;
    if disk.metadata().with_context(cannot)?.is_file()
        && let Some(mode) = open_to_others(path, 0o077)?
    {
        errln!("the disk {} is open to others than its owner, and its documents with it: {mode}", path.shown());
    }
    Ok(disk)
}

fn refuse_if_one_is_gone(deployment: &Deployment, path: &Path) -> Result<()> {
    if let Some(last) = deployment.remembered_disk()? {
        bail!(
            "there is no disk {}, and this deployment has had one, last at {last}: see that it is mounted or put back, \
             or name it with --disk FILE; to begin anew with an empty one, say --new-disk",
            path.shown()
        );
    }
    Ok(())
}
