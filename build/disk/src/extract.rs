//! A volume's three directories as plain files:
//!
//! ```text
//! VOLUME/assets/HASH                     the content of documents, by BLAKE3
//! VOLUME/ledger/records.jsonl            every whole record, one a line
//! VOLUME/app-console-input/blocks.bin    the directory's blocks as they are
//! VOLUME/documents/SEQUENCE NAME         on request: the documents by name, as links to their content
//! ```
//!
//! Names from the disk are hostile: no file is named by one unless it was made harmless (`file_name.rs`).

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ledger_fmt::layout::{Area, BLOCK_SIZE, Superblock};
use ledger_fmt::record::Record;
use ledger_fmt::verify::{Finding, Mode, Visitor};
use totebox_shown::{Json, ShowPath};

use super::image::{Image, Volume};
use super::jsonl::Line;
use super::report::{Findings, VolumeReport};
use super::walk::Walk;
use totebox_common::file_name::portable;

/// Makes sure that nothing can be overwritten: `directory` is made, or is there and empty.
pub fn prepare(directory: &Path) -> Result<()> {
    let cannot = || format!("cannot make {}", directory.shown());
    fs::create_dir_all(directory).with_context(cannot)?;
    if fs::read_dir(directory).with_context(cannot)?.next().is_some() {
        bail!(
            "{} is not empty, and nothing is overwritten: give a directory that is empty or does not exist",
            directory.shown()
        );
    }
    Ok(())
}

/// Extracts a volume into a folder of its name in `directory`, and verifies it on the way. Whole records
/// and sound content are extracted, whatever else is damaged. `names`: with `documents/`.
pub fn extract(
    image: &Image,
    volume: &Volume,
    directory: &Path,
    names: bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<VolumeReport> {
    let findings = Findings::new(volume);
    let Ok(superblock) = &volume.superblock else {
        return Ok(VolumeReport::new(volume, None, findings));
    };
    let mut extraction = Extraction::new(directory.join(portable(&volume.name)), names, findings)?;
    let mut walk = Walk::new(image, volume, superblock, Mode::Full);
    while extraction.error.is_none() && walk.step(&mut extraction) {
        let (done, expected) = walk.progress();
        progress(done, expected);
    }
    let findings = extraction.end()?;
    copy_input(image, volume, superblock, &directory.join(portable(&volume.name)))?;
    Ok(VolumeReport::new(volume, Some(&walk.summary()), findings))
}

/// Copies `app-console-input/` as it is. Blocks that cannot be read stay zeros: nothing in it is committed.
fn copy_input(image: &Image, volume: &Volume, superblock: &Superblock, directory: &Path) -> Result<()> {
    let Some(layout) = superblock.layout() else { return Ok(()) };
    let path = directory.join(Area::Input.name()).join("blocks.bin");
    let copy = || {
        let mut file = BufWriter::new(File::create_new(&path)?);
        let mut block = [0; BLOCK_SIZE];
        for number in layout.input.start..layout.input.end() {
            if !image.read(volume, number, &mut block) {
                block.fill(0);
            }
            file.write_all(&block)?;
        }
        file.flush()
    };
    copy().with_context(|| cannot_write(&path))
}

/// The extraction of one volume: what the verifier shows goes into files.
struct Extraction {
    assets: PathBuf,
    documents: Option<PathBuf>,
    records_path: PathBuf,
    records: BufWriter<File>,
    /// The last record, until it is known whether its content is sound; and what its document is called.
    line: Option<(Line, Option<String>)>,
    partial: Option<File>,
    findings: Findings,
    /// The first thing that could not be written. Nothing is written behind it.
    error: Option<anyhow::Error>,
}

impl Extraction {
    fn new(directory: PathBuf, names: bool, findings: Findings) -> Result<Extraction> {
        let [assets, ledger, input] =
            [Area::Assets, Area::Ledger, Area::Input].map(|area| directory.join(area.name()));
        let documents = names.then(|| directory.join("documents"));
        for path in [&assets, &ledger, &input].into_iter().chain(&documents) {
            fs::create_dir_all(path).with_context(|| cannot_write(path))?;
        }
        let records_path = ledger.join("records.jsonl");
        let file = File::create_new(&records_path).with_context(|| cannot_write(&records_path))?;
        let records = BufWriter::new(file);
        Ok(Extraction {
            assets,
            documents,
            records_path,
            records,
            line: None,
            partial: None,
            findings,
            error: None,
        })
    }

    fn end(mut self) -> Result<Findings> {
        self.attempt(|this| this.write_line());
        self.attempt(|this| this.records.flush().with_context(|| cannot_write(&this.records_path)));
        self.error.map_or(Ok(self.findings), Err)
    }

    /// Does something unless something failed before.
    fn attempt(&mut self, action: impl FnOnce(&mut Self) -> Result<()>) {
        if self.error.is_none() {
            self.error = action(self).err();
        }
    }

    fn write_line(&mut self) -> Result<()> {
        let Some((line, _)) = self.line.take() else { return Ok(()) };
        let cannot = || cannot_write(&self.records_path);
        let line = serde_json::to_string(&line).with_context(cannot)?;
        writeln!(self.records, "{}", Json(line)).with_context(cannot)
    }

    fn partial_path(&self) -> PathBuf {
        self.assets.join(".partial")
    }

    fn write_content(&mut self, bytes: &[u8]) -> Result<()> {
        let path = self.partial_path();
        let cannot = || cannot_write(&path);
        let mut file = match self.partial.take() {
            Some(file) => file,
            None => File::create_new(&path).with_context(cannot)?,
        };
        file.write_all(bytes).with_context(cannot)?;
        self.partial = Some(file);
        Ok(())
    }

    fn end_content(&mut self, sound: bool) -> Result<()> {
        let partial = self.partial_path();
        let written = self.partial.take().is_some();
        let Some((line, name)) = self.line.as_mut().filter(|_| sound) else {
            return if written {
                fs::remove_file(&partial).with_context(|| cannot_write(&partial))
            } else {
                Ok(())
            };
        };
        let hash = line.content_hash().to_owned();
        let asset = self.assets.join(&hash);
        let cannot = || cannot_write(&asset);
        // Another document may have had the same content; then this is that file again.
        if written {
            fs::rename(&partial, &asset).with_context(cannot)?;
        } else {
            File::create(&asset).with_context(cannot)?;
        }
        line.extracted_to(format!("assets/{hash}"));
        if let (Some(documents), Some(name)) = (&self.documents, name) {
            let path = documents.join(name);
            match fs::hard_link(&asset, &path) {
                Ok(()) => {}
                // A forged ledger has two records of one number: the first stays.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // A file system without links.
                Err(_) => copy_new(&asset, &path).with_context(|| cannot_write(&path))?,
            }
        }
        Ok(())
    }
}

impl Visitor for Extraction {
    fn finding(&mut self, finding: &Finding) {
        self.findings.finding(finding);
    }

    fn record(&mut self, record: &Record<'_>, block: u64, offset: usize) {
        self.attempt(|this| this.write_line());
        let sequence = record.header.sequence.get();
        let name = record.document().map(|document| file_name(sequence, document.name));
        self.line = Some((Line::new(record, block, offset), name));
    }

    fn content(&mut self, _sequence: u64, _offset: u64, bytes: &[u8]) {
        self.attempt(|this| this.write_content(bytes));
    }

    fn content_end(&mut self, _sequence: u64, sound: bool) {
        self.attempt(|this| this.end_content(sound));
    }
}

/// The file name for a document: its sequence number, which makes it the only one on every file system, and its name
/// without anything that means something to a file system, a shell or a terminal.
fn file_name(sequence: u64, name: &str) -> String {
    portable(&format!("{sequence:06} {name}"))
}

fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let copied = io::copy(&mut File::open(from)?, &mut File::create_new(to)?);
    copied.map(drop)
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.shown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_in_their_folder() {
        assert_eq!(file_name(7, "Vertrag März.pdf"), "000007 Vertrag März.pdf");
        assert_eq!(file_name(7, "../../etc/passwd"), "000007 .._.._etc_passwd");
        assert_eq!(file_name(7, "a\0b\nc\u{1b}[2J\\d"), "000007 a_b_c_[2J_d");
        assert_eq!(file_name(1, ""), "000001_");
        let long = file_name(1, &"ü".repeat(200));
        assert!(long.len() <= 255 && long.len() > 251 && long.ends_with('ü'));
    }
}
