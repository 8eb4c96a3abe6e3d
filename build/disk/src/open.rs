//! Opening a disk image: whatever is named, its volumes are found before anybody reads it.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use totebox_common::read::Source;
use totebox_deployment::Deployment;
use totebox_shown::ShowPath;

use super::find::find;
use super::image::{Image, Searching};

impl Image {
    /// Opens an image. With a deployment its volumes are looked for where they must be, without one where the
    /// partition table has them; where neither helps they are searched for.
    pub fn open(path: &Path, deployment: Option<&Deployment>) -> Result<Image> {
        Image::open_searching(path, deployment, Searching::IfNeeded, &mut |_, _| ())
    }

    /// As [`Image::open`]. `progress` is told how many bytes were searched, and how many there are.
    pub fn open_searching(
        path: &Path,
        deployment: Option<&Deployment>,
        searching: Searching,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Image> {
        let cannot = || format!("cannot read {}", path.shown());
        let file = Source::open_file(path).with_context(cannot)?;
        Image::of(path, file, deployment, searching, progress)
    }

    /// As [`Image::open_searching`], of an image that is open already.
    pub fn of(
        path: &Path,
        file: File,
        deployment: Option<&Deployment>,
        searching: Searching,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Image> {
        let mut image = Image::new(path, file)?;
        find(&mut image, deployment, searching, progress)?;
        if image.volumes.is_empty() {
            bail!("{} has no Totebox volumes; `totebox disk create` makes a disk that has", image.path().shown());
        }
        Ok(image)
    }
}
