//! A board held against a Microkit SDK, which says of each board what is memory there and what are devices.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use totebox_common::problem::{Problem, Problems};
use totebox_common::read::bytes;
use totebox_common::units::show_size;
use totebox_shown::ShowPath;

use super::Board;
use super::file::{PAGE_SIZE, table_of};

/// What an SDK says of a board.
const PLATFORM: &str = "platform_gen.json";

/// Bytes of that at most: it has a few kilobytes.
const PLATFORM_MAX: usize = 1 << 20;

/// Where the Microkit SDK is to be: where `MICROKIT_SDK` says, or in the home directory.
pub fn sdk() -> PathBuf {
    let default = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join("microkit-sdk-2.3.0");
    std::env::var_os("MICROKIT_SDK").filter(|path| !path.is_empty()).map_or_else(default, PathBuf::from)
}

/// What of a board's physical addresses is what, for one configuration of the kernel.
#[derive(Deserialize)]
struct Platform {
    /// What can be mapped as devices: all that is no memory, but for what the kernel drives itself.
    devices: Vec<Stretch>,
    /// What Microkit hands out.
    memory: Vec<Stretch>,
}

#[derive(Clone, Copy, Deserialize)]
struct Stretch {
    start: u64,
    /// Behind the last byte.
    end: u64,
}

impl Stretch {
    fn holds(self, start: u64, size: u64) -> bool {
        start >= self.start && start.checked_add(size).is_some_and(|end| end <= self.end)
    }

    fn touches(self, start: u64, size: u64) -> bool {
        start < self.end && start.saturating_add(size) > self.start
    }
}

impl Board {
    /// Finds what the SDK in this directory contradicts: that there is no such board, that memory is not memory there,
    /// that a device is not where devices are. `false` if there is no SDK, so that nothing was compared.
    pub fn hold_against_sdk(&self, sdk: &Path) -> Result<bool> {
        let boards = sdk.join("board");
        if !boards.is_dir() {
            return Ok(false);
        }
        let folder = boards.join(&self.microkit);
        let mut problems = Vec::new();
        if folder.is_dir() {
            for platform in platforms(&folder)? {
                for (offset, problem) in self.contradictions(&platform) {
                    // The configurations of a board are much the same.
                    if !problems.contains(&(offset, problem.clone())) {
                        problems.push((offset, problem));
                    }
                }
            }
        } else {
            problems.push(self.unknown_to(&boards)?);
        }
        problems.sort_by_key(|&(offset, _)| offset);
        let problems: Vec<Problem> = problems.into_iter().map(|(_, problem)| problem).collect();
        if problems.is_empty() { Ok(true) } else { Err(Problems(problems).into()) }
    }

    /// The SDK has no such board.
    fn unknown_to(&self, boards: &Path) -> Result<(usize, Problem)> {
        let message = format!("the Microkit SDK has no board \"{}\"", self.microkit);
        let known = names(boards)?.join(", ");
        let help =
            format!("name the one that this is, as microkit = \"NAME\" in the first lines; it has: {known}");
        let offset = self.source.microkit;
        Ok((offset, self.problem(offset, message, help)))
    }

    fn contradictions(&self, platform: &Platform) -> Vec<(usize, Problem)> {
        let mut found = Vec::new();
        let mut problem = |offset, message, help| found.push((offset, self.problem(offset, message, help)));
        let (start, size) = (self.memory.start, self.memory.size.value);
        if !platform.memory.iter().any(|memory| memory.holds(start.value, size)) {
            let message = format!(
                "{:#x} to {:#x} is not all memory on \"{}\", by the Microkit SDK",
                start.value,
                start.value + size,
                self.microkit
            );
            let stretches = platform.memory.iter().map(|memory| {
                let size = show_size(memory.end.saturating_sub(memory.start));
                format!("start = {:#x} and size = \"{size}\"", memory.start)
            });
            problem(
                start.offset,
                message,
                format!("write a part of {}", stretches.collect::<Vec<_>>().join(", or of ")),
            );
        }
        for device in &self.devices {
            let Some(registers) = device.registers else { continue };
            let page = registers.page.value;
            let what = if platform.memory.iter().any(|memory| memory.touches(page, PAGE_SIZE)) {
                "is memory"
            } else if platform.devices.iter().any(|devices| devices.holds(page, PAGE_SIZE)) {
                continue;
            } else {
                "can be no driver's"
            };
            let message = format!(
                "the page of {}, {page:#x}, {what} on \"{}\", by the Microkit SDK",
                table_of(device.driver.kind),
                self.microkit
            );
            let stretches =
                platform.devices.iter().map(|devices| format!("{:#x} to {:#x}", devices.start, devices.end));
            let help = format!("devices can be at {}", stretches.collect::<Vec<_>>().join(", "));
            problem(registers.page.offset, message, help);
        }
        found
    }
}

/// What the SDK says of a board, in each of its configurations.
fn platforms(board: &Path) -> Result<Vec<Platform>> {
    let mut platforms = Vec::new();
    for config in names(board)? {
        let path = board.join(config).join(PLATFORM);
        if path.is_file() {
            let read = || Ok::<_, anyhow::Error>(serde_json::from_slice(&bytes(&path, PLATFORM_MAX)?)?);
            platforms.push(read().with_context(|| format!("cannot read {}", path.shown()))?);
        }
    }
    ensure!(!platforms.is_empty(), "no configuration in {} has a {PLATFORM}", board.shown());
    Ok(platforms)
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let read = || {
        let entries = directory.read_dir()?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        entries.collect::<std::io::Result<Vec<String>>>()
    };
    let mut names = read().with_context(|| format!("cannot read {}", directory.shown()))?;
    names.sort();
    Ok(names)
}
