//! What commands share in how they speak: JSON on standard output, progress on standard error.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use totebox_common::files::Target;
use totebox_common::out;
use totebox_common::output::error_text;
use totebox_common::units::count;
use totebox_console_protocol::table::{Column, Table};
use totebox_shown::{Json, Shown};

/// Prints a value as one JSON document, for `--json`.
pub fn json(value: &impl Serialize) -> Result<()> {
    out!("{}\n", Json(serde_json::to_string_pretty(value)?))?;
    Ok(())
}

/// As [`json`], of what was done for good: standard error has it if standard output does not take it.
pub fn json_done(value: &impl Serialize) -> Result<()> {
    let text = Json(serde_json::to_string_pretty(value)?);
    out!("{text}\n").inspect_err(|error| {
        if !error.is_closed_pipe() {
            error_text(format_args!("{text}"));
        }
    })?;
    Ok(())
}

/// Prints a document's content as it is.
pub fn content(content: &mut impl Read) -> Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match content.read(&mut piece).context("cannot read what was fetched")? {
            0 => return Ok(()),
            len => totebox_common::output::bytes(&piece[..len])?,
        }
    }
}

/// A table's lines.
pub fn table<R, const N: usize>(columns: [Column<R>; N], rows: impl Iterator<Item = R> + Clone) -> String {
    let table = Table::new(columns, rows.clone());
    let mut text = format!("{}\n", table.header());
    rows.for_each(|row| writeln!(text, "{}", table.row(&row)).expect("writing to memory"));
    text
}

/// What becomes of a file that is there already where a command is to write one.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Force {
    /// Replace the file if it is there already.
    #[arg(long)]
    pub force: bool,
}

impl Force {
    /// The file a command was told to write: an error if it is there and may not be replaced.
    pub fn target(self, path: &Path) -> Result<Target<'_>> {
        Target::new(path, self.force)
    }
}

/// Writes what a command makes to a file, or prints it if none was named.
pub fn text(file: Option<Target<'_>>, text: &str) -> Result<()> {
    if let Some(file) = file {
        return file.write(text.as_bytes());
    }
    out!("{text}")?;
    Ok(())
}

/// How many of something are shown, of how many: "5 of 23 records", or "23 records" if those are all.
pub fn count_of(shown: u64, all: u64, what: &str) -> String {
    let all_of_them = count(all, what);
    if shown == all { all_of_them } else { format!("{shown} of {all_of_them}") }
}

/// A progress bar over `total` bytes. Nothing is drawn when standard error is not a terminal.
pub fn progress_bytes(label: impl Into<String>, total: u64) -> ProgressBar {
    let style = "{msg:<24} {bar:30} {bytes:>11} of {total_bytes:<11} {bytes_per_sec:>12} {eta:>4}";
    let bar = ProgressBar::new(total).with_message(Shown(label.into()).to_string());
    bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
