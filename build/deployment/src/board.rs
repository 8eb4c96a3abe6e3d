//! What is true of a board: one TOML file each, found by its name.

use std::path::Path;

use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use totebox_shown::ShowPath;

use totebox_common::units::parse_size;

static BOARDS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../boards");

/// A board.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Its name in the Microkit SDK: the file's.
    #[serde(skip)]
    pub name: String,
    /// The memory that can be handed out.
    pub memory: Memory,
    /// The operator's serial line.
    pub uart: Device<UartDriver>,
    /// The wall clock.
    pub rtc: Rtc,
    /// The tick.
    pub timer: Timer,
    /// The disk.
    pub disk: Device<DiskDriver>,
    /// How to run an image on an emulated one.
    pub qemu: Option<Qemu>,
}

/// Memory Microkit hands out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Its physical address.
    pub start: u64,
    /// Bytes.
    #[serde(deserialize_with = "size")]
    pub size: u64,
    /// Bytes of it that go to kernel objects, the loader and the capDL initialiser.
    #[serde(deserialize_with = "size")]
    pub reserved: u64,
}

/// A device with registers and an interrupt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device<Driver> {
    /// Which driver knows it.
    pub driver: Driver,
    /// The physical address of the page its registers are in.
    pub page: u64,
    /// Where in the page they begin.
    #[serde(default)]
    pub offset: u64,
    /// Its interrupt.
    pub irq: u64,
}

/// The wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rtc {
    /// Which driver knows it.
    pub driver: RtcDriver,
    /// The physical address of its page of registers.
    pub page: u64,
}

/// The tick.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// Which driver knows it.
    pub driver: TimerDriver,
    /// Its interrupt.
    pub irq: u64,
}

/// The serial lines there are drivers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UartDriver {
    /// ARM PrimeCell UART.
    Pl011,
}

/// The disks there are drivers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskDriver {
    /// A virtio block device behind memory-mapped registers.
    VirtioMmio,
}

/// The wall clocks there are drivers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RtcDriver {
    /// ARM PrimeCell real-time clock.
    Pl031,
}

/// The timers there are drivers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimerDriver {
    /// The physical timer of ARM's generic timer.
    ArmGeneric,
}

/// An emulated board.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    command: Vec<String>,
}

impl Qemu {
    /// The command, program first, that boots `image` with `disk` and its serial line on the QEMU
    /// character device `serial` (`stdio`, `unix:PATH,server=on,wait=off`).
    pub fn command(&self, image: &Path, disk: &Path, serial: &str) -> Vec<String> {
        // QEMU separates options by commas, and reads two as one that is meant.
        let path = |path: &Path| path.to_string_lossy().replace(',', ",,");
        let fill = |word: &String| {
            word.replace("{image}", &path(image)).replace("{disk}", &path(disk)).replace("{serial}", serial)
        };
        self.command.iter().map(fill).collect()
    }
}

impl Board {
    /// The board called `name`, out of `boards/` in `directory` or of those built in. `None` if there is
    /// none of that name.
    pub fn find(name: &str, directory: &Path) -> Result<Option<Board>> {
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Ok(None);
        }
        let path = directory.join("boards").join(format!("{name}.toml"));
        if path.is_file() {
            let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.shown()))?;
            return Board::parse(name, &text).with_context(|| format!("{}", path.shown())).map(Some);
        }
        let Some(file) = BOARDS.get_file(format!("{name}.toml")) else { return Ok(None) };
        let text = file.contents_utf8().context("a board file is not UTF-8")?;
        Board::parse(name, text).with_context(|| format!("the built-in board {name}")).map(Some)
    }

    /// The names of all boards [`Board::find`] finds, sorted.
    pub fn names(directory: &Path) -> Vec<String> {
        let built_in = BOARDS.files().map(|file| file.path().to_owned());
        let beside = directory.join("boards").read_dir().into_iter().flatten().flatten().map(|file| file.path());
        let stem = |path: std::path::PathBuf| {
            let toml = path.extension().is_some_and(|extension| extension == "toml");
            toml.then(|| Some(path.file_stem()?.to_string_lossy().into_owned()))?
        };
        let mut names: Vec<String> = built_in.chain(beside).filter_map(stem).collect();
        names.sort();
        names.dedup();
        names
    }

    fn parse(name: &str, text: &str) -> Result<Board> {
        let mut board: Board = toml::from_str(text)?;
        board.name = name.to_owned();
        let pages = [("uart", board.uart.page), ("rtc", board.rtc.page), ("disk", board.disk.page)];
        for (device, page) in pages {
            if !page.is_multiple_of(0x1000) {
                bail!("[{device}] page = {page:#x} is not the address of a page; put the rest into `offset`");
            }
        }
        if board.memory.reserved >= board.memory.size {
            bail!("[memory] reserved leaves nothing of size");
        }
        Ok(board)
    }
}

fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let error = || serde::de::Error::custom(format!("\"{text}\" is not a size such as \"512 MiB\""));
    parse_size(&text).ok_or_else(error)
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
            assert_eq!(Board::find(&name, nowhere).unwrap().unwrap().name, name);
        }
    }

    #[test]
    fn the_qemu_command_is_filled_in_and_commas_in_paths_are_doubled() {
        let board = Board::find("qemu_virt_aarch64", Path::new("")).unwrap().unwrap();
        let command = board.qemu.unwrap().command(Path::new("a,b.img"), Path::new("d.img"), "stdio");
        assert_eq!(command[0], "qemu-system-aarch64");
        assert!(command.contains(&"loader,file=a,,b.img,addr=0x70000000,cpu-num=0".to_owned()));
        assert!(command.contains(&"file=d.img,if=none,format=raw,cache=writeback,id=disk".to_owned()));
        assert!(command.windows(2).any(|pair| pair == ["-serial", "stdio"]));
        assert!(command.iter().all(|word| !word.contains('{')), "{command:?}");
    }
}
