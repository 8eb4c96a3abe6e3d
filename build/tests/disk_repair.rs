//! What a disk has only once is made anew from the rest of it: which damage is repaired, what is written and what
//! never is, what is refused, and what hostile bytes on the disk come to.

mod common;

use std::fs;
use std::ops::Range;

use common::disk::{Disk, json, totebox};
use ledger_fmt::batch_header::Hint;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS, Superblock};
use ledger_fmt::testing::{TestVolume, padded_name};
use serde_json::Value;
use totebox_lock::LockedDisk;
use zerocopy::IntoBytes;

const DRY: &[&str] = &["repair", "disk.img"];
const DRY_DEPLOYED: &[&str] = &["repair", "disk.img", "--deployment", "."];
const WRITE: &[&str] = &["repair", "disk.img", "--write"];
const WRITE_DEPLOYED: &[&str] = &["repair", "disk.img", "--deployment", ".", "--write"];

impl Disk {
    /// A disk whose hints say of content what is said where nobody knows better: that it may have been written wherever
    /// there is room.
    fn unsure() -> Disk {
        let mut disk = Disk::new();
        for volume in &mut disk.volumes {
            volume.assets_written = volume.layout.assets_end(volume.frontier.ledger_next);
            (0..2).for_each(|slot| volume.hint(slot));
        }
        disk.write();
        disk
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    /// The byte a volume's block is at.
    fn block(&self, volume: usize, block: u64) -> u64 {
        self.offset(volume, Area::Volume, block, 0)
    }

    fn lose(&self, volume: usize, block: u64) {
        self.poke(self.block(volume, block), &[0xa5; BLOCK_SIZE]);
    }

    /// The bytes of the disk on which something was committed or noted.
    fn kept(&self) -> Vec<Range<usize>> {
        let volumes = self.deployment.volumes.iter();
        volumes.map(|v| v.offset() as usize + 3 * BLOCK_SIZE..(v.offset() + v.size()) as usize).collect()
    }

    /// Repairs the disk; it must come to exactly what it was, saved file and all, and again to nothing.
    fn is_repaired(&self, arguments: &[&str], whole: &[u8]) {
        let damaged = self.bytes();
        let looked: Vec<&str> = arguments.iter().copied().filter(|argument| *argument != "--write").collect();
        let (code, out, err) = self.run(&looked);
        assert_eq!(code, 1, "{out}{err}");
        assert!(out.ends_with("nothing was written: --write does it\n"), "{out}");
        assert!(self.bytes() == damaged, "looking changes nothing");
        let (code, out, err) = self.run(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("repaired and verified; what stood there is in disk.img.overwritten\n"), "{out}");
        let repaired = self.bytes();
        for range in self.kept() {
            assert!(repaired[range.clone()] == damaged[range], "committed bytes were touched");
        }
        assert!(repaired == whole, "it is not as it was: {out}");
        let saved = self.directory.path().join("disk.img.overwritten");
        let pieces = json(&fs::read_to_string(&saved).unwrap());
        for piece in pieces["overwritten"].as_array().unwrap() {
            let at = piece["offset"].as_u64().unwrap() as usize;
            let old: String = damaged[at..at + piece["length"].as_u64().unwrap() as usize]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(piece["hex"], old);
        }
        fs::remove_file(saved).unwrap();
        assert_eq!(self.run(arguments), (0, "nothing needs to be repaired\n".into(), String::new()));
        assert!(self.bytes() == whole);
        assert_eq!(self.run(&["verify", "disk.img"]).0, 0);
    }

    /// Nothing is written, for a reason.
    #[track_caller]
    fn is_refused(&self, arguments: &[&str], reason: &str) {
        let before = self.bytes();
        let (code, out, err) = self.run(arguments);
        assert!(code == 1 && out.contains(reason), "{reason:?} expected: {out}{err}");
        assert!(self.bytes() == before, "nothing may be written: {out}");
    }
}

#[test]
fn a_whole_disk_needs_no_repair() {
    let disk = Disk::new();
    let whole = disk.bytes();
    for arguments in [DRY, DRY_DEPLOYED, WRITE, WRITE_DEPLOYED] {
        assert_eq!(disk.run(arguments), (0, "nothing needs to be repaired\n".into(), String::new()));
    }
    assert!(disk.bytes() == whole);
    assert!(!disk.directory.path().join("disk.img.overwritten").exists());
}

#[test]
fn superblock_and_hints_are_made_anew() {
    let disk = Disk::unsure();
    let whole = disk.bytes();
    for (arguments, blocks) in [
        (WRITE, &[0][..]),
        (WRITE_DEPLOYED, &[1]),
        (WRITE, &[2]),
        (WRITE, &[1, 2]),
        (WRITE_DEPLOYED, &[0, 1]),
        (WRITE, &[0, 1, 2]),
        (WRITE_DEPLOYED, &[0, 1, 2]),
    ] {
        blocks.iter().for_each(|block| disk.lose(0, *block));
        disk.is_repaired(arguments, &whole);
    }
    // All of them, of all volumes; gone to zeros; one bit; what stands behind them in their blocks.
    (0..3).for_each(|volume| (0..3).for_each(|block| disk.lose(volume, block)));
    disk.is_repaired(WRITE, &whole);
    (0..3).for_each(|block| disk.poke(disk.block(0, block), &[0; BLOCK_SIZE]));
    disk.is_repaired(WRITE, &whole);
    for (block, byte) in [(0, 50), (0, 3000), (1, 40), (2, 100), (1, 4000)] {
        disk.flip(disk.block(0, block) + byte);
        disk.is_repaired(WRITE_DEPLOYED, &whole);
    }
}

#[test]
fn a_partition_table_is_made_anew() {
    let disk = Disk::unsure();
    let whole = disk.bytes();
    let end = disk.size();
    let start: &[(u64, usize)] = &[(0, 34 * 512)];
    let back: &[(u64, usize)] = &[(end - 33 * 512, 33 * 512)];
    let both = [start, back].concat();
    let cases =
        [start, back, &both, &[(512, 512)], &[(1024 + 40, 1)], &[(end - 512, 512)], &[(end - 33 * 512 + 40, 1)]];
    for lost in cases {
        for arguments in [WRITE, WRITE_DEPLOYED] {
            for (at, len) in lost {
                disk.poke(*at, &vec![0x5a; *len]);
            }
            disk.is_repaired(arguments, &whole);
        }
    }
    // With the deployment, all that is there only once may be lost together.
    for (at, len) in both {
        disk.poke(at, &vec![0; len]);
    }
    (0..3).for_each(|volume| (0..3).for_each(|block| disk.lose(volume, block)));
    disk.is_repaired(WRITE_DEPLOYED, &whole);
}

#[test]
fn a_table_is_not_made_up_where_volumes_do_not_say_it() {
    let disk = Disk::new();
    let lose_table = || {
        disk.poke(0, &[0; 34 * 512]);
        disk.poke(disk.size() - 33 * 512, &[0; 33 * 512]);
    };
    // One volume's superblock is lost, too: it would be missing from the table, and then for good.
    lose_table();
    disk.lose(0, 0);
    disk.is_refused(
        WRITE,
        "disk: not repaired: the partition table is lost (there is no GPT header), and byte 2097152",
    );
    // A volume alone has no table.
    fs::write(disk.path(), &disk.volumes[0].bytes).unwrap();
    assert_eq!(disk.run(WRITE).1, "nothing needs to be repaired\n");
    // In a part of a larger disk it is not this program's.
    let shifted = [vec![0; 5 << 20], disk.volumes[0].bytes.clone(), disk.volumes[1].bytes.clone()].concat();
    fs::write(disk.path(), shifted).unwrap();
    disk.is_refused(WRITE, "disk: not repaired: the partition table is lost");
    disk.is_refused(WRITE_DEPLOYED, "the volumes are not where the deployment has them");
}

#[test]
fn of_a_damaged_ledger_nothing_is_said_anew() {
    let disk = Disk::unsure();
    for (block, byte) in [(3, 100), (3, 256 + 60), (0, 10), (1, 256 + 130)] {
        for lost in [&[0][..], &[1, 2], &[0, 1, 2]] {
            disk.flip(disk.offset(0, Area::Ledger, block, byte));
            lost.iter().for_each(|block| disk.lose(0, *block));
            disk.is_refused(WRITE_DEPLOYED, "a0: not repaired: its first blocks are damaged");
            disk.write();
        }
    }
    // A ledger that is gone has no frontier, and one that ends before a hint was rolled back.
    disk.poke(disk.offset(0, Area::Ledger, 0, 0), &vec![0; 16 * BLOCK_SIZE]);
    disk.lose(0, 1);
    disk.is_refused(WRITE_DEPLOYED, "and so is its ledger (rollback at ledger block 0");
    disk.lose(0, 2);
    disk.is_refused(WRITE_DEPLOYED, "both hints are lost, and there is no batch");
    disk.lose(0, 0);
    disk.is_refused(WRITE_DEPLOYED, "neither a batch nor a hint bears out that this is the volume a0");
    disk.write();
    disk.poke(disk.offset(0, Area::Ledger, 7, 0), &[0; BLOCK_SIZE]);
    disk.lose(0, 0);
    disk.is_refused(WRITE_DEPLOYED, "and so is its ledger (rollback at ledger block 7");

    // With first blocks as they must be, damage is only named.
    disk.write();
    disk.flip(disk.offset(0, Area::Ledger, 3, 100));
    disk.is_refused(WRITE, "a0: not repaired: 1 finding in what was committed (batch at ledger block 3)");

    // A damaged document does not keep the others from service.
    disk.write();
    let whole = disk.bytes();
    let flipped = disk.offset(0, Area::Assets, 1, 7);
    disk.flip(flipped);
    (0..3).for_each(|block| disk.lose(0, block));
    let (code, out, _) = disk.run(WRITE_DEPLOYED);
    assert!(code == 1 && out.contains("a0: not repaired: 1 finding in what was committed (asset"), "{out}");
    disk.flip(flipped);
    assert!(disk.bytes() == whole);
}

#[test]
fn what_may_have_been_acknowledged_is_not_given_up() {
    let mut disk = Disk::new();
    // Behind the hints: three batches, of which the second is not whole.
    for number in 0..3 {
        disk.volumes[0].document(&format!("late {number}"), &[number; 100]);
        disk.volumes[0].commit();
    }
    disk.write();
    let torn = disk.offset(0, Area::Ledger, 9, 300);
    let whole = disk.bytes();
    disk.flip(torn);
    // Both hints are there and bind: what is behind them is the next start's matter, as ever.
    disk.lose(0, 0);
    let (code, out, _) = disk.run(WRITE_DEPLOYED);
    assert_eq!(code, 0, "{out}");
    fs::remove_file(disk.directory.path().join("disk.img.overwritten")).unwrap();
    // One is lost: perhaps it named what is behind the damage.
    disk.lose(0, 2);
    disk.is_refused(
        WRITE_DEPLOYED,
        "a hint is lost, batch 9 at ledger block 9 is not whole, and batch 10 stands behind it at ledger block 10",
    );
    disk.lose(0, 1);
    disk.is_refused(WRITE_DEPLOYED, "and so is its ledger");
    // Whole ones behind the hint are taken, as the vault takes them.
    disk.flip(torn);
    let (code, out, _) = disk.run(WRITE_DEPLOYED);
    assert!(code == 0 && out.contains("made anew for the frontier behind 11 batches, ledger block 11,"), "{out}");
    let repaired = disk.bytes();
    let all = disk.volumes[0].layout.assets_end(11);
    let hint = Hint::new(disk.volumes[0].superblock.volume, &disk.volumes[0].frontier, 10, all);
    for block in HINT_BLOCKS {
        let at = disk.block(0, block) as usize;
        assert_eq!(repaired[at..][..size_of::<Hint>()], *hint.as_bytes());
    }
    assert!(whole.len() == repaired.len());
    // The last one not whole, and nothing behind it: a commit that was never acknowledged, and nothing.
    fs::remove_file(disk.directory.path().join("disk.img.overwritten")).unwrap();
    disk.write();
    disk.flip(disk.offset(0, Area::Ledger, 10, 300));
    (0..3).for_each(|block| disk.lose(0, block));
    let (code, out, _) = disk.run(WRITE_DEPLOYED);
    assert!(code == 0 && out.contains("made anew for the frontier behind 10 batches, ledger block 10,"), "{out}");
    assert!(out.contains("a batch at ledger block 10 is not whole and not counted"), "{out}");
}

#[test]
fn where_blocks_cannot_be_read_nobody_says_that_there_is_nothing() {
    let disk = Disk::new();
    let cut = disk.offset(1, Area::Ledger, 20, 0);
    fs::File::options().write(true).open(disk.path()).unwrap().set_len(cut).unwrap();
    disk.lose(1, 1);
    disk.is_refused(WRITE_DEPLOYED, "a1: not repaired: the vault would not take the ledger for whole");
    // Nothing is wrong with the others, and of the table there is no room for a second copy.
    disk.is_refused(WRITE_DEPLOYED, "disk: not repaired: the partition table at the end is damaged");
}

#[test]
fn a_valid_hint_binds_whatever_else_it_says() {
    let mut disk = Disk::new();
    // One of a history the ledger has not.
    let mut other = disk.volumes[0].clone();
    other.document("another", b"text");
    other.commit();
    other.hint(0);
    let at = disk.volumes[0].range(Area::Volume, 1, 1);
    disk.poke(disk.block(0, 1), &other.bytes[at]);
    disk.lose(0, 2);
    disk.is_refused(WRITE_DEPLOYED, "and so is its ledger (rollback at ledger block 8");
    // An older one is kept, and the lost one names where the ledger is.
    disk.write();
    let mut older = TestVolume::of(disk.volumes[0].superblock);
    older.start();
    older.hint(0);
    disk.poke(disk.block(0, 1), &older.bytes[older.range(Area::Volume, 1, 1)]);
    disk.lose(0, 2);
    let (code, out, _) = disk.run(WRITE);
    assert!(code == 0 && out.contains("hint B, written at byte") && !out.contains("hint A"), "{out}");
    disk.volumes[0].hint(1);
    assert_eq!(disk.run(&["verify", "disk.img"]).0, 0);
    // One that is valid and names a frontier in the middle of a batch that is there.
    fs::remove_file(disk.directory.path().join("disk.img.overwritten")).unwrap();
    let mut frontier = disk.volumes[0].frontier;
    frontier.last_header = [7; 32];
    let written = frontier.assets_next;
    let forged = Hint::new(disk.volumes[0].superblock.volume, &frontier, frontier.ledger_next - 1, written);
    disk.poke(disk.block(0, 1), forged.as_bytes());
    disk.is_refused(WRITE_DEPLOYED, "hint A is valid, but the ledger does not have the frontier it names");
}

#[test]
fn a_document_that_looks_like_a_first_batch_makes_no_superblock() {
    let mut disk = Disk::new();
    // A ledger of this very volume, as an archive's document.
    let id = disk.volumes[0].superblock;
    let mut planted =
        TestVolume::of(Superblock::new(id.deployment, id.volume, padded_name("planted"), id.blocks.get()));
    planted.start();
    planted.document("forged", b"");
    planted.commit();
    let content = planted.bytes_of(Area::Ledger, 0, 2);
    disk.volumes[0].document("header.bin", &content);
    disk.volumes[0].commit();
    disk.volumes[0].hint(0);
    disk.volumes[0].hint(1);
    disk.write();
    let whole = disk.bytes();
    assert_eq!(disk.run(&["verify", "disk.img"]).0, 0);
    // A ledger begins where the volume's size says, and nowhere else.
    disk.lose(0, 0);
    disk.is_repaired(WRITE, &whole);
    disk.lose(0, 0);
    disk.is_repaired(WRITE_DEPLOYED, &whole);
    // Also if the genuine first batch is lost with it.
    disk.poke(disk.offset(0, Area::Ledger, 0, 0), &[0; BLOCK_SIZE]);
    (0..3).for_each(|block| disk.lose(0, block));
    let before = disk.bytes();
    for arguments in [WRITE, WRITE_DEPLOYED] {
        let (code, out, _) = disk.run(arguments);
        assert!(code == 1 && disk.bytes() == before, "{out}");
    }
}

#[test]
fn a_disk_of_another_deployment_is_not_made_this_ones() {
    let disk = Disk::new();
    let other =
        common::with_archives(2).replace("00112233445566778899aabbccddeeff", "ff112233445566778899aabbccddeeff");
    fs::write(disk.directory.path().join("other.toml"), other).unwrap();
    let arguments = ["repair", "disk.img", "--deployment", "other.toml", "--write"];
    disk.is_refused(&arguments, "a0: not repaired");
    disk.poke(0, &[0; 34 * 512]);
    disk.poke(disk.size() - 33 * 512, &[0; 33 * 512]);
    disk.is_refused(&arguments, "disk: not repaired: the partition table is lost");
    // Nor is one of something else.
    fs::write(disk.path(), vec![0x5a; disk.size() as usize]).unwrap();
    disk.is_refused(WRITE_DEPLOYED, "no volume bears out that this is the deployment's disk");
    // A superblock that contradicts its partition is settled by the deployment alone.
    let disk = Disk::new();
    let whole = disk.bytes();
    let genuine = disk.volumes[0].superblock;
    let renamed =
        Superblock::new(genuine.deployment, genuine.volume, padded_name("b0"), disk.volumes[0].layout.blocks);
    disk.poke(disk.block(0, 0), renamed.as_bytes());
    disk.is_refused(WRITE, "b0: not repaired: the superblock is sound, but it is called b0, its partition \"a0\"");
    disk.is_repaired(WRITE_DEPLOYED, &whole);
}

#[test]
fn a_repair_cut_short_at_any_write_is_repeated() {
    let disk = Disk::unsure();
    let whole = disk.bytes();
    (0..3).for_each(|volume| (0..3).for_each(|block| disk.lose(volume, block)));
    disk.poke(0, &[0; 34 * 512]);
    disk.poke(disk.size() - 33 * 512, &[0; 33 * 512]);
    let damaged = disk.bytes();
    let (_, out, _) = disk.run(&["repair", "disk.img", "--deployment", ".", "--json"]);
    let plan = json(&out);
    let pieces = plan["repairs"].as_array().unwrap().iter();
    let writes: Vec<&Value> = pieces.flat_map(|piece| piece["writes"].as_array().unwrap()).collect();
    assert_eq!(writes.len(), 9 + 2 + 3);
    assert_eq!(plan["written"], false);
    for done in 0..=writes.len() {
        // The write after that is torn in the middle.
        let mut bytes = damaged.clone();
        for (number, write) in writes[..(done + 1).min(writes.len())].iter().enumerate() {
            let at = write["offset"].as_u64().unwrap() as usize;
            let length = write["length"].as_u64().unwrap() as usize;
            let length = if number < done { length } else { length / 2 / 512 * 512 };
            bytes[at..at + length].copy_from_slice(&whole[at..at + length]);
        }
        fs::write(disk.path(), &bytes).unwrap();
        let (code, out, err) = disk.run(WRITE_DEPLOYED);
        assert_eq!(code, 0, "{done}: {out}{err}");
        assert!(disk.bytes() == whole, "{done}");
        let _ = fs::remove_file(disk.directory.path().join("disk.img.overwritten"));
    }
}

#[test]
fn what_is_overwritten_is_kept_and_never_overwritten_itself() {
    let disk = Disk::new();
    let saved = |name: &str| disk.directory.path().join(name);
    disk.lose(0, 1);
    fs::write(saved("disk.img.overwritten"), "of an earlier repair").unwrap();
    assert_eq!(disk.run(WRITE).0, 0);
    assert_eq!(fs::read(saved("disk.img.overwritten")).unwrap(), b"of an earlier repair");
    assert!(saved("disk.img.overwritten-2").exists());
    disk.lose(0, 1);
    let before = disk.bytes();
    let (code, _, err) = disk.run(&["repair", "disk.img", "--write", "--save", "disk.img.overwritten"]);
    assert!(code == 2 && err.contains("exists already, and nothing is overwritten"), "{err}");
    let (code, _, err) = disk.run(&["repair", "disk.img", "--write", "--save", "nowhere/at/all"]);
    assert!(code == 2 && err.contains("nowhere/at/all"), "{err}");
    assert!(disk.bytes() == before);
    let (code, out, _) = disk.run(&["repair", "disk.img", "--write", "--save", "evidence", "--json"]);
    let report = json(&out);
    assert_eq!((code, &report["written"], &report["saved"]), (0, &true.into(), &"evidence".into()));
    assert_eq!(report["repairs"][0]["what"], "hint A");
    assert_eq!(report["repairs"][0]["volume"], "a0");
}

#[test]
fn a_disk_in_use_is_left_alone() {
    let disk = Disk::new();
    disk.lose(0, 1);
    let before = disk.bytes();
    let lock = LockedDisk::open(&disk.path()).unwrap();
    for arguments in [WRITE, WRITE_DEPLOYED, DRY] {
        let (code, _, err) = disk.run(arguments);
        assert!(code == 2 && err.contains("in use by"), "{err}");
    }
    drop(lock);
    assert!(disk.bytes() == before);
    assert_eq!(disk.run(WRITE).0, 0);
    let (code, _, err) = totebox(disk.directory.path(), &["repair", "missing.img", "--write"]);
    assert!(code == 2 && err.contains("missing.img is not there"), "{err}");
}
