//! Finished images, and whether what boots before their specification is carried out is a Microkit SDK's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use totebox_capdl::{Image, Programs};
use totebox_common::problem::Obstacle;
use totebox_common::{errln, read};
use totebox_deployment::board::sdk;
use totebox_shown::ShowPath;

/// Bytes of what is built at most, and of what it is built from: eight times the largest image there is.
pub const BUILT_MAX: usize = 256 << 20;

/// The SDK that an image is to be made with.
#[derive(Clone, Copy)]
pub struct Sdk<'a> {
    /// If it is not where `MICROKIT_SDK` says.
    pub folder: Option<&'a Path>,
    /// The SDK's name of the board, if that is known.
    pub board: Option<&'a str>,
}

/// Reads an image, and refuses it if its loader, kernel and initialiser are not those of one board and configuration of
/// the SDK. Says so if there is no SDK to compare it with.
pub fn read_image(path: &Path, with: Sdk) -> Result<Image> {
    let image = Image::parse(bytes(path)?).with_context(|| path.shown().to_string())?;
    compare(&image, with).with_context(|| path.shown().to_string())?.unwrap_or_else(|missing| {
        let path = path.shown();
        errln!("totebox: {path}: its loader, kernel and initialiser are not judged: {missing}");
        errln!("    they boot first; compare them with an SDK's: --sdk DIR, or MICROKIT_SDK");
    });
    Ok(image)
}

/// Compares an image with the SDK; why not, if there is nothing to compare it with.
fn compare(image: &Image, with: Sdk) -> Result<Result<(), String>> {
    let sdk = with.folder.map_or_else(sdk, Path::to_path_buf);
    let boards = sdk.join("board");
    if with.folder.is_none() && !boards.is_dir() {
        return Ok(Err(format!("there is no Microkit SDK in {}", sdk.shown())));
    }
    let boards = match with.board {
        Some(board) => vec![boards.join(board)],
        None => folders(&boards)?,
    };
    let mut nearest = None;
    for config in boards.iter().map(|board| folders(board)).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
        let elf = config.join("elf");
        if !elf.join("loader.elf").is_file() {
            continue; // A board of another architecture, whose images have no loader.
        }
        let read = |name| bytes(&elf.join(name));
        let programs = Programs::parse(&read("loader.elf")?, &read("sel4.elf")?, &read("initialiser.elf")?);
        let difference = programs.and_then(|programs| programs.first_difference(image));
        match difference.with_context(|| elf.shown().to_string())? {
            None => return Ok(Ok(())),
            Some(found) if nearest.as_ref().is_none_or(|(known, _)| found.at > *known) => {
                nearest = Some((
                    found.at,
                    format!("its {} differs from {} at byte {:#x}", found.part, elf.shown(), found.at),
                ));
            }
            Some(_) => {}
        }
    }
    let Some((_, message)) = nearest else {
        return Ok(Err(format!("the SDK in {} has no loader for it", sdk.shown())));
    };
    let message =
        format!("what boots is not what the Microkit tool makes with the SDK in {}: {message}", sdk.shown());
    let help = "build it anew with that SDK (make image), or name the one it was built with".into();
    Err(Obstacle { message, help }.into())
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    read::bytes(path, BUILT_MAX).with_context(|| format!("cannot read {}", path.shown()))
}

/// The folders in a folder, in the order of their names.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {} (is it in a Microkit SDK?)", folder.shown());
    let entries = folder.read_dir().with_context(cannot)?;
    let mut folders =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>().with_context(cannot)?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}
