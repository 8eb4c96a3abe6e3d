//! From the text of `totebox.toml` to a sound [`Deployment`], or to everything that is wrong with it.

use std::collections::HashMap;
use std::path::Path;

use ledger_fmt::layout::{BLOCK_SIZE, Layout, NAME_LEN_MAX, VOLUME_BLOCKS_MAX, VOLUME_BLOCKS_MIN};
use totebox_manifest::{OnMismatch, SERVICES};
use totebox_shown::Quoted;

use super::board::{Board, Unusable};
use super::graph::archives_max;
use super::read::{At, Report, Table};
use super::volume::{self, TABLE_SIZE, Volume};
use super::{Archive, Audit, Deployment, cpu};
use totebox_common::output::causes;
use totebox_common::problem::Problems;
use totebox_common::units::{MIB, SIZE_EXPECTED, parse_duration, parse_share, parse_size, show_share, show_size};

/// Characters of an archive's name at most: prefixes come before it, and files and regions are named after it.
const ARCHIVE_NAME_MAX: usize = 24;

const BLOCK: u64 = BLOCK_SIZE as u64;
const VOLUME_MIN: u64 = VOLUME_BLOCKS_MIN * BLOCK;
const VOLUME_MAX: u64 = VOLUME_BLOCKS_MAX * BLOCK;

pub fn deployment(file: &Path, source: &str) -> Result<Deployment, Problems> {
    let report = Report::new(file, source);
    let tree = report.parse();
    let directory = file.parent().unwrap_or(Path::new("")).to_owned();
    let found = read(&report, Table::root(&report, tree.get_ref()), &directory);
    match found {
        Some(deployment) if !report.found() => Ok(Deployment { directory, ..deployment }),
        _ => Err(report.into_problems()),
    }
}

struct ArchiveEntry<'a> {
    offset: usize,
    name: Option<At<&'a str>>,
    layout: Option<Layout>,
    on_mismatch: Option<OnMismatch>,
    share: Option<At<u32>>,
}

/// `None` if something without which there is no deployment is missing; that has been reported then.
fn read(report: &Report, root: Table, directory: &Path) -> Option<Deployment> {
    let deployment = root.table("deployment", "[deployment]");
    let disk = root.table("disk", "[disk]");
    let audit = root.table("audit", "[audit]");
    let archives = root.tables("archive", "[[archive]]");
    root.finish();

    let identity = deployment.and_then(|table| identity(report, table, directory));
    let disk_size = disk.and_then(|table| {
        let size = table.required("size", "512 MiB", SIZE_EXPECTED, parse_size);
        table.finish();
        whole_mib(report, size?, "the disk")
    });
    let audit = audit.and_then(|table| audit_table(report, table));
    if archives.as_ref().is_some_and(Vec::is_empty) {
        let help = "a deployment has at least one: add [[archive]] with name, size and on_mismatch";
        report.problem(0, "there is no [[archive]]", help);
    }
    let archives: Vec<_> = archives?.into_iter().map(|table| archive(report, table)).collect();
    names(report, &archives);
    let board = identity.as_ref().map(|identity| &identity.board);
    if let Some(board) = board {
        archives_fit(report, &archives, board);
    }
    let shares = shares(report, &archives);
    let (identity, disk_size, (audit, audit_layout)) = (identity?, disk_size?, audit?);
    disk_fits(report, disk_size, audit_layout, &archives);

    let place = |(name, layout): (&str, Layout), first: &mut u64| {
        let volume = Volume::new(identity.id, name, *first, layout);
        *first += layout.blocks;
        volume
    };
    let mut first = TABLE_SIZE / BLOCK;
    let audit_volume = place((volume::AUDIT, audit_layout), &mut first);
    let mut volumes = Vec::new();
    let mut sound = Vec::new();
    for (entry, share_ppm) in archives.iter().zip(shares?) {
        let name = entry.name?.value;
        volumes.push(place((name, entry.layout?), &mut first));
        sound.push(Archive { name: name.to_owned(), on_mismatch: entry.on_mismatch?, share_ppm });
    }
    volumes.push(audit_volume);
    let Identity { name, id, board } = identity;
    let disk_size = disk_size.value;
    let directory = directory.to_owned();
    Some(Deployment { directory, name, id, board, disk_size, audit, archives: sound, volumes })
}

struct Identity {
    name: String,
    id: [u8; 16],
    board: Board,
}

fn identity(report: &Report, table: Table, directory: &Path) -> Option<Identity> {
    let name = table.required_text("name", "my-archives");
    let id = table.required("id", "0123456789abcdef0123456789abcdef", "32 hexadecimal digits", parse_id);
    let board = table.required_text("board", "qemu_virt_aarch64");
    table.finish();
    let name = name.filter(|name| usable_name(report, *name, "the deployment's name", NAME_LEN_MAX));
    let board = board.and_then(|At { value: name, offset }| {
        let help = || {
            let known = Board::names(directory).join(", ");
            format!("known: {known}; a file boards/NAME.toml beside this one adds one")
        };
        match Board::find(name, directory) {
            Ok(board) => return Some(board),
            Err(Unusable::Unknown) => report.problem(offset, format!("there is no board \"{name}\""), help()),
            Err(Unusable::Unread(error)) => {
                let message = format!("the board \"{name}\" cannot be used: {}", causes(&error));
                report.problem(offset, message, help());
            }
            Err(Unusable::Wrong(problems)) => report.problems_of_other(offset, problems),
        }
        None
    });
    Some(Identity { name: name?.value.to_owned(), id: id?.value, board: board? })
}

fn parse_id(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes))?
}

/// A size that is a whole number of MiB, so that volumes lie aligned and side by side.
fn whole_mib(report: &Report, size: At<u64>, what: &str) -> Option<At<u64>> {
    if size.value.is_multiple_of(MIB) {
        return Some(size);
    }
    let message = format!("{what} has {}, which is not a whole number of MiB", show_size(size.value));
    report.problem(size.offset, message, format!("write \"{}\"", show_size(size.value.next_multiple_of(MIB))));
    None
}

/// The layout of a volume whose size the key `size_key` gives.
fn volume_layout(report: &Report, table: &Table, size_key: &'static str) -> Option<Layout> {
    let size = table.required(size_key, "128 MiB", SIZE_EXPECTED, parse_size);
    if let Some(ledger) = table.parsed("ledger", "16 MiB", SIZE_EXPECTED, parse_size) {
        let message = "a ledger has no size of its own: it shares the volume with the documents".to_owned();
        report.problem(ledger.offset, message, "take this line out".to_owned());
    }
    let size = whole_mib(report, size?, "the volume")?;
    let layout = Layout::new(size.value / BLOCK);
    if layout.is_none() {
        let (min, max) = (show_size(VOLUME_MIN), show_size(VOLUME_MAX));
        let (bound, limit) = if size.value < VOLUME_MIN { ("smallest", &min) } else { ("largest", &max) };
        let message = format!("the volume has {}; the {bound} there can be has {limit}", show_size(size.value));
        report.problem(size.offset, message, format!("write \"{limit}\", or anything from {min} to {max}"));
    }
    layout
}

fn audit_table(report: &Report, table: Table) -> Option<(Audit, Layout)> {
    let layout = volume_layout(report, &table, "volume");
    let expected = "\"off\", or a whole number of s, min, h or days";
    let period = table.required("period", "15 min", expected, parse_duration);
    let full_every = table.count("full_every").unwrap_or(1);
    table.finish();
    Some((Audit { period_s: period?.value, full_every }, layout?))
}

fn archive<'a>(report: &'a Report, table: Table<'a>) -> ArchiveEntry<'a> {
    let offset = table.offset;
    let name = table.required_text("name", "contracts");
    let layout = volume_layout(report, &table, "size");
    let policy = |text: &str| match text {
        "suspend" => Some(OnMismatch::Suspend),
        "flag" => Some(OnMismatch::Flag),
        _ => None,
    };
    let on_mismatch = table.required("on_mismatch", "suspend", "\"suspend\" or \"flag\"", policy);
    let share = table.parsed("cpu", "5 %", "a share such as \"5 %\" or \"2.5 %\"", parse_share);
    table.finish();
    ArchiveEntry { offset, name, layout, on_mismatch: on_mismatch.map(|policy| policy.value), share }
}

/// Reports a name that is not `[a-z][a-z0-9-]*`, has a `-` that joins nothing (XML comments end at two),
/// or is too long.
fn usable_name(report: &Report, name: At<&str>, what: &str, max: usize) -> bool {
    let text = name.value;
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let usable = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(letters)
        && text.len() <= max
        && !text.contains("--")
        && !text.ends_with('-');
    if !usable {
        let message = format!("{what}, {}, cannot be used", Quoted(text.as_bytes()));
        let help = format!(
            "a name is a small letter, then small letters, digits and single `-` between them, at most {max} in all"
        );
        report.problem(name.offset, message, help);
    }
    usable
}

/// Reports names of archives that cannot be used, are reserved, or are taken.
fn names(report: &Report, archives: &[ArchiveEntry]) {
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for (index, name) in archives.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.name?))) {
        if !usable_name(report, name, "the archive's name", ARCHIVE_NAME_MAX) {
            continue;
        }
        let reserved = name.value == volume::AUDIT || SERVICES.iter().any(|&role| role.name() == name.value);
        if reserved {
            let message = format!("an archive cannot be called \"{}\": the appliance uses that name", name.value);
            report.problem(name.offset, message, "choose another name");
        }
        if let Some(first) = taken.insert(name.value, index) {
            let message =
                format!("two archives are called \"{}\": [[archive]] {} and {}", name.value, first + 1, index + 1);
            report.problem(name.offset, message, "choose another name for one of them");
        }
    }
}

/// Reports the first archive that is too many for the board.
fn archives_fit(report: &Report, archives: &[ArchiveEntry], board: &Board) {
    let (max, reason) = archives_max(board);
    if let Some(first) = archives.get(max) {
        let message = format!("{} archives are too many: {reason}", archives.len());
        report.problem(
            first.offset,
            message,
            format!("{max} is the most; leave out the last {}", archives.len() - max),
        );
    }
}

fn shares(report: &Report, archives: &[ArchiveEntry]) -> Option<Vec<u32>> {
    let given: Vec<_> = archives.iter().map(|entry| entry.share.map(|share| share.value)).collect();
    let shares = cpu::share_out(&given);
    if shares.is_none() {
        let last = archives.iter().filter_map(|entry| entry.share).next_back();
        let taken: u64 = given.iter().flatten().map(|&share| u64::from(share)).sum();
        let without = given.iter().filter(|share| share.is_none()).count();
        let all = show_share(cpu::ARCHIVES_SHARE_PPM.into());
        let message = match without {
            0 => format!("the archives' CPU shares are {} in all; there is {all}", show_share(taken)),
            _ => format!(
                "the CPU shares given are {} of {all}, which leaves too little for {without} more",
                show_share(taken)
            ),
        };
        let least = show_share(cpu::ARCHIVE_SHARE_PPM_MIN.into());
        let offset = last.map_or(0, |share| share.offset);
        report.problem(
            offset,
            message,
            format!("give less, or leave `cpu` out to share equally; the least is {least}"),
        );
    }
    shares
}

/// Reports by how much the volumes are larger than the disk.
fn disk_fits(report: &Report, disk: At<u64>, audit: Layout, archives: &[ArchiveEntry]) {
    let volumes = archives.iter().filter_map(|entry| entry.layout).chain([audit]);
    let needed = volumes.fold(2 * TABLE_SIZE, |sum, layout| sum.saturating_add(layout.blocks * BLOCK));
    if let Some(missing) = needed.checked_sub(disk.value).filter(|&missing| missing > 0) {
        let message = format!(
            "the disk has {}, and the volumes and partition tables need {}: {} too little",
            show_size(disk.value),
            show_size(needed),
            show_size(missing)
        );
        let help =
            format!("write size = \"{}\", or make the volumes smaller by that much in all", show_size(needed));
        report.problem(disk.offset, message, help);
    }
}
