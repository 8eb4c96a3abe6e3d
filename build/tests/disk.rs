//! Disks: what a fresh one holds, what another volume leaves alone, and what is refused.

#![allow(clippy::disallowed_methods, reason = "the paths are the test's own")]
#![allow(clippy::disallowed_macros, reason = "a test program's own output")]

mod common;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use common::with_archives;
use ledger_fmt::layout::{BLOCK_SIZE, Superblock};
use tempfile::TempDir;
use totebox_deployment::disk::Existing;
use totebox_deployment::{DEPLOYMENT_FILE, Deployment, SYSTEM_FILE, partitions, provision};
use totebox_lock::LockedDisk;
use totebox_manifest::Manifest;

const MIB: u64 = 1 << 20;

/// A deployment of two archives in a directory of its own, with its disk.
struct Harness {
    directory: TempDir,
    disk: PathBuf,
}

impl Harness {
    fn new() -> Harness {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(DEPLOYMENT_FILE), with_archives(2)).unwrap();
        let disk = directory.path().join("disk.img");
        let harness = Harness { directory, disk };
        harness.deployment().create_disk(&harness.disk).unwrap();
        fs::write(harness.path(SYSTEM_FILE), harness.deployment().system_xml()).unwrap();
        harness
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn deployment(&self) -> Deployment {
        Deployment::load(self.directory.path()).unwrap()
    }

    /// Fills the volumes there are with bytes of no meaning, behind their superblocks.
    fn fill_volumes(&self) {
        let disk = fs::OpenOptions::new().write(true).open(&self.disk).unwrap();
        for volume in &self.deployment().volumes {
            let noise = vec![0xa5; (volume.size() - BLOCK_SIZE as u64) as usize];
            disk.write_all_at(&noise, volume.offset() + BLOCK_SIZE as u64).unwrap();
        }
    }

    fn provision(&self, name: &str, size: &str) -> Result<(), String> {
        let provisioned = provision(self.directory.path(), name, Some(size), Some(&self.disk));
        provisioned.map(drop).map_err(|error| format!("{error:#}"))
    }

    /// Everything there is.
    fn state(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries =
            |directory: &Path| directory.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
        let directory = self.directory.path();
        let mut files: Vec<PathBuf> = entries(directory).chain(entries(&directory.join("keys"))).collect();
        files.retain(|path| path.is_file());
        files.sort();
        files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
    }

    /// Provisioning "minutes" must fail with this, and change nothing.
    fn refuses(&self, size: &str, expected: &str) {
        let before = self.state();
        assert_eq!(self.provision("minutes", size), Err(expected.replace("DISK", &self.disk.to_string_lossy())));
        assert!(self.state() == before, "something changed though it was refused");
    }
}

fn bytes(disk: &Path, offset: u64, len: u64) -> Vec<u8> {
    let mut file = File::open(disk).unwrap();
    let mut bytes = vec![0; len as usize];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_fresh_disk_holds_partitions_superblocks_and_nothing_else() {
    let harness = Harness::new();
    let deployment = harness.deployment();
    let metadata = fs::metadata(&harness.disk).unwrap();
    assert_eq!(metadata.len(), 64 * MIB);
    assert!(metadata.blocks() * 512 < MIB, "the image is sparse");

    let found = partitions::read(&mut File::open(&harness.disk).unwrap()).unwrap();
    assert_eq!(found, partitions::expected(&deployment));
    let places: Vec<_> = found.iter().map(|p| (p.name.as_str(), p.first_block, p.blocks)).collect();
    assert_eq!(places, [("audit", 256, 256), ("a0", 512, 256), ("a1", 768, 256)]);
    assert!(found.iter().all(|p| p.kind == partitions::PARTITION_TYPE && p.id.get_version_num() == 8));

    // What the vault's manifest says must be there is there.
    let manifests = deployment.manifests();
    let vault = &manifests.iter().find(|(pd, _)| pd == "vault").unwrap().1;
    let numbers: Vec<_> = Manifest::parse(vault).unwrap().volumes().iter().map(|v| v.first_block.get()).collect();
    assert_eq!(numbers, [512, 768, 256]);
    for volume in Manifest::parse(vault).unwrap().volumes() {
        let offset = volume.first_block.get() * BLOCK_SIZE as u64;
        let block = bytes(&harness.disk, offset, BLOCK_SIZE as u64);
        let (superblock, _) = Superblock::decode(&block).unwrap();
        assert_eq!(superblock.matches(&volume.superblock), Ok(()));
        let used = size_of::<Superblock>() as u64;
        let rest = bytes(&harness.disk, offset + used, volume.layout().unwrap().blocks * BLOCK_SIZE as u64 - used);
        assert!(rest.iter().all(|&byte| byte == 0));
    }
}

#[test]
fn the_same_deployment_gives_the_same_disk() {
    let harness = Harness::new();
    let again = harness.path("again.img");
    harness.deployment().create_disk(&again).unwrap();
    assert!(fs::read(&harness.disk).unwrap() == fs::read(again).unwrap());
}

#[test]
fn an_existing_file_is_not_overwritten_without_being_told_to() {
    let harness = Harness::new();
    fs::write(&harness.disk, "precious").unwrap();
    let error = harness.deployment().create_disk(&harness.disk).unwrap_err();
    let expected = format!(
        "{} exists already and holds data of a kind unknown here; --force gives up everything on it",
        harness.disk.display()
    );
    assert_eq!(format!("{error:#}"), expected);
    assert_eq!(fs::read(&harness.disk).unwrap(), b"precious");
    let held = harness.deployment().create_disk_over(&harness.disk, Existing::Replace, &mut |_| ()).unwrap();
    assert_eq!(held.as_deref(), Some("data of a kind unknown here"));
    assert_eq!(fs::metadata(&harness.disk).unwrap().len(), 64 * MIB);
}

#[test]
fn a_disk_in_use_is_not_given_up_either() {
    let harness = Harness::new();
    harness.fill_volumes();
    let before = harness.state();
    let in_use = LockedDisk::open(&harness.disk).unwrap();
    let create = || harness.deployment().create_disk_over(&harness.disk, Existing::Replace, &mut |_| ());
    let error = format!("{:#}", create().unwrap_err());
    let expected = format!("cannot make the disk {}: it is in use by disk-", harness.disk.display());
    assert!(error.starts_with(&expected), "{error}");
    assert!(harness.state() == before);
    drop(in_use);
    // It is overwritten, not replaced, and nothing is left of it.
    let inode = fs::metadata(&harness.disk).unwrap().ino();
    let held = create().unwrap().unwrap();
    let id = "00112233445566778899aabbccddeeff";
    assert_eq!(held, format!("volumes of the deployment {id}: \"audit\", \"a0\", \"a1\""));
    assert_eq!(fs::metadata(&harness.disk).unwrap().ino(), inode);
    let fresh = harness.path("fresh.img");
    harness.deployment().create_disk(&fresh).unwrap();
    assert!(fs::read(&harness.disk).unwrap() == fs::read(fresh).unwrap());
}

#[test]
fn what_is_given_up_is_named() {
    let harness = Harness::new();
    let held = |offset: usize, bytes: &[u8]| {
        let mut content = vec![0; 0x2_0000];
        content[offset..offset + bytes.len()].copy_from_slice(bytes);
        fs::write(&harness.disk, content).unwrap();
        harness.deployment().create_disk_over(&harness.disk, Existing::Replace, &mut |_| ()).unwrap().unwrap()
    };
    assert_eq!(held(1080, b"\x53\xef"), "an ext file system");
    assert_eq!(held(0, b"LUKS\xba\xbe"), "an encrypted LUKS volume");
    assert_eq!(held(510, b"\x55\xaa"), "a boot sector, which has the partitions of an MBR or a file system");
    assert_eq!(held(5, b"x"), "data of a kind unknown here");
    assert_eq!(held(0, b""), "nothing but zeros");
    fs::write(&harness.disk, "").unwrap();
    let again = harness.deployment().create_disk(&harness.disk).unwrap_err().to_string();
    assert!(again.contains("exists already and holds nothing: it is empty; --force"), "{again}");
}

#[test]
fn a_disk_that_cannot_be_made_leaves_nothing_behind() {
    let harness = Harness::new();
    let before = harness.state();
    let error = harness.deployment().create_disk(&harness.path("no/such/place.img")).unwrap_err();
    assert!(format!("{error:#}").starts_with("cannot write "), "{error:#}");
    let error = harness
        .deployment()
        .create_disk_over(harness.directory.path(), Existing::Replace, &mut |_| ())
        .unwrap_err();
    assert!(format!("{error:#}").ends_with(" is not a file"), "{error:#}");
    assert!(harness.state() == before);
}

#[test]
fn a_new_volume_leaves_every_other_byte_alone() {
    let harness = Harness::new();
    harness.fill_volumes();
    let old = harness.deployment();
    let before = fs::read(&harness.disk).unwrap();
    harness.provision("minutes", "2 MiB").unwrap();

    let new = harness.deployment();
    let after = fs::read(&harness.disk).unwrap();
    let tables = |at: usize| at < MIB as usize || at >= (63 * MIB) as usize;
    let volume = &new.volumes[2];
    let superblock = volume.offset() as usize..volume.offset() as usize + size_of::<Superblock>();
    let changed: Vec<usize> = (0..after.len()).filter(|&at| before[at] != after[at]).collect();
    assert!(changed.iter().all(|&at| tables(at) || superblock.contains(&at)), "bytes of others changed");
    assert!(changed.iter().any(|&at| superblock.contains(&at)));

    assert_eq!(new.archives.len(), 3);
    assert_eq!((&old.volumes[..2], old.volumes.last()), (&new.volumes[..2], new.volumes.last()));
    assert_eq!((volume.name.as_str(), volume.first_block, volume.layout.blocks), ("minutes", 1024, 512));
    assert_eq!(partitions::read(&mut File::open(&harness.disk).unwrap()).unwrap(), partitions::expected(&new));
    assert_eq!(fs::read_to_string(harness.path(SYSTEM_FILE)).unwrap(), new.system_xml());
    let text = fs::read_to_string(harness.path(DEPLOYMENT_FILE)).unwrap();
    let added = "\n[[archive]]\nname = \"minutes\"\nsize = \"2 MiB\"\non_mismatch = \"suspend\"\n";
    assert_eq!(text, with_archives(2) + added, "comments and all else stay");
}

#[test]
fn an_image_grows_when_the_deployment_says_so() {
    let harness = Harness::new();
    harness.fill_volumes();
    let before = fs::read(&harness.disk).unwrap();
    let larger = with_archives(2).replace("size = \"64 MiB\"", "size = \"128 MiB\"");
    fs::write(harness.path(DEPLOYMENT_FILE), larger).unwrap();
    // The old place of the second partition table lies inside the new volume.
    harness.provision("minutes", "80 MiB").unwrap();
    let after = fs::read(&harness.disk).unwrap();
    assert_eq!(after.len() as u64, 128 * MIB);
    let volumes = MIB as usize..(4 * MIB) as usize;
    assert!(before[volumes.clone()] == after[volumes.clone()]);
    let volume = &harness.deployment().volumes[2];
    let start = volume.offset() as usize + size_of::<Superblock>();
    let end = (volume.offset() + volume.size()) as usize;
    assert!(after[start..end].iter().all(|&byte| byte == 0), "nothing of the old table is left in the volume");
    assert_eq!(partitions::read(&mut File::open(&harness.disk).unwrap()).unwrap().len(), 4);
}

#[test]
fn a_provisioning_that_was_cut_short_is_taken_up() {
    let harness = Harness::new();
    let before: Vec<_> = [DEPLOYMENT_FILE, SYSTEM_FILE].map(|name| fs::read(harness.path(name)).unwrap()).into();
    harness.provision("minutes", "2 MiB").unwrap();
    let done = harness.state();
    // The disk is done, the files are not.
    fs::write(harness.path(DEPLOYMENT_FILE), &before[0]).unwrap();
    fs::write(harness.path(SYSTEM_FILE), &before[1]).unwrap();
    let other = "the disk DISK: its partitions are not this deployment's; if an earlier `totebox provision` was cut \
                 short, repeat that one first";
    harness.refuses("3 MiB", other);
    harness.provision("minutes", "2 MiB").unwrap();
    assert!(harness.state() == done);
}

#[test]
fn an_archive_provisioned_without_the_disk_gets_its_volume_later() {
    let harness = Harness::new();
    provision(harness.directory.path(), "minutes", Some("2 MiB"), None).unwrap();
    let add = |size| provision(harness.directory.path(), "minutes", size, Some(&harness.disk));
    let error = add(Some("3 MiB")).unwrap_err().to_string();
    assert!(error.ends_with("totebox.toml already, with 2 MiB; leave --size out"), "{error}");
    add(None).unwrap();
    let found = partitions::read(&mut File::open(&harness.disk).unwrap()).unwrap();
    assert_eq!(found, partitions::expected(&harness.deployment()));
    let again = provision(harness.directory.path(), "minutes", None, None).unwrap_err();
    assert!(format!("{again:#}").contains("two archives are called \"minutes\""), "{again:#}");
}

#[test]
fn a_failure_half_way_puts_the_disk_back() {
    let harness = Harness::new();
    harness.fill_volumes();
    let larger = with_archives(2).replace("size = \"64 MiB\"", "size = \"128 MiB\"");
    fs::write(harness.path(DEPLOYMENT_FILE), larger).unwrap();
    let disk = fs::read(&harness.disk).unwrap();
    let old = harness.deployment();
    let text = fs::read_to_string(harness.path(DEPLOYMENT_FILE)).unwrap()
        + "\n[[archive]]\nname = \"minutes\"\nsize = \"80 MiB\"\non_mismatch = \"flag\"\n";
    let new = Deployment::parse(&harness.path(DEPLOYMENT_FILE), &text).unwrap();
    let undo = totebox_deployment::disk::add_volume(&harness.disk, &old, &new).unwrap();
    assert!(fs::read(&harness.disk).unwrap() != disk);
    undo.run().unwrap();
    assert!(fs::read(&harness.disk).unwrap() == disk, "the disk is as it was");
}

#[test]
fn a_disk_that_is_not_this_deployments_is_refused() {
    let harness = Harness::new();
    let write = |offset: u64, bytes: &[u8]| {
        fs::OpenOptions::new().write(true).open(&harness.disk).unwrap().write_all_at(bytes, offset).unwrap();
    };
    let create = |text: &str| {
        fs::remove_file(&harness.disk).unwrap();
        common::deployment(text).create_disk(&harness.disk).unwrap();
    };
    write(5 * MIB, b"x");
    harness.refuses(
        "2 MiB",
        "the disk DISK: there are data at byte 5242880, where the new volume would be, and they are not overwritten",
    );
    write(5 * MIB, &[0]);
    write(2 * MIB + 100, b"x");
    harness.refuses(
        "2 MiB",
        "the disk DISK: the volume \"a0\" on it is not this deployment's: its superblock is damaged",
    );
    create(&with_archives(2).replace("00112233", "99112233"));
    let partitions = "the disk DISK: its partitions are not this deployment's; if an earlier `totebox provision` was cut \
                      short, repeat that one first";
    harness.refuses("2 MiB", partitions);
    create(&with_archives(3));
    harness.refuses("2 MiB", partitions);
    create(&with_archives(2).replace("64 MiB", "65 MiB"));
    harness.refuses(
        "2 MiB",
        "the disk DISK: it has 65 MiB, and totebox.toml says 64 MiB; if it is the right one, write size = \"65 MiB\" there",
    );
    fs::write(&harness.disk, vec![0; 64 * MIB as usize]).unwrap();
    let before = harness.state();
    let error = harness.provision("minutes", "2 MiB").unwrap_err();
    assert!(error.contains(": no partition table that can be read"), "{error}");
    fs::remove_file(&harness.disk).unwrap();
    let error = harness.provision("minutes", "2 MiB").unwrap_err();
    assert!(error.contains("disk.img is not there: see that it is mounted, or leave --disk out"), "{error}");
    let files = |state: Vec<(PathBuf, Vec<u8>)>| {
        state.into_iter().filter(|(path, _)| *path != harness.disk).collect::<Vec<_>>()
    };
    assert!(files(harness.state()) == files(before));
}

#[test]
fn an_archive_that_does_not_fit_is_refused() {
    let harness = Harness::new();
    let file = harness.path(DEPLOYMENT_FILE);
    let expected = format!(
        "nothing was changed: with the archive \"minutes\" there would be a problem: {}:9:8: the disk has 64 MiB, and \
         the volumes and partition tables need 65 MiB: 1 MiB too little\n    write size = \"65 MiB\", or make the \
         volumes smaller by that much in all",
        file.display()
    );
    harness.refuses("60 MiB", &expected);
}

#[test]
fn a_disk_in_use_is_refused() {
    let harness = Harness::new();
    let before = harness.state();
    let in_use = LockedDisk::open(&harness.disk).unwrap();
    let error = harness.provision("minutes", "2 MiB").unwrap_err();
    let expected = format!("the disk {}: it is in use by disk-", harness.disk.display());
    assert!(error.starts_with(&expected), "{error}");
    assert!(harness.state() == before);
    drop(in_use);
    harness.provision("minutes", "2 MiB").unwrap();
}

#[test]
fn a_provisioning_that_cannot_replace_a_file_changes_nothing() {
    let harness = Harness::new();
    harness.deployment().make_keys().unwrap();
    // A folder in the place of a file: renaming a file over it fails, whoever does it.
    for name in [SYSTEM_FILE, DEPLOYMENT_FILE] {
        let (file, kept) = (harness.path(name), harness.path("kept"));
        let source = fs::read(harness.path(DEPLOYMENT_FILE)).unwrap();
        let before = harness.state();
        if name == SYSTEM_FILE {
            fs::rename(&file, &kept).unwrap();
            fs::create_dir(&file).unwrap();
            let error = harness.provision("minutes", "1 MiB").unwrap_err();
            assert!(error.starts_with("nothing was changed: cannot write "), "{error}");
            fs::remove_dir(&file).unwrap();
            fs::rename(&kept, &file).unwrap();
        } else {
            // It must be read, and not be written: its draft is refused by what stands in the way of its name.
            let locked = LockedDisk::open(&file).unwrap();
            let error = harness.provision("minutes", "1 MiB").unwrap_err();
            assert!(error.starts_with("nothing was changed: cannot write "), "{error}");
            drop(locked);
        }
        assert_eq!(fs::read(harness.path(DEPLOYMENT_FILE)).unwrap(), source);
        assert!(harness.state() == before, "something changed though {name} could not be replaced");
    }
    harness.provision("minutes", "1 MiB").unwrap();
}

#[test]
fn a_link_to_a_disk_that_is_not_there_is_told_of() {
    let harness = Harness::new();
    let link = harness.path("link.img");
    symlink(harness.path("nowhere.img"), &link).unwrap();
    let error = harness.deployment().create_disk(&link).unwrap_err().to_string();
    assert!(error.contains("is a symbolic link to ") && error.contains("which is not there"), "{error}");
}
