//! A log as static files, `c2sp.org/tlog-tiles`: its checkpoint, the tree in tiles, and the entries, which are
//! the records' hashes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ledger_fmt::Hash;
use ledger_fmt::tree::{leaf, node};
use totebox_common::files::write_new;
use totebox_shown::ShowPath;

use super::extract::prepare;
use super::log::Log;

/// Hashes in a full tile.
const WIDTH: usize = 256;

/// Writes the log up to its newest checkpoint into a new or empty directory; returns its number of records.
pub fn write_tiles(log: &Log, directory: &Path) -> Result<u64> {
    let checkpoint = log.newest()?;
    prepare(directory)?;
    let entries = &log.records[..checkpoint.size as usize];
    for (number, entries) in entries.chunks(WIDTH).enumerate() {
        let entry = |hash: &Hash| [&(hash.len() as u16).to_be_bytes()[..], hash].concat();
        write(directory, "entries", number, entries.len(), &entries.iter().flat_map(entry).collect::<Vec<u8>>())?;
    }
    let mut hashes: Vec<Hash> = entries.iter().map(leaf).collect();
    for level in 0.. {
        if hashes.is_empty() {
            break;
        }
        for (number, tile) in hashes.chunks(WIDTH).enumerate() {
            write(directory, &level.to_string(), number, tile.len(), &tile.concat())?;
        }
        hashes = hashes.chunks_exact(WIDTH).map(root).collect();
    }
    // Last, so that it never speaks of tiles that are not there.
    write_file(&directory.join("checkpoint"), checkpoint.to_string().as_bytes())?;
    Ok(checkpoint.size)
}

/// The root of a full tile.
fn root(tile: &[Hash]) -> Hash {
    let mut hashes = tile.to_vec();
    while hashes.len() > 1 {
        hashes = hashes.chunks_exact(2).map(|pair| node(&pair[0], &pair[1])).collect();
    }
    hashes[0]
}

fn write(directory: &Path, level: &str, number: usize, width: usize, bytes: &[u8]) -> Result<()> {
    write_file(&directory.join("tile").join(level).join(place(number, width)), bytes)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().expect("a file is in a directory");
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.shown()))?;
    write_new(path, bytes)
}

/// A tile's number as a path: `x001/x234/067`, and of one that is not full its width, `067.p/5`.
fn place(number: usize, width: usize) -> PathBuf {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < WIDTH {
        path += &format!(".p/{width}");
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn tiles_are_where_the_specification_has_them() {
        assert_eq!(place(1_234_067, 256).to_str(), Some("x001/x234/067"));
        assert_eq!(place(0, 256).to_str(), Some("000"));
        assert_eq!(place(1000, 1).to_str(), Some("x001/000.p/1"));
    }
}
