//! The superblock and the hints of a volume, from its ledger.
//!
//! They are written only if the ledger is whole from its first batch to its last: the host's verifier must find nothing
//! wrong in it, and the vault's own recovery, batch over the same bytes, must come to the same frontier. Where a hint
//! is lost nobody can say what it vouched for, so there must be no later batch header behind that frontier either: it
//! would be of a commit that was acknowledged, perhaps. A hint that is valid is kept, and binds.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger_fmt::batch_header::{BatchHeader, Frontier, Hint};
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS, Layout, SUPERBLOCK, Superblock};
use ledger_fmt::verify::{Finding, FindingKind, Mode, Visitor};
use totebox_vault::recovery::{Found, LookedAt, Recovery};
use zerocopy::IntoBytes;

use super::{Plan, block};
use crate::find::complaint;
use crate::image::{Image, Reader, Volume};
use crate::walk::Walk;

/// Blocks read at a time.
const CHUNK: u64 = 256;

const HINTS: [&str; 2] = ["hint A", "hint B"];

/// Plans what is to be done for a volume. Whether its superblock is right, or will be.
pub fn plan(
    image: &Image,
    volume: &Volume,
    deployed: bool,
    plan: &mut Plan,
    progress: &mut dyn FnMut(u64, u64),
) -> bool {
    match labels(image, volume, deployed, progress) {
        Ok(labels) => {
            if let Some(complaint) = labels.complaint {
                plan.refuse(Some(volume), complaint);
            }
            for Mended { block, what, why, bytes, .. } in labels.writes {
                plan.add(volume, what, block, why, bytes);
            }
            true
        }
        Err(refusal) => {
            plan.refuse(Some(volume), refusal);
            false
        }
    }
}

/// What a volume's first blocks must be.
struct Labels {
    writes: Vec<Mended>,
    complaint: Option<String>,
}

/// One of them as it is to be written.
struct Mended {
    block: u64,
    what: &'static str,
    why: String,
    bytes: Vec<u8>,
    /// It says something that was said nowhere any more.
    anew: bool,
}

fn labels(
    image: &Image,
    volume: &Volume,
    deployed: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Labels, String> {
    let superblock = volume.superblock.as_ref().map_err(|error| {
        format!("{error}, and nothing in the volume says what it was; its deployment may: --deployment DIR")
    })?;
    if let Some(contradiction) = &volume.contradiction {
        let help = if deployed { "" } else { "; with --deployment DIR it is known which of them is right" };
        return Err(format!("the superblock is sound, but {contradiction}{help}"));
    }
    let layout = superblock.layout().ok_or("the superblock has no possible layout")?;
    let reader = image.reader(volume);
    let seen = Seen::of(reader.clone(), superblock, Mode::Full, progress);
    if seen.labels.is_empty() {
        return Ok(Labels { writes: Vec::new(), complaint: seen.complaint() });
    }
    if let Some((finding, count)) = &seen.ledger {
        let more = if *count > 1 { format!(" and {} more findings", count - 1) } else { String::new() };
        return Err(format!(
            "its first blocks are damaged ({}), and so is its ledger ({}{more}): how far it went cannot be known from \
             it, and nothing is written",
            seen.labels.iter().map(place).collect::<Vec<_>>().join(", "),
            place(finding)
        ));
    }
    let examined = Examined { volume, superblock, layout, reader, seen, deployed };
    examined.repair()
}

/// A volume with a whole ledger and first blocks that are not.
struct Examined<'a> {
    volume: &'a Volume,
    superblock: &'a Superblock,
    layout: Layout,
    reader: Reader,
    seen: Seen,
    deployed: bool,
}

impl Examined<'_> {
    fn repair(self) -> Result<Labels, String> {
        let mut writes = Vec::new();
        if self.seen.is_wrong(SUPERBLOCK) {
            self.check_evidence()?;
            let source = if self.deployed { "the deployment" } else { "the partition and the first batch" };
            let why = format!("{}; made anew from {source}, {}", self.superblock_now(), self.borne_out_by());
            let bytes = block(self.superblock.as_bytes());
            writes.push(Mended { block: SUPERBLOCK, what: "superblock", why, bytes, anew: true });
        }
        let mended: BTreeMap<u64, Vec<u8>> = [(SUPERBLOCK, block(self.superblock.as_bytes()))].into();
        let found = recover(&overlaid(&self.reader, mended), self.superblock, &self.layout);
        let hints = self.hints(found.as_ref().ok())?;
        if hints.iter().any(|hint| hint.anew) {
            self.check_frontier(found.as_ref().ok())?;
        }
        writes.extend(hints);
        self.check_outcome(&writes)?;
        Ok(Labels { writes, complaint: self.seen.complaint() })
    }

    fn frontier(&self) -> &Frontier {
        &self.seen.frontier
    }

    /// What stands where the superblock must.
    fn superblock_now(&self) -> &'static str {
        let mut bytes = [0; BLOCK_SIZE];
        if !(self.reader)(SUPERBLOCK, &mut bytes) {
            return "it cannot be read";
        }
        match Superblock::decode(&bytes) {
            Ok((found, _)) if found == *self.superblock => "something stands behind it in its block",
            Ok((found, _)) if found.deployment != self.superblock.deployment => "it is of another deployment",
            Ok(_) => "it is of another volume, or of this one with another size",
            Err(error) => complaint(error),
        }
    }

    fn borne_out_by(&self) -> String {
        match self.frontier().batches {
            0 => "borne out by a hint".to_owned(),
            1 => "borne out by 1 whole batch".to_owned(),
            batches => format!("borne out by {batches} whole batches"),
        }
    }

    /// Refuses a superblock that nothing in the volume bears out.
    fn check_evidence(&self) -> Result<(), String> {
        if self.frontier().batches == 0 && (0..2).all(|slot| self.hint(slot).is_none()) {
            return Err(format!(
                "{}, and neither a batch nor a hint bears out that this is the volume {}: nothing is written",
                self.superblock_now(),
                self.volume.name
            ));
        }
        Ok(())
    }

    /// Reads blocks of the volume. Those that cannot be read are passed over; whether there was none.
    fn each_block(&self, from: u64, to: u64, mut each: impl FnMut(u64, &[u8])) -> bool {
        let mut bytes = vec![0; CHUNK as usize * BLOCK_SIZE];
        let mut next = from;
        let mut all = true;
        while next < to {
            let blocks = (to - next).min(CHUNK);
            let chunk = &mut bytes[..blocks as usize * BLOCK_SIZE];
            let together = (self.reader)(next, chunk);
            for (block, at) in chunk.chunks_exact_mut(BLOCK_SIZE).zip(next..) {
                if together || (self.reader)(at, block) {
                    each(at, block);
                } else {
                    all = false;
                }
            }
            next += blocks;
        }
        all
    }

    /// The valid hint in a slot, and whether zeros follow it in its block.
    fn hint(&self, slot: usize) -> Option<(Hint, bool)> {
        let mut bytes = [0; BLOCK_SIZE];
        let read = (self.reader)(HINT_BLOCKS[slot], &mut bytes);
        let hint = Hint::find(&bytes, &self.superblock.volume, &self.layout).filter(|_| read)?;
        Some((hint, bytes[size_of::<Hint>()..].iter().all(|&byte| byte == 0)))
    }

    /// The hints that must be written.
    fn hints(&self, found: Option<&Found>) -> Result<Vec<Mended>, String> {
        let mut writes = Vec::new();
        for (slot, at) in HINT_BLOCKS.into_iter().enumerate().filter(|(_, at)| self.seen.is_wrong(*at)) {
            match self.hint(slot) {
                Some((_, true)) => {
                    return Err(format!(
                        "{} is valid, but the ledger does not have the frontier it names: it is of another history, \
                         or the \
                         ledger is; nothing is written",
                        HINTS[slot]
                    ));
                }
                Some((hint, false)) => {
                    let why = "it is valid, but something stands behind it in its block".to_owned();
                    let bytes = block(hint.as_bytes());
                    writes.push(Mended { block: at, what: HINTS[slot], why, bytes, anew: false });
                }
                None => {
                    let Frontier { batches, ledger_next, assets_next, .. } = self.frontier();
                    // Where the vault itself would come up, its word of the last batch header's place.
                    let last_header_block = found.map(|found| found.header_block).or(self.seen.last_header_block);
                    let last_header_block =
                        last_header_block.ok_or("where the last batch header stands is not known")?;
                    let (volume, written) = (self.superblock.volume, self.assets_written());
                    let hint = Hint::new(volume, self.frontier(), last_header_block, written);
                    let mut why = format!(
                        "it is {}; made anew for the frontier behind {batches} batches, ledger block {ledger_next}, assets \
                         block {assets_next}",
                        self.hint_now(at)
                    );
                    if let Some(tail) = self.seen.tail {
                        why += &format!(
                            "; a batch at ledger block {tail} is not whole and not counted, as a commit that was never \
                             acknowledged: if that one was, a hint that is lost may have said so"
                        );
                    }
                    let bytes = block(hint.as_bytes());
                    writes.push(Mended { block: at, what: HINTS[slot], why, bytes, anew: true });
                }
            }
        }
        Ok(writes)
    }

    /// How far content may have been written: what a valid hint says, or else as far as there is room.
    fn assets_written(&self) -> u64 {
        let said = (0..2).filter_map(|slot| self.hint(slot)).map(|(hint, _)| hint.assets_written.get()).max();
        let written = said.unwrap_or_else(|| self.layout.assets_end(self.frontier().ledger_next));
        written.max(self.frontier().assets_next)
    }

    fn hint_now(&self, at: u64) -> &'static str {
        let mut bytes = [0; BLOCK_SIZE];
        match (self.reader)(at, &mut bytes) {
            false => "unreadable",
            true if bytes.iter().all(|&byte| byte == 0) => "missing",
            true => "damaged",
        }
    }

    /// Refuses to say by a hint that the ledger ends where it may have gone on.
    fn check_frontier(&self, found: Option<&Found>) -> Result<(), String> {
        let frontier = self.frontier();
        if frontier.batches == 0 && (0..2).all(|slot| self.hint(slot).is_none()) {
            return Err("both hints are lost, and there is no batch: whether there ever was one cannot be known"
                .to_owned());
        }
        // The vault takes a batch whose assets are damaged for one that never was, and says so; then its word is not
        // had.
        match found {
            Some(found) if found.frontier != *frontier => {
                return Err(format!(
                    "the vault would go on behind {} batches, and the ledger has {}: nothing is written",
                    found.frontier.batches, frontier.batches
                ));
            }
            None if self.seen.assets.is_none() => {
                return Err("the vault would not take the ledger for whole: nothing is written".to_owned());
            }
            _ => {}
        }
        let start = self.layout.space.start;
        // Behind that there is content, or may be.
        let known = (0..2).any(|slot| self.hint(slot).is_some());
        let content = if known { self.assets_written() } else { frontier.assets_next };
        let end = start + self.layout.ledger_end(content);
        let mut later = None;
        let all = self.each_block(start + frontier.ledger_next, end, |at, bytes| {
            let at = at - start;
            let header = BatchHeader::find(bytes, &self.superblock.volume, at, &self.layout);
            if let Some(header) = header.ok().filter(|header| header.batch.get() > frontier.batches) {
                later.get_or_insert((at, header.batch.get()));
            }
        });
        match later {
            Some((at, batch)) => Err(format!(
                "a hint is lost, batch {} at ledger block {} is not whole, and batch {batch} stands behind it at ledger block \
                 {at}: what is lost may have been acknowledged, and nothing is written",
                frontier.batches, frontier.ledger_next
            )),
            None if !all => {
                Err("a hint is lost, and behind the batches there are blocks of ledger/ that cannot be read: \
                                 nobody can tell whether there were more; nothing is written"
                    .to_owned())
            }
            None => Ok(()),
        }
    }

    /// The volume as it would be must have sound first blocks, and the vault must come up after all of its batches.
    fn check_outcome(&self, writes: &[Mended]) -> Result<(), String> {
        let mended = writes.iter().map(|mended| (mended.block, mended.bytes.clone())).collect();
        let reader = overlaid(&self.reader, mended);
        let after = Seen::of(reader.clone(), self.superblock, Mode::Ledger, &mut |_, _| ());
        let sound = after.labels.is_empty() && after.ledger.is_none() && after.frontier == *self.frontier();
        let found = recover(&reader, self.superblock, &self.layout);
        if sound && found.is_ok_and(|found| found.frontier == *self.frontier()) {
            return Ok(());
        }
        Err("its first blocks cannot be made such that the vault and the verifier accept them: nothing is written"
            .to_owned())
    }
}

/// What a verification saw of a volume.
struct Seen {
    labels: Vec<Finding>,
    /// The first finding in `ledger/` and in `assets/`, and how many there are.
    ledger: Option<(Finding, u64)>,
    assets: Option<(Finding, u64)>,
    frontier: Frontier,
    last_header_block: Option<u64>,
    /// The block of `ledger/` behind the frontier in which a batch begins that is not whole.
    tail: Option<u64>,
}

impl Seen {
    fn of(reader: Reader, superblock: &Superblock, mode: Mode, progress: &mut dyn FnMut(u64, u64)) -> Seen {
        let mut seen = Seen {
            labels: Vec::new(),
            ledger: None,
            assets: None,
            frontier: Frontier::EMPTY,
            last_header_block: None,
            tail: None,
        };
        let mut walk = Walk::with(reader, superblock, mode);
        while walk.step(&mut seen) {
            let (done, expected) = walk.progress();
            progress(done, expected);
        }
        let summary = walk.summary();
        (seen.frontier, seen.tail, seen.last_header_block) =
            (summary.frontier, summary.tail, walk.last_header_block());
        seen
    }

    fn is_wrong(&self, block: u64) -> bool {
        self.labels.iter().any(|finding| finding.block == block)
    }

    /// What is wrong beyond superblock and hints.
    fn complaint(&self) -> Option<String> {
        let (finding, count) = match (self.ledger, self.assets) {
            (Some((first, ledger)), assets) => (first, ledger + assets.map_or(0, |(_, assets)| assets)),
            (None, assets) => assets?,
        };
        let what = if count == 1 { "1 finding".to_owned() } else { format!("{count} findings, the first") };
        Some(format!(
            "{what} in what was committed ({}): that cannot be made anew, and stays as it is; `totebox disk verify` \
             says more",
            place(&finding)
        ))
    }
}

impl Visitor for Seen {
    fn finding(&mut self, finding: &Finding) {
        let count = |slot: &mut Option<(Finding, u64)>| slot.get_or_insert((*finding, 0)).1 += 1;
        match finding.area {
            // A block is written once, whatever is wrong with it.
            Area::Volume if !self.is_wrong(finding.block) => self.labels.push(*finding),
            Area::Volume => {}
            Area::Assets => count(&mut self.assets),
            Area::Ledger | Area::Input => count(&mut self.ledger),
        }
    }
}

fn place(finding: &Finding) -> String {
    let Finding { kind, area, block, .. } = finding;
    let kind = if *kind == FindingKind::Unreadable { "unreadable" } else { kind.name() };
    format!("{kind} at {} block {block}", area.name())
}

/// Reads a volume in which some blocks have other bytes.
fn overlaid(reader: &Reader, blocks: BTreeMap<u64, Vec<u8>>) -> Reader {
    let reader = reader.clone();
    Arc::new(move |first, out| {
        let count = (out.len() / BLOCK_SIZE) as u64;
        if blocks.range(first..first.saturating_add(count)).next().is_none() {
            return reader(first, out);
        }
        out.chunks_exact_mut(BLOCK_SIZE).zip(first..).all(|(out, at)| match blocks.get(&at) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                true
            }
            None => reader(at, out),
        })
    })
}

/// What the vault would find at its start, without its writing anything; an error if it would not serve it.
fn recover(reader: &Reader, superblock: &Superblock, layout: &Layout) -> Result<Found, ()> {
    let mut recovery = Box::new(Recovery::new());
    loop {
        let (first, blocks) = recovery.wants(layout);
        let mut bytes = vec![0; blocks * BLOCK_SIZE];
        if !reader(first, &mut bytes) {
            return Err(());
        }
        match recovery.take(&mut bytes, superblock, layout, false) {
            LookedAt::Read | LookedAt::WriteBack => {}
            LookedAt::Found => return Ok(*recovery.found()),
            LookedAt::Unusable(_) => return Err(()),
        }
    }
}
