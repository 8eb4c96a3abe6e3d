//! Disk images read without an appliance: whole, damaged, foreign and hostile ones, through the library's
//! doors and through the command line.

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::disk::{Disk, documents, json, totebox};
use common::with_archives;
use ledger_fmt::hash;
use ledger_fmt::layout::{Area, BLOCK_SIZE, Superblock};
use ledger_fmt::testing::padded_name;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use tempfile::TempDir;
use zerocopy::IntoBytes;

#[test]
fn a_whole_disk_is_clean() {
    let disk = Disk::new();
    for arguments in [&["verify", "disk.img"][..], &["verify", "disk.img", "--deployment", "."]] {
        let (code, out, err) = disk.run(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let root = disk.volumes[0].tree.root().iter().map(|b| format!("{b:02x}")).collect::<String>();
        let line = format!("a0: clean; records 8, documents 6, content 24116 bytes, root {root}");
        assert!(out.lines().any(|l| l == line), "{out}");
        assert_eq!(out.lines().count(), 3);
    }
    let (code, out, _) = disk.run(&["verify", "disk.img", "--json"]);
    let report = json(&out);
    assert_eq!((code, &report["clean"], report["findings"].as_array().unwrap().len()), (0, &true.into(), 0));
    assert_eq!(report["volumes"].as_array().unwrap().len(), 3);
}

#[test]
fn a_flipped_bit_is_named_with_volume_kind_area_block_and_record() {
    let disk = Disk::new();
    let place = |area, block, byte| disk.offset(0, area, block, byte);
    let cases = [
        (place(Area::Volume, 0, 50), "a0: superblock: volume block 0, "),
        (place(Area::Volume, 0, 4000), "a0: superblock: volume block 0, "),
        (place(Area::Volume, 2, 70), "a0: hint: volume block 2, "),
        (place(Area::Ledger, 3, 100), "a0: batch: ledger block 3, "),
        (place(Area::Ledger, 3, 256 + 60), "a0: record: ledger block 3, record 3, "),
        (place(Area::Ledger, 3, 256 + 128), "a0: record: ledger block 3, record 3, "),
        (place(Area::Ledger, 3, 4095), "a0: record: ledger block 3, "),
        (place(Area::Assets, 2, 5), "a0: asset: assets block 1, record 3, "),
        (place(Area::Assets, 3, 4000), "a0: asset: assets block 3, record 3, "),
    ];
    for (offset, line) in cases {
        disk.flip(offset);
        for arguments in [&["verify", "disk.img"][..], &["verify", "disk.img", "--deployment", "."]] {
            let (code, out, _) = disk.run(arguments);
            assert_eq!(code, 1, "{out}");
            assert!(out.starts_with(line), "{line:?} expected: {out}");
            assert!(out.contains("\na0: 1 finding; records 8"), "{out}");
            assert!(out.contains("\na1: clean; records 1"), "{out}");
        }
        let (code, out, _) = disk.run(&["verify", "disk.img", "--json"]);
        let report = json(&out);
        assert_eq!((code, &report["clean"]), (1, &false.into()));
        assert_eq!(report["findings"].as_array().unwrap().len(), 1);
        assert!(line.contains(report["findings"][0]["kind"].as_str().unwrap()));
        disk.flip(offset);
    }
}

#[test]
fn a_damaged_partition_table_is_named_and_the_other_copy_used() {
    let disk = Disk::new();
    // Header and entries, at the start and at the end.
    let (entries, end) = (1024, disk.size());
    for (offset, copy) in
        [(512 + 20, "start"), (entries + 40, "start"), (end - 512 + 20, "end"), (end - 33 * 512 + 40, "end")]
    {
        disk.flip(offset);
        let (code, out, _) = disk.run(&["verify", "disk.img"]);
        assert_eq!(code, 1, "{out}");
        assert!(out.starts_with(&format!("disk: partition-table: the copy at the {copy} of the disk is damaged")));
        assert!(out.contains("\na0: clean; records 8"), "{out}");
        let (code, out, err) = disk.run(&["ls", "disk.img"]);
        assert!(code == 1 && out.contains("a0") && err.starts_with("disk: partition-table"), "{out}{err}");
        disk.flip(offset);
    }
    disk.poke(512, &[0; 512]);
    disk.poke(end - 512, &[0; 512]);
    let (code, out, _) = disk.run(&["verify", "disk.img"]);
    assert!(code == 1 && out.starts_with("disk: partition-table: there is no GPT header; volumes were"), "{out}");
    let (code, out, _) = disk.run(&["verify", "disk.img", "--deployment", "."]);
    assert!(code == 1 && out.contains("\na0: clean; records 8"), "{out}");
}

#[test]
fn a_hostile_partition_table_is_refused() {
    let disk = Disk::new();
    for end in [false, true] {
        let header = if end { disk.size() - 512 } else { 512 };
        for (field, value) in [(80, u32::MAX), (84, 0), (84, 256)] {
            let file = File::open(disk.path()).unwrap();
            let mut sector = [0; 512];
            file.read_exact_at(&mut sector, header).unwrap();
            let genuine = sector;
            sector[field..field + 4].copy_from_slice(&u32::to_le_bytes(value));
            sector[16..20].fill(0);
            let crc = crc32fast::hash(&sector[..92]);
            sector[16..20].copy_from_slice(&crc.to_le_bytes());
            disk.poke(header, &sector);
            let (code, out, _) = disk.run(&["verify", "disk.img"]);
            assert!(code == 1 && out.starts_with("disk: partition-table: the copy at the"), "{out}");
            disk.poke(header, &genuine);
        }
    }
}

#[test]
fn what_is_no_disk_is_refused_with_a_way_out() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("empty"), b"").unwrap();
    fs::write(directory.path().join("text"), "no disk\n".repeat(1000)).unwrap();
    for (name, expected) in
        [("missing", "cannot read missing: No such file"), ("empty", "--deployment DIR"), ("text", "--deployment")]
    {
        for command in ["ls", "verify"] {
            let (code, out, err) = totebox(directory.path(), &[command, name]);
            assert!(code == 2 && out.is_empty() && err.contains(expected), "{err}");
        }
    }
    let (code, _, err) = totebox(directory.path(), &["extract", "text", "out"]);
    assert!(code == 2 && err.contains("text has no usable partition table"), "{err}");
    assert!(!directory.path().join("out").exists());
}

#[test]
fn a_disk_that_ends_too_early_is_read_as_far_as_it_goes() {
    let disk = Disk::new();
    let cut = disk.offset(0, Area::Ledger, 4, 0);
    File::options().write(true).open(disk.path()).unwrap().set_len(cut).unwrap();
    let (code, out, _) = disk.run(&["verify", "disk.img"]);
    assert_eq!(code, 1);
    assert!(out.contains("the copy at the end of the disk is damaged"), "{out}");
    // What lacks in one piece is told of once, and counted block by block.
    let missing = out.lines().filter(|line| line.starts_with("a0: unreadable: ledger block")).collect::<Vec<_>>();
    assert!(missing.len() == 1 && missing[0].starts_with("a0: unreadable: ledger blocks 4 to "), "{out}");
    assert!(missing[0].ends_with(", cannot be read"), "{out}");
    let report = json(&disk.run(&["verify", "disk.img", "--json"]).1);
    let unreadable = |row: &&Value| row["volume"] == "a0" && row["kind"] == "unreadable";
    let counted = report["findings"].as_array().unwrap().iter().filter(unreadable).count();
    assert!(
        counted > 1 && out.lines().any(|line| line.starts_with("a0: ") && line.contains(" findings; ")),
        "{out}"
    );
    let (code, out, _) = disk.run(&["verify", "disk.img", "--deployment", "."]);
    assert!(code == 1 && out.contains("a0: unreadable: ledger blocks 4 to "), "{out}");
}

#[test]
fn a_disk_of_another_deployment_is_told_from_its_own() {
    let disk = Disk::new();
    let other = with_archives(2).replace("00112233445566778899aabbccddeeff", "ff112233445566778899aabbccddeeff");
    fs::write(disk.directory.path().join("other.toml"), other).unwrap();
    let (code, out, _) = disk.run(&["verify", "disk.img", "--deployment", "other.toml"]);
    assert_eq!(code, 1);
    assert!(out.contains("disk: partition-table: the deployment's volume a0 has no partition"), "{out}");
    assert!(out.contains("is not the deployment's"), "{out}");
    assert!(out.contains("a0: superblock: volume block 0, the superblock is not the one"), "{out}");
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(json).collect()
}

#[test]
fn extraction_gives_every_document_back() {
    let disk = Disk::new();
    let (code, out, err) = disk.run(&["extract", "disk.img", "out", "--names"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let volume = disk.directory.path().join("out/a0");
    let records = lines(&volume.join("ledger/records.jsonl"));
    assert_eq!(records.len(), 8);
    assert_eq!(records[0]["says"]["name"], "a0");
    assert_eq!(records[0]["time"], "2026-01-01T00:00:00.000Z");
    assert_eq!(records[7]["says"]["size"], 7);
    for ((name, content), record) in documents().into_iter().zip(&records[1..]) {
        assert_eq!((record["kind"].as_str(), record["name"].as_str()), (Some("document"), Some(name)));
        assert_eq!(record["content"]["size"], content.len());
        let file = volume.join(record["content"]["file"].as_str().unwrap());
        assert_eq!(fs::read(file).unwrap(), content);
        assert_eq!(record["content"]["hash"], blake3::hash(&content).to_hex().as_str());
    }
    for pair in records.windows(2) {
        assert_eq!(pair[1]["previous"], pair[0]["hash"]);
    }
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(volume.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // Two documents have the same content.
    assert_eq!(names("assets").len(), 5);
    let expected = [
        "000001 short.txt",
        "000002 empty",
        "000003 Vertrag März 2026.pdf",
        "000004 the same again",
        "000005 .._.._.._etc_passwd",
        "000006 line_break_[31m",
    ];
    assert_eq!(names("documents"), expected.map(str::to_owned).into());
    assert_eq!(fs::read(volume.join("documents/000001 short.txt")).unwrap(), b"a short text\n");
    let input = fs::read(volume.join("app-console-input/blocks.bin")).unwrap();
    assert_eq!(input.len(), 61 * BLOCK_SIZE);
    let audit = lines(&disk.directory.path().join("out/audit/ledger/records.jsonl"));
    assert_eq!(audit[1]["says"]["archives"], 2);

    let before = fs::read(volume.join("ledger/records.jsonl")).unwrap();
    let (code, _, err) = disk.run(&["extract", "disk.img", "out"]);
    assert!(code == 2 && err.contains("out is not empty, and nothing is overwritten"), "{err}");
    assert_eq!(fs::read(volume.join("ledger/records.jsonl")).unwrap(), before);
}

#[test]
fn of_a_damaged_volume_what_is_whole_is_extracted() {
    let disk = Disk::new();
    disk.flip(disk.offset(0, Area::Ledger, 1, 256 + 130)); // the record of short.txt
    disk.flip(disk.offset(0, Area::Ledger, 2, 7)); // the batch header before empty
    disk.flip(disk.offset(0, Area::Assets, 1, 7)); // the content of record 3
    let (code, out, _) = disk.run(&["extract", "disk.img", "out"]);
    assert_eq!(code, 1);
    for line in [
        "a0: record: ledger block 1, record 1, ",
        "a0: batch: ledger block 2, ",
        "a0: asset: assets block 1, record 3, ",
        "a0: 3 findings; records 8",
    ] {
        assert!(out.contains(line), "{line:?} expected: {out}");
    }
    let volume = disk.directory.path().join("out/a0");
    let records = lines(&volume.join("ledger/records.jsonl"));
    let sequences: Vec<u64> = records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, [0, 2, 3, 4, 5, 6, 7]);
    assert_eq!(records[2]["content"]["file"], Value::Null);
    // The same content stands undamaged under record 4.
    let same = fs::read(volume.join(records[3]["content"]["file"].as_str().unwrap())).unwrap();
    assert_eq!(same, documents()[2].1);
    assert_eq!(fs::read_dir(volume.join("assets")).unwrap().count(), 4);
}

#[test]
fn a_lost_superblock_is_made_up_for_from_the_rest() {
    let disk = Disk::new();
    for len in [8, 96, 152, 4096] {
        disk.poke(disk.offset(0, Area::Volume, 0, 0), &vec![0xa5; len]);
        let out_directory = format!("out{len}");
        let (code, out, _) = disk.run(&["extract", "disk.img", &out_directory]);
        assert_eq!(code, 1);
        assert!(out.starts_with("a0: superblock: volume block 0, "), "{out}");
        assert!(out.contains("\na0: 1 finding; records 8, documents 6"), "{out}");
        let records = disk.directory.path().join(out_directory).join("a0/ledger/records.jsonl");
        assert_eq!(lines(&records).len(), 8);
        disk.write();
    }
    // Without its ledger nothing is left to tell what it was.
    disk.poke(disk.offset(1, Area::Volume, 0, 0), &vec![0; disk.volumes[1].bytes.len()]);
    let (code, out, _) = disk.run(&["verify", "disk.img"]);
    assert!(code == 1 && out.contains("a1: superblock: volume block 0, there is no Totebox superblock"), "{out}");
    assert!(out.contains("\na0: clean"), "{out}");
}

#[test]
fn a_name_from_the_disk_never_leaves_the_folder() {
    let disk = Disk::new();
    let genuine = disk.volumes[0].superblock;
    for name in ["../../evil", "/tmp/evil", "..", "a/b", "a1"] {
        let layout = genuine.layout().unwrap();
        let forged = Superblock::new(genuine.deployment, genuine.volume, padded_name(name), layout.blocks);
        disk.poke(disk.deployment.volumes[0].offset(), forged.as_bytes());
        let target = disk.directory.path().join("inner/out");
        let (code, _, _) = disk.run(&["extract", "disk.img", "inner/out", "--names"]);
        // The genesis record says another name.
        assert_eq!(code, 1);
        let entries: BTreeSet<String> = fs::read_dir(&target)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(entries.len(), 3);
        assert!(entries.contains("audit"));
        assert_eq!(fs::read_dir(disk.directory.path().join("inner")).unwrap().count(), 1);
        fs::remove_dir_all(&target).unwrap();
    }
}

#[test]
fn a_superblock_in_anothers_partition_is_found() {
    let disk = Disk::new();
    disk.poke(disk.deployment.volumes[0].offset(), &disk.volumes[1].bytes);
    let (code, out, _) = disk.run(&["verify", "disk.img"]);
    assert_eq!(code, 1);
    assert!(out.contains("superblock: volume block 0, it is of volume"), "{out}");

    disk.write();
    let mut renamed = disk.volumes[0].superblock;
    renamed = Superblock::new(renamed.deployment, renamed.volume, padded_name("b0"), renamed.blocks.get());
    disk.poke(disk.deployment.volumes[0].offset(), renamed.as_bytes());
    let (code, out, _) = disk.run(&["verify", "disk.img"]);
    assert_eq!(code, 1);
    assert!(out.contains("b0: superblock: volume block 0, it is called b0, its partition \"a0\""), "{out}");
}

#[test]
fn listings_show_volumes_and_records() {
    let disk = Disk::new();
    let (code, out, err) = disk.run(&["ls", "disk.img"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.lines().any(|line| line.split_whitespace().take(5).eq(["a0", "1.00", "MiB", "8", "6"])), "{out}");
    let (code, out, _) = disk.run(&["ls", "disk.img", "a0"]);
    assert_eq!((code, out.lines().count()), (0, 9));
    assert!(
        out.contains("2026-01-01T00:00:03.003Z  document               10000  Vertrag März 2026.pdf"),
        "{out}"
    );
    assert!(!out.contains('\u{1b}') && out.contains(r"line\x0abreak\x1b[31m"), "{out}");
    let (_, out, _) = disk.run(&["ls", "disk.img", "a0", "--json"]);
    let rows = json(&out);
    assert_eq!(rows[6]["name"], "line\nbreak\u{1b}[31m");
    assert_eq!(rows[1]["hash"], blake3::hash(b"a short text\n").to_hex().as_str());
    let (_, out, _) = disk.run(&["ls", "disk.img", "--json"]);
    assert_eq!(json(&out).as_array().unwrap().len(), 3);
    let (code, _, err) = disk.run(&["ls", "disk.img", "nope"]);
    assert!(code == 2 && err.contains("has no volume \"nope\"; it has: audit, a0, a1"), "{err}");
}

#[test]
fn a_commit_that_was_never_acknowledged_is_no_damage() {
    let mut disk = Disk::new();
    disk.volumes[0].document("late", b"content");
    disk.volumes[0].commit();
    disk.write();
    assert!(disk.run(&["verify", "disk.img"]).1.contains("a0: clean; records 9"));
    let block = disk.volumes[0].frontier.ledger_next - 1;
    disk.flip(disk.offset(0, Area::Ledger, block, 300));
    let (code, out, _) = disk.run(&["verify", "disk.img"]);
    assert_eq!(code, 0, "{out}");
    let line = format!("behind them, at ledger block {block}, a commit that was never acknowledged");
    assert!(out.contains(&line), "{out}");
}

#[test]
fn reading_changes_nothing() {
    let disk = Disk::new();
    let before = hash::content_blake3(&fs::read(disk.path()).unwrap());
    let mut permissions = fs::metadata(disk.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(disk.path(), permissions).unwrap();
    for arguments in [&["ls", "disk.img"][..], &["verify", "disk.img"], &["extract", "disk.img", "out"]] {
        assert_eq!(disk.run(arguments).0, 0);
    }
    assert_eq!(hash::content_blake3(&fs::read(disk.path()).unwrap()), before);
}

#[test]
fn what_is_no_disk_is_refused_at_once() {
    let disk = Disk::new();
    let fifo = disk.directory.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    for command in ["ls", "verify"] {
        for (file, what) in
            [(".", "it is a folder; name a file"), ("fifo", "it is neither a file nor a block device; name one")]
        {
            let (code, out, err) = disk.run(&[command, file]);
            let expected = format!("totebox: cannot read {file}: {what}\n");
            assert_eq!((code, out.as_str(), err), (2, "", expected));
        }
    }
}
