//! Volumes on disks that others made: copied alone, without a partition table, with one that is larger than usual or
//! was edited, and in files that are no plain images. And what only looks like a volume.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use common::disk::{Disk, json, totebox};
use common::{deployment, with_archives};
use ledger_fmt::hash::Domain;
use ledger_fmt::layout::{BLOCK_SIZE, Superblock};
use ledger_fmt::testing::{TestVolume, padded_name};
use serde_json::Value;
use tempfile::TempDir;
use totebox_disk::Image;
use zerocopy::IntoBytes;

const MIB: usize = 1 << 20;

impl Disk {
    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    /// Puts a file in its place.
    fn replace(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).unwrap();
    }

    /// Both copies of the partition table are gone.
    fn lose_table(&self) {
        self.poke(0, &[0; 34 * 512]);
        self.poke(self.size() - 33 * 512, &[0; 33 * 512]);
    }

    /// A table with sectors and entries of these sizes in the place of both copies, changed by `edit`: of each entry,
    /// by number.
    fn write_table(&self, sector: usize, entry: usize, edit: impl Fn(usize, &mut [u8])) {
        let usual = self.bytes();
        self.lose_table();
        let mut entries = vec![0; 128 * entry];
        for (i, old) in usual[1024..1024 + 128 * 128].chunks_exact(128).enumerate() {
            let new = &mut entries[i * entry..][..128];
            new.copy_from_slice(old);
            for at in [32, 40] {
                let lba = u64::from_le_bytes(old[at..at + 8].try_into().unwrap());
                let end = u64::from(at == 40 && lba > 0);
                let lba = (lba + end) * 512 / sector as u64 - end;
                new[at..at + 8].copy_from_slice(&lba.to_le_bytes());
            }
            edit(i, new);
        }
        let last = usual.len() / sector - 1;
        let backup = last - entries.len().div_ceil(sector);
        for (own, other, place) in [(1, last, 2), (last, 1, backup)] {
            let mut header = usual[512..512 + 92].to_vec();
            header[24..32].copy_from_slice(&(own as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(other as u64).to_le_bytes());
            header[72..80].copy_from_slice(&(place as u64).to_le_bytes());
            header[84..88].copy_from_slice(&(entry as u32).to_le_bytes());
            header[88..92].copy_from_slice(&crc32fast::hash(&entries).to_le_bytes());
            header[16..20].fill(0);
            let check = crc32fast::hash(&header);
            header[16..20].copy_from_slice(&check.to_le_bytes());
            self.poke((place * sector) as u64, &entries);
            self.poke((own * sector) as u64, &header);
        }
    }

    /// The report of a verification, which must exit with `code`.
    fn report(&self, code: i32) -> Value {
        let (ended, out, err) = self.run(&["verify", "disk.img", "--json"]);
        assert_eq!(ended, code, "{out}{err}");
        json(&out)
    }
}

/// Names and places of the volumes of a report, and how they were found.
fn places(report: &Value) -> Vec<(&str, u64, &str)> {
    let volumes = report["volumes"].as_array().unwrap().iter();
    let text = |value: &'_ Value| value.as_str().unwrap().to_owned();
    volumes
        .map(|volume| {
            let found_by: &'static str = match text(&volume["found_by"]).as_str() {
                "search" => "search",
                "partition-table" => "table",
                _ => "deployment",
            };
            (volume["name"].as_str().unwrap(), volume["offset"].as_u64().unwrap(), found_by)
        })
        .collect()
}

fn texts(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["text"].as_str().unwrap()).collect()
}

#[test]
fn a_volume_copied_alone_is_read() {
    let disk = Disk::new();
    disk.replace(&disk.volumes[0].bytes);
    let (code, out, err) = disk.run(&["verify", "disk.img"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("a0: clean; records 8, documents 6"), "{out}");
    assert_eq!(err, "disk.img: no disk, but the volume a0 alone: there is no GPT header\n");
    let (code, out, _) = disk.run(&["ls", "disk.img"]);
    assert!(code == 0 && out.lines().nth(1).is_some_and(|line| line.starts_with("a0 ")), "{out}");
    let (code, _, _) = disk.run(&["extract", "disk.img", "out"]);
    assert!(code == 0 && disk.directory.path().join("out/a0/ledger/records.jsonl").exists());
    // Archives sign nothing in these tests, and that is the complaint.
    for command in [&["checkpoint", "disk.img", "a0"][..], &["tiles", "disk.img", "a0", "-o", "log"]] {
        let (code, _, err) = disk.run(command);
        assert!(code == 2 && err.contains("a0 has no signed checkpoint yet"), "{err}");
    }
    // With its deployment it is the same volume, and the others are missed.
    let (code, out, _) = disk.run(&["verify", "disk.img", "--deployment", "."]);
    assert!(code == 1 && out.contains("\na0: clean; records 8"), "{out}");
    assert!(out.contains("the deployment's volume a0 begins at byte 0, and must at 2097152"), "{out}");
    assert!(out.contains("the deployment's volume a1 is not there"), "{out}");
}

#[test]
fn a_deployment_that_was_changed_since_is_no_rollback() {
    let disk = Disk::new();
    let text = with_archives(2).replacen("size = \"1 MiB\"", "size = \"2 MiB\"", 1);
    std::fs::write(disk.directory.path().join("totebox.toml"), &text).unwrap();
    let (code, out, _) = disk.run(&["verify", "disk.img", "--deployment", "."]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        (code, &lines[..3]),
        (
            1,
            &[
                "disk: partition-table: the deployment's volume a0 has its partition in another place or size: 1 MiB at byte \
                 2097152, and must have 2 MiB at byte 2097152",
                "disk: partition-table: the deployment's volume a1 has its partition in another place or size: 1 MiB at byte \
                 3145728, and must have 1 MiB at byte 4194304",
                "a0: superblock: volume block 0, the disk has this volume with 1 MiB, and the \
                 deployment with 2 MiB: totebox.toml was changed, or is another disk's",
            ][..]
        ),
        "{out}"
    );
    // What was committed is judged all the same, and where it is.
    assert!(lines[3].starts_with("a0: 1 finding; records 8, documents 6"), "{out}");
    assert!(lines[4].starts_with("a1: clean; records 1") && lines[5].starts_with("audit: clean"), "{out}");
    assert_eq!(lines.len(), 6, "{out}");
    let said = disk.run(&["repair", "disk.img", "--deployment", "."]);
    assert!(
        said.1.contains("a0: not repaired: the superblock is sound, but the disk has this volume with 1 MiB"),
        "{said:?}"
    );
    // Without a partition table the superblocks say it, as far as they are where the deployment looks.
    disk.lose_table();
    let (_, out, _) = disk.run(&["verify", "disk.img", "--deployment", "."]);
    assert!(out.contains("a0: superblock: volume block 0, the disk has this volume with 1 MiB"), "{out}");
    // A superblock that the ledger does not bear out is the one that is wrong.
    let disk = Disk::new();
    let forged = deployment(&text).volumes[0].superblock();
    disk.poke(disk.deployment.volumes[0].offset(), forged.as_bytes());
    let (_, out, _) = disk.run(&["verify", "disk.img", "--deployment", "."]);
    assert!(out.contains("a0: superblock: volume block 0, the superblock is not the one"), "{out}");
}

#[test]
fn a_copy_that_was_cut_short_or_goes_on_is_read_as_far_as_it_goes() {
    let disk = Disk::new();
    let volume = &disk.volumes[0].bytes;
    let cut = disk.volumes[0].range(ledger_fmt::layout::Area::Ledger, 4, 1).start;
    disk.replace(&volume[..cut]);
    let report = disk.report(1);
    assert_eq!(places(&report), [("a0", 0, "search")]);
    assert_eq!(texts(&report)[1], format!("the volume a0 at byte 0 ends at byte 1048576, the disk at byte {cut}"));
    disk.replace(&[volume.as_slice(), &[0xa5; 777]].concat());
    assert_eq!(
        texts(&disk.report(1)),
        ["there is no GPT header; volumes were searched for, and found: a0 at byte 0"]
    );
}

#[test]
fn without_a_partition_table_volumes_are_searched_for_wherever_the_disk_begins() {
    let disk = Disk::new();
    disk.lose_table();
    let report = disk.report(1);
    let expected =
        [("audit", MIB as u64, "search"), ("a0", 2 * MIB as u64, "search"), ("a1", 3 * MIB as u64, "search")];
    assert_eq!(places(&report), expected);
    let text = "there is no GPT header; volumes were searched for, and found: audit at byte 1048576, a0 at byte \
                2097152, a1 at byte 3145728";
    assert_eq!(texts(&report), [text]);
    // In a partition of another disk that begins at an odd sector.
    let lost = disk.bytes();
    for shift in [63 * 512, 5 * MIB, 4096, 512] {
        disk.replace(&[vec![0x5a; shift], lost.clone()].concat());
        let report = disk.report(1);
        assert_eq!(places(&report), expected.map(|(name, at, by)| (name, at + shift as u64, by)));
        assert_eq!(texts(&report).len(), 1);
    }
    // With the deployment nothing needs to be searched for.
    disk.replace(&lost);
    let (code, out, _) = disk.run(&["verify", "disk.img", "--deployment", ".", "--json"]);
    assert_eq!((code, places(&json(&out))[0]), (1, ("a0", 2 * MIB as u64, "deployment")));
}

#[test]
fn tables_with_large_sectors_and_entries_are_read() {
    let disk = Disk::new();
    let usual = disk.report(0);
    for (sector, entry) in [(512, 256), (4096, 128), (4096, 256), (4096, 4096)] {
        disk.write_table(sector, entry, |_, _| ());
        let report = disk.report(0);
        assert_eq!(places(&report), places(&usual), "{sector} {entry}");
        // Either copy will do.
        let file = File::options().write(true).open(disk.path()).unwrap();
        file.write_all_at(&[0; 8], sector as u64).unwrap();
        let report = disk.report(1);
        assert_eq!(places(&report), places(&usual), "{sector} {entry}");
        assert!(texts(&report)[0].starts_with("the copy at the start of the disk is damaged"));
        disk.replace(&{
            let fresh = Disk::new();
            fresh.bytes()
        });
    }
}

#[test]
fn a_partition_that_was_renamed_retyped_or_deleted_is_no_less_a_volume() {
    let disk = Disk::new();
    disk.write_table(512, 128, |i, entry| {
        if i == 1 {
            // "Linux filesystem".
            entry[..16].copy_from_slice(&uuid::uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4").to_bytes_le());
            entry[56..60].copy_from_slice(&[b'x', 0, 0, 0]);
        }
    });
    let report = disk.report(1);
    assert_eq!(places(&report).iter().map(|place| place.0).collect::<Vec<_>>(), ["audit", "a0", "a1"]);
    assert!(texts(&report)[0].starts_with("partition \"x\" has not the type of a Totebox volume"), "{report}");
    assert_eq!(texts(&report)[1], "it is called a0, its partition \"x\"");

    // One that is gone from the table is found when the disk is searched.
    disk.write_table(512, 128, |i, entry| {
        if i == 1 {
            entry.fill(0)
        }
    });
    assert_eq!(places(&disk.report(0)).len(), 2);
    let (code, out, _) = disk.run(&["verify", "disk.img", "--search"]);
    assert!(code == 1 && out.contains("the partition table was not used; volumes were searched for"), "{out}");
    assert!(out.contains("\na0: clean; records 8"), "{out}");
    // All of them are gone: nobody needs to ask.
    disk.write_table(512, 128, |_, entry| entry.fill(0));
    let report = disk.report(1);
    assert_eq!(places(&report).len(), 3);
    assert!(texts(&report)[0].starts_with("the partition table has no volume; volumes were searched for"));
}

#[test]
fn what_follows_the_end_of_a_disk_is_told_from_damage() {
    let disk = Disk::new();
    disk.replace(&[disk.bytes(), vec![7; 3000]].concat());
    let report = disk.report(1);
    assert_eq!(texts(&report), ["the disk goes on for 3000 bytes behind the copy at the table's end"]);
    assert_eq!(places(&report).len(), 3);
}

/// A whole volume as a document: everything in it is as it must be.
fn volume_as_document() -> Vec<u8> {
    let mut planted = TestVolume::new("planted");
    planted.document("forged", b"never committed by anybody");
    planted.commit();
    planted.hint(1);
    planted.bytes
}

#[test]
fn what_lies_inside_a_volume_is_no_volume() {
    let disk = Disk::new();
    // Room for a document that is a volume.
    let mut outer = TestVolume::blank("outer", 1024);
    outer.start();
    outer.document("header.bin", &volume_as_document());
    outer.document("superblocks", &outer.superblock.as_bytes().repeat(100));
    outer.commit();
    outer.hint(1);
    for (before, after) in [(0, 0), (512, 700)] {
        let other = disk.volumes[1].bytes.clone();
        disk.replace(&[vec![0; before], outer.bytes.clone(), vec![0; after], other].concat());
        let report = disk.report(1);
        assert_eq!(
            places(&report).iter().map(|place| place.0).collect::<Vec<_>>(),
            if after == 0 {
                vec!["outer", "a1"]
            } else {
                // Behind an odd number of bytes nothing is looked for.
                vec!["outer"]
            }
        );
        assert_eq!(texts(&report).len(), 1, "{report}");
    }
    // Without its first batch the outer one still has its hints.
    let mut damaged = outer.bytes.clone();
    damaged[outer.range(ledger_fmt::layout::Area::Ledger, 0, 1)].fill(0);
    disk.replace(&damaged);
    assert_eq!(places(&disk.report(1)), [("outer", 0, "search")]);
}

#[test]
fn what_an_earlier_layout_left_does_not_hide_what_is_there() {
    let disk = Disk::new();
    disk.lose_table();
    // An earlier, larger volume began where the first partition table is now.
    let stale = TestVolume::blank("stale", 2048);
    disk.poke(64 * 1024, stale.superblock.as_bytes());
    let report = disk.report(1);
    assert_eq!(places(&report).iter().map(|place| place.0).collect::<Vec<_>>(), ["audit", "a0", "a1"]);
    let text = "superblocks of volumes that would reach into these were skipped: stale at byte 65536";
    assert_eq!(texts(&report)[1], text);
    // A volume that was never started is borne out by nothing, and is there all the same.
    let fresh = TestVolume::blank("fresh", 256);
    disk.poke(10 * MIB as u64, fresh.superblock.as_bytes());
    assert_eq!(places(&disk.report(1)).last(), Some(&("fresh", 10 * MIB as u64, "search")));
}

#[test]
fn a_disk_full_of_superblocks_is_read_in_bounded_memory_and_a_volume_on_it_found() {
    let disk = Disk::new();
    let mut full = Vec::new();
    for number in 0_u64..4 * MIB as u64 / 512 {
        let mut superblock = TestVolume::blank("x", 256).superblock;
        superblock.blocks = (1 << 20 | number).into();
        let bytes = superblock.as_bytes();
        superblock.check = Domain::Superblock.hash(&bytes[..bytes.len() - 32]);
        full.extend_from_slice(superblock.as_bytes());
        full.resize(full.len().next_multiple_of(512), 0);
    }
    disk.replace(&[full.clone(), disk.volumes[0].bytes.clone(), full].concat());
    let image = Image::open(&disk.path(), None).unwrap();
    assert!(image.volumes.iter().any(|volume| volume.start == 4 * MIB as u64), "the one that is whole");
    assert!(image.volumes.len() < 64 && image.troubles.iter().all(|text| text.len() < 1000));

    // As many small ones as there is room for.
    let small = Superblock::new([1; 16], [2; 16], padded_name("small"), disk.volumes[0].layout.blocks);
    let mut file = vec![0; 40 * MIB];
    file.chunks_mut(MIB).for_each(|volume| volume[..size_of::<Superblock>()].copy_from_slice(small.as_bytes()));
    disk.replace(&file);
    let image = Image::open(&disk.path(), None).unwrap();
    assert_eq!(image.volumes.len(), 40);
    let mut names: Vec<&str> = image.volumes.iter().map(|volume| volume.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 40, "no name is another's");
}

#[test]
fn what_is_no_plain_image_is_named_with_the_way_out() {
    let directory = TempDir::new().unwrap();
    let padded = |start: &[u8]| [start, &[0; 8192]].concat();
    let vdi = [&b"<<< Oracle VM VirtualBox Disk Image >>>\n"[..], &[0; 24], b"\x7f\x10\xda\xbe"].concat();
    for (content, expected) in [
        (
            padded(b"QFI\xfb\0\0\0\x03"),
            "is a QEMU image of the format qcow2: make a plain image of it with `qemu-img",
        ),
        (padded(b"KDMV"), "a VMware image (VMDK): make a plain image of it with `qemu-img convert -O raw"),
        (padded(&vdi), "a VirtualBox image (VDI)"),
        (padded(b"conectix"), "a Virtual PC image (VHD)"),
        (padded(b"vhdxfile"), "a Hyper-V image (VHDX)"),
        (
            padded(b"\x1f\x8b\x08"),
            "compressed with gzip: make a plain image of it with `gzip -dc FILE > disk.img`",
        ),
        (padded(b"\xfd7zXZ\0"), "compressed with xz"),
        (padded(b"\x28\xb5\x2f\xfd"), "compressed with zstd"),
    ] {
        fs::write(directory.path().join("file"), content).unwrap();
        for arguments in [&["ls", "file"][..], &["verify", "file"], &["extract", "file", "out"]] {
            let (code, out, err) = totebox(directory.path(), arguments);
            assert!(code == 2 && out.is_empty() && err.contains(expected), "{err}");
        }
    }
}

#[test]
fn sectors_of_zeros_are_no_superblocks() {
    let directory = TempDir::new().unwrap();
    let file = File::create(directory.path().join("zeros")).unwrap();
    // Sparse: its holes are not read.
    file.set_len(1 << 40).unwrap();
    file.write_all_at(&[1; BLOCK_SIZE], 1 << 39).unwrap();
    let (code, _, err) = totebox(directory.path(), &["ls", "zeros"]);
    assert!(code == 2 && err.contains("there is no superblock of a volume anywhere on it"), "{err}");
}
