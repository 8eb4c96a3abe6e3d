//! What is true of a board: one TOML file each, found by its name or its path.

mod file;
mod sdk;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use totebox_common::problem::{Places, Problem, Problems};
use totebox_common::read::text;
use totebox_manifest::{DeviceKind, Driver};

use crate::SOURCE_MAX;
use crate::read::At;

pub use sdk::sdk;

static BOARDS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../boards");

/// A board. Always sound in itself: what it says fits together.
#[derive(Clone, Debug)]
pub struct Board {
    pub name: String,
    pub microkit: String,
    /// The memory that can be handed out.
    pub memory: Memory,
    /// A disk, a serial line, a wall clock and a timer, in this order.
    pub devices: Vec<Device>,
    /// How to run an image on an emulated one.
    pub qemu: Option<Qemu>,
    source: Source,
}

/// Memory Microkit hands out.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Its physical address; of a whole page.
    pub start: At<u64>,
    /// Bytes, in whole pages.
    pub size: At<u64>,
    /// Bytes of it that go to kernel objects, the loader and the capDL initialiser; fewer than there are.
    pub reserved: At<u64>,
}

#[derive(Clone, Debug)]
pub struct Device {
    pub driver: &'static Driver,
    /// Where its registers are, if its driver has to do with any.
    pub registers: Option<Registers>,
    pub irq: Option<At<u64>>,
}

/// A device's registers. No other device's are in the same page.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// The physical address of the page they are in.
    pub page: At<u64>,
    /// Where in the page they begin.
    pub offset: u64,
}

/// An emulated board.
#[derive(Clone, Debug)]
pub struct Qemu {
    command: Vec<String>,
}

/// The file a board was read from, to name places in it.
#[derive(Clone, Debug)]
struct Source {
    file: PathBuf,
    text: String,
    /// The byte at which its name in the SDK stands; 0 if that is the board's own.
    microkit: usize,
}

/// Why there is no board to use.
#[derive(Debug)]
pub enum Unusable {
    Unknown,
    Unread(anyhow::Error),
    /// Its file says something impossible.
    Wrong(Problems),
}

impl Qemu {
    /// What a command may have in braces, to be filled in.
    const BLANKS: [&'static str; 3] = ["{image}", "{disk}", "{serial}"];

    /// The command, program first, that boots `image` with `disk` and its serial line on the QEMU
    /// character device `serial` (`stdio`, `unix:PATH,server=on,wait=off`).
    pub fn command(&self, image: &Path, disk: &Path, serial: &str) -> Vec<String> {
        // QEMU separates options by commas, and reads two as one that is meant.
        let path = |path: &Path| path.to_string_lossy().replace(',', ",,");
        let values = [path(image), path(disk), serial.to_owned()];
        let fill = |word: &String| {
            let blanks = Self::BLANKS.iter().zip(&values);
            blanks.fold(word.clone(), |word, (blank, value)| word.replace(blank, value))
        };
        self.command.iter().map(fill).collect()
    }
}

impl Board {
    /// The board a deployment in `directory` calls `name`: the path of a board file, from there, if it ends in `.toml`;
    /// else one out of `boards/` there, or of those built in.
    pub fn find(name: &str, directory: &Path) -> Result<Board, Unusable> {
        let read = |path: &Path| {
            let text = text(path, SOURCE_MAX).context("it cannot be read").map_err(Unusable::Unread)?;
            Board::parse(path, text).map_err(Unusable::Wrong)
        };
        if name.ends_with(".toml") {
            return read(&directory.join(name));
        }
        let file = Path::new("boards").join(format!("{name}.toml"));
        let beside = directory.join(&file);
        if !file::usable_name(name) {
            Err(Unusable::Unknown)
        } else if beside.is_file() {
            read(&beside)
        } else {
            let built_in = BOARDS.get_file(format!("{name}.toml")).and_then(|file| file.contents_utf8());
            let text = built_in.ok_or(Unusable::Unknown)?;
            Board::parse(&Path::new("build").join(file), text.to_owned()).map_err(Unusable::Wrong)
        }
    }

    /// The names of all boards [`Board::find`] finds by a name, sorted.
    pub fn names(directory: &Path) -> Vec<String> {
        let built_in = BOARDS.files().map(|file| file.path().to_owned());
        let beside = directory.join("boards").read_dir().into_iter().flatten().flatten().map(|file| file.path());
        let stem = |path: PathBuf| {
            let toml = path.extension().is_some_and(|extension| extension == "toml");
            toml.then(|| Some(path.file_stem()?.to_string_lossy().into_owned()))?
        };
        let mut names: Vec<String> = built_in.chain(beside).filter_map(stem).collect();
        names.sort();
        names.dedup();
        names
    }

    pub fn parse(file: &Path, text: String) -> Result<Board, Problems> {
        file::parse(file, text)
    }

    /// The file it was read from; of one that is built in, where Totebox's sources have it.
    pub fn file(&self) -> &Path {
        &self.source.file
    }

    /// Its device of a kind. Every board has one of each kind a board file has a table for.
    pub fn device(&self, kind: DeviceKind) -> Option<&Device> {
        self.devices.iter().find(|device| device.driver.kind == kind)
    }

    /// Something wrong at a byte of the file.
    fn problem(&self, offset: usize, message: String, help: String) -> Problem {
        Problem::at(&self.source.file, &Places::new(&self.source.text), offset, message, help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_that_is_built_in_can_be_used() {
        let nowhere = Path::new("no/such/directory");
        let names = Board::names(nowhere);
        assert!(names.contains(&"qemu_virt_aarch64".to_owned()));
        for name in names {
            let board = Board::find(&name, nowhere).unwrap();
            assert_eq!((&board.name, &board.microkit), (&name, &name));
        }
    }

    #[test]
    fn the_qemu_command_is_filled_in_and_commas_in_paths_are_doubled() {
        let board = Board::find("qemu_virt_aarch64", Path::new("")).unwrap();
        let command = board.qemu.unwrap().command(Path::new("a,b.img"), Path::new("d.img"), "stdio");
        assert_eq!(command[0], "qemu-system-aarch64");
        assert!(command.contains(&"loader,file=a,,b.img,addr=0x70000000,cpu-num=0".to_owned()));
        assert!(command.contains(&"file=d.img,if=none,format=raw,cache=writeback,id=disk".to_owned()));
        assert!(command.windows(2).any(|pair| pair == ["-serial", "stdio"]));
        assert!(command.iter().all(|word| !word.contains('{')), "{command:?}");
    }
}
