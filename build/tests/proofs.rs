//! Checkpoints, proofs and tiles from a disk: through the command line, held against disks that were rolled back
//! or rewritten, and against another implementation of the same specifications (`signed_note`, `tlog_tiles`).

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

use common::{deployment, with_archives};
use ledger_fmt::auditor_state::{COPIES, COPY_BLOCKS};
use ledger_fmt::cbor;
use ledger_fmt::layout::Area;
use ledger_fmt::note::Seed;
use ledger_fmt::record::Kind;
use ledger_fmt::testing::TestVolume;
use signed_note::{Note, StandardVerifier, VerifierList};
use tempfile::TempDir;
use tlog_tiles::{
    Checkpoint, Error, Hash, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record, prove_tree,
    record_hash, tree_hash,
};
use totebox_deployment::Deployment;
use totebox_disk::proof::{Inclusion, PROOF_MAX, Proof};

/// A deployment of two archives with keys, its disk, and the volumes on it.
struct Site {
    directory: TempDir,
    deployment: Deployment,
    volumes: Vec<TestVolume>,
}

/// The audit volume's number.
const AUDIT: usize = 2;

const CONTENT: &[u8] = b"a contract";

impl Site {
    /// `a0` has eight records, the last two being checkpoints of five and seven; `a1` only its genesis record.
    fn new() -> Site {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("totebox.toml"), with_archives(2)).unwrap();
        let deployment = Deployment::load(directory.path()).unwrap();
        assert_eq!(deployment.make_keys().unwrap(), ["a0", "a1", "audit"]);
        let volume = |volume: &totebox_deployment::volume::Volume| {
            let mut volume = TestVolume::of(volume.superblock());
            volume.start();
            volume
        };
        let volumes = deployment.volumes.iter().map(volume).collect();
        let mut site = Site { directory, deployment, volumes };
        site.publish(0, 1);
        site.deployment.create_disk(&site.directory.path().join("disk.img")).unwrap();
        for i in 0..4 {
            site.volumes[0].document(&format!("document {i}"), &[CONTENT, &[i]].concat());
        }
        site.sign(0);
        site.volumes[0].document("document 4", CONTENT);
        site.sign(0);
        site.write();
        site
    }

    fn seed(&self, volume: usize) -> Seed {
        *self.deployment.keys().unwrap()[volume].seed()
    }

    /// Commits, and signs a checkpoint.
    fn sign(&mut self, volume: usize) {
        self.volumes[volume].commit();
        let seed = self.seed(volume);
        self.volumes[volume].signed_checkpoint(&seed);
        self.volumes[volume].commit();
    }

    /// Enters a start into the audit record, and publishes a checkpoint of it in a copy of the auditor's state.
    fn publish(&mut self, copy: usize, generation: u64) {
        let (seed, audit) = (self.seed(AUDIT), &mut self.volumes[AUDIT]);
        audit.write(Kind::Boot, |out| {
            cbor::write(out, |map| {
                map.uint("archives", generation);
                map.bytes("deployment", &[0; 16]);
            })
        });
        audit.commit();
        audit.publish(copy, generation, &seed);
    }

    /// Brings the volumes to the disk.
    fn write(&mut self) {
        let disk = File::options().write(true).open(self.directory.path().join("disk.img")).unwrap();
        for (volume, place) in self.volumes.iter_mut().zip(&self.deployment.volumes) {
            volume.hint(0);
            volume.hint(1);
            disk.write_all_at(&volume.bytes, place.offset()).unwrap();
        }
    }

    fn run(&self, line: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
        command.current_dir(self.directory.path()).args(line.split(' '));
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Runs a command that must end well, and returns what it printed.
    #[track_caller]
    fn fine(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!((code, err.as_str()), (0, ""), "{line}: {out}");
        out
    }

    #[track_caller]
    fn fails(&self, line: &str, code: i32, says: &str) {
        let (ended, out, err) = self.run(line);
        assert!(ended == code && format!("{out}{err}").contains(says), "{line}: {ended}\n{out}{err}");
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    /// Believed by `signed_note` with the archive's key.
    fn open(&self, note: &str) -> Checkpoint {
        self.open_with(note, "keys/a0.vkey")
    }

    fn open_with(&self, note: &str, key: &str) -> Checkpoint {
        let note = Note::from_bytes(note.as_bytes()).unwrap();
        let key = StandardVerifier::new(self.read(key).trim_end()).unwrap();
        assert_eq!(note.verify(&VerifierList::new(vec![Box::new(key)])).unwrap().0.len(), 1);
        Checkpoint::from_bytes(note.text()).unwrap()
    }
}

#[test]
fn a_pinned_checkpoint_is_extended_by_a_later_disk_and_not_by_an_older_one() {
    let mut site = Site::new();
    let older = site.volumes.clone();
    site.fine("disk checkpoint disk.img a0 -o seven.checkpoint");
    site.volumes[0].document("document 5", b"later");
    site.sign(0);
    site.write();
    site.fine("disk checkpoint disk.img a0 -o nine.checkpoint");
    let out = site.fine(
        "disk verify disk.img --checkpoint seven.checkpoint --checkpoint nine.checkpoint --key keys/a0.vkey",
    );
    assert!(out.contains("a0: clean; records 10") && out.contains(", good signatures 3\n"), "{out}");

    // The disk as it was before.
    let later = std::mem::replace(&mut site.volumes, older.clone());
    site.write();
    site.fine("disk verify disk.img --checkpoint seven.checkpoint");
    site.fails("disk verify disk.img", 0, "a0: clean");
    let finding = "a0: rollback: ledger block 5, the volume ends after 8 records, the pinned checkpoint is over 9";
    site.fails("disk verify disk.img --checkpoint nine.checkpoint", 1, finding);
    site.fails("disk verify disk.img --checkpoint nine.checkpoint --json", 1, "\"kind\": \"rollback\"");

    // The older disk has grown again, to another history of the same length, signed with the archive's key.
    site.volumes[0].document("forged", b"forged");
    site.sign(0);
    site.write();
    site.fails("disk verify disk.img --key keys/a0.vkey", 0, "good signatures 3");
    let finding = "a0: tree: ledger block 5, its first 9 records are not those under the pinned checkpoint";
    site.fails("disk verify disk.img --checkpoint nine.checkpoint", 1, finding);
    site.fails("disk prove disk.img a0 --record 2 --to nine.checkpoint", 2, "are not those under the checkpoint");

    // The next record says the hash of a damaged one; with two in a row the tree is not known.
    site.volumes = later;
    let ledger = ledger_fmt::layout::Area::Ledger;
    let records = site.volumes[0].audit().records;
    for &(_, block, offset) in &records[1..3] {
        let at = site.volumes[0].range(ledger, block, 1).start + offset;
        site.volumes[0].bytes[at] ^= 1;
    }
    site.write();
    let finding = "records are missing, so the pinned checkpoint over 9 cannot be checked";
    site.fails("disk verify disk.img --checkpoint nine.checkpoint", 1, finding);
}

#[test]
fn a_disk_without_the_archive_of_a_pinned_checkpoint_is_refused() {
    let site = Site::new();
    let other = Site::new();
    let text = with_archives(1).replace("00112233445566778899aabbccddeeff", "ff112233445566778899aabbccddeeff");
    let elsewhere = deployment(&text);
    elsewhere.create_disk(&other.directory.path().join("elsewhere.img")).unwrap();
    other.file("pinned.checkpoint", site.fine("disk checkpoint disk.img a0"));
    let finding =
        "disk: rollback: no volume is totebox/00112233445566778899aabbccddeeff/a0, for which a checkpoint";
    other.fails("disk verify elsewhere.img --checkpoint pinned.checkpoint", 1, finding);
    other.fails("disk verify elsewhere.img --key keys/a0.vkey", 1, finding);
}

#[test]
fn every_archives_checkpoint_is_kept_at_once() {
    let mut site = Site::new();
    site.fails("disk checkpoint disk.img --all", 2, "--output <FILE>");
    let unsigned = "a1 has no signed checkpoint yet";
    let names = || {
        let entries = fs::read_dir(site.directory.path().join("kept")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    site.fails("disk checkpoint disk.img --all -o kept", 1, unsigned);
    assert_eq!(names(), ["a0.checkpoint", "audit.checkpoint"]);
    assert_eq!(site.read("kept/a0.checkpoint"), site.fine("disk checkpoint disk.img a0"));
    site.fails("disk checkpoint disk.img --all -o kept", 2, "kept/audit.checkpoint already exists; --force");
    site.fails("disk checkpoint disk.img --all -o kept --force", 1, unsigned);
    // The next visit brings the folder.
    site.fails("disk verify disk.img --checkpoint kept", 0, "a0: clean");
    site.file("kept/a0.vkey", "no checkpoint");
    site.file("kept/b.checkpoint", "no checkpoint either");
    site.fails("disk verify disk.img --checkpoint kept", 2, "kept/b.checkpoint is no checkpoint");
    site.fails("disk verify disk.img --checkpoint keys", 2, "there is no *.checkpoint in keys");
    assert_eq!(site.read("kept/audit.checkpoint"), site.fine("disk checkpoint disk.img audit"));
    site.sign(1);
    site.write();
    let told = site.fine("disk checkpoint disk.img --all -o all");
    let wrote =
        "wrote all/audit.checkpoint, over 2 records\nwrote all/a0.checkpoint, over 7 records\nwrote all/a1.";
    assert!(told.starts_with(wrote), "{told}");
}

#[test]
fn an_audit_record_that_is_empty_older_or_another_does_not_extend_its_kept_checkpoint() {
    let mut site = Site::new();
    let blank = TestVolume::of(site.volumes[AUDIT].superblock);
    let first = site.volumes[AUDIT].clone();
    site.publish(1, 2);
    let second = site.volumes[AUDIT].clone();
    site.write();
    let kept = site.fine("disk checkpoint disk.img audit");
    assert_eq!(site.open_with(&kept, "keys/audit.vkey").size(), 3, "signed_note believes it");
    site.file("kept", &kept);
    let verify = "disk verify disk.img --key keys/audit.vkey --checkpoint kept";
    site.fails(verify, 0, "good signatures 1");
    site.publish(0, 3);
    site.write();
    site.fails(verify, 0, "good signatures 1");
    site.fine("disk prove disk.img audit --record 1 -o proof");
    site.fails("check-proof proof --key keys/audit.vkey", 0, "record 1");

    let put = |site: &mut Site, volume: &TestVolume| {
        site.volumes[AUDIT] = volume.clone();
        site.write();
    };
    put(&mut site, &blank);
    site.fails("disk verify disk.img --key keys/audit.vkey", 0, "audit: clean");
    site.fails(
        verify,
        1,
        "audit: rollback: ledger block 0, the volume ends after 0 records, the pinned checkpoint",
    );
    put(&mut site, &first);
    site.fails("disk verify disk.img --key keys/audit.vkey", 0, "audit: clean");
    site.fails(
        verify,
        1,
        "audit: rollback: ledger block 2, the volume ends after 2 records, the pinned checkpoint",
    );
    let mut other = first.clone();
    other.transition("active", "suspended", "another history");
    other.commit();
    put(&mut site, &other);
    site.fails(verify, 1, "audit: tree: ledger block 2, its first 3 records are not those under the pinned");

    // The ledger alone was put back: what the auditor has signed since is still there.
    let mut ledger = first.clone();
    let state = first.range(Area::Input, COPIES[0], 2 * COPY_BLOCKS as u64);
    ledger.bytes[state.clone()].copy_from_slice(&second.bytes[state.clone()]);
    put(&mut site, &ledger);
    let finding =
        "audit: rollback: ledger block 2, the volume ends after 2 records, the auditor's own checkpoint is over 3";
    site.fails("disk verify disk.img --key keys/audit.vkey", 1, finding);
    site.fails("disk verify disk.img", 0, "audit: clean");

    // One copy that a power cut has spoilt is no finding; two signed with another key are.
    let mut torn = second.clone();
    torn.bytes[state.start + COPY_BLOCKS * 4096 + 200] ^= 1;
    put(&mut site, &torn);
    site.fails("disk verify disk.img --key keys/audit.vkey", 0, "good signatures 1");
    assert_eq!(site.fine("disk checkpoint disk.img audit").lines().nth(1), Some("2"), "the older one is sound");
    let mut forged = second.clone();
    (0..2).for_each(|copy| forged.publish(copy, 9, &[3; 32]));
    put(&mut site, &forged);
    let finding =
        "audit: signature: app-console-input block 11, what the auditor publishes is signed with another key";
    site.fails("disk verify disk.img --key keys/audit.vkey", 1, finding);
}

#[test]
fn signatures_are_checked_with_the_key_that_is_given() {
    let mut site = Site::new();
    site.fine("disk checkpoint disk.img a0 -o kept");
    // The key of another deployment's archive of this name, and another archive's.
    fs::rename(site.directory.path().join("keys/a0.key"), site.directory.path().join("old.key")).unwrap();
    fs::copy(site.directory.path().join("keys/a0.vkey"), site.directory.path().join("old.vkey")).unwrap();
    site.deployment.make_keys().unwrap();
    let finding =
        "a0: signature: ledger block 2, record 5, the checkpoint is signed with another key than was given";
    site.fails("disk verify disk.img --key keys/a0.vkey", 1, finding);
    site.fails("disk verify disk.img --key keys/a0.vkey --key old.vkey", 0, "good signatures 2");
    site.fails(
        "disk verify disk.img --checkpoint kept --key keys/a0.vkey",
        2,
        "kept is not to be believed: none of its",
    );
    site.fails(
        "disk verify disk.img --checkpoint kept --key keys/a1.vkey",
        2,
        "kept is not to be believed: none of its",
    );

    let kept = site.read("kept");
    let fresh = |other: &str| kept.replace("\n7\n", other);
    site.file("tampered", fresh("\n8\n"));
    site.fails("disk verify disk.img --checkpoint tampered --key old.vkey", 2, "its signature does not match");
    site.file("bad", format!("{kept}{}", "x".repeat(200_000)));
    site.fails("disk verify disk.img --checkpoint bad", 2, "cannot read bad: it has more than 128 KiB");
    for (bytes, says) in [
        (b"\xff\xfe".to_vec(), "it is not UTF-8"),
        (b"hello\n".to_vec(), "it has not the form of a signed note"),
        (fresh("\nseven\n").into_bytes(), "its text is not that of a checkpoint"),
    ] {
        site.file("bad", bytes);
        site.fails("disk verify disk.img --checkpoint bad", 2, &format!("bad is no checkpoint: {says}"));
    }
    site.file("bad.vkey", site.read("old.vkey").replace("+A", "+B"));
    site.fails("disk verify disk.img --key bad.vkey", 2, "bad.vkey:1: no public key: it is not an Ed25519 key");
    site.file("bad.vkey", "");
    site.fails("disk verify disk.img --key bad.vkey", 2, "bad.vkey has no key in it");

    // On the disk: unsigned, and altered where the chain cannot tell.
    site.volumes[0].checkpoint();
    site.volumes[0].commit();
    site.write();
    site.fails("disk verify disk.img", 0, "a0: clean");
    site.fails("disk verify disk.img --key old.vkey", 1, "record 8, the checkpoint is not signed");
}

#[test]
fn a_record_is_proved_without_the_disk() {
    let site = Site::new();
    site.fine("disk prove disk.img a0 --record 2 -o 2.tlog-proof");
    site.file("all.vkey", site.fine("keys"));
    site.file("content", [CONTENT, &[1]].concat());
    site.file("other", b"another contract");
    let check = "check-proof 2.tlog-proof --key all.vkey";
    let out = site.fine(&format!("{check} --content content"));
    let lines: Vec<&str> = out.lines().collect();
    let origin = "totebox/00112233445566778899aabbccddeeff/a0";
    assert_eq!(lines[0], format!("proved: record 2 of {origin}, document, 2026-01-01T00:00:02.002Z"));
    assert_eq!((lines[1], lines[3]), ("name: \"document 1\"", "content is its content"));
    site.fails(&format!("{check} --content other"), 1, "other is not its content");
    site.fails(
        "check-proof 2.tlog-proof --key keys/a1.vkey",
        1,
        "proves nothing: its checkpoint cannot be trusted",
    );
    site.fails(&format!("{check} --from 2.tlog-proof"), 2, "--from does not go with it");

    // Every record under the newest checkpoint; `tlog_tiles` believes the same hashes.
    for index in 0..7u64 {
        let text = site.fine(&format!("disk prove disk.img a0 --record {index}"));
        let Ok(Proof::Inclusion(Inclusion { record, hashes, checkpoint, .. })) = Proof::parse(text.as_bytes())
        else {
            panic!("{text}")
        };
        let stated = site.open(&checkpoint.to_string());
        assert_eq!((stated.size(), stated.origin()), (7, origin));
        let hashes = hashes.into_iter().map(Hash).collect();
        let (record, _) = ledger_fmt::record::Record::decode(&record).unwrap();
        check_record(&hashes, 7, *stated.hash(), index, record_hash(&record.hash)).unwrap();
    }
    site.fails(
        "disk prove disk.img a0 --record 7",
        2,
        "record 7 is not under the checkpoint, which is over the first 7",
    );
    for beyond in [8, 99, u64::MAX] {
        let says = format!("a0 has no record {beyond}: it has 8 records, numbered from 0 on");
        site.fails(&format!("disk prove disk.img a0 --record {beyond}"), 2, &says);
    }
    site.fails("disk prove disk.img a0 --record 18446744073709551616", 2, "there is no such large number here");
    site.fails("disk prove disk.img a0 --record=-1", 2, "expected a whole number");
    site.fails("disk prove disk.img a1 --record 0", 2, "a1 has no signed checkpoint yet");
    site.fails("disk prove disk.img nobody --record 0", 2, "it has: audit, a0, a1");
}

#[test]
fn an_altered_proof_proves_nothing() {
    let site = Site::new();
    let proof = site.fine("disk prove disk.img a0 --record 2");
    let keys = totebox_deployment::keys::read_verifiers(&site.directory.path().join("keys/a0.vkey")).unwrap();
    let holds = |bytes: &[u8]| match Proof::parse(bytes) {
        Ok(Proof::Inclusion(inclusion)) => inclusion.check(&keys).is_ok(),
        _ => false,
    };
    assert!(holds(proof.as_bytes()));
    for at in 0..proof.len() {
        let mut bytes = proof.clone().into_bytes();
        bytes[at] ^= 1;
        assert!(!holds(&bytes), "byte {at}");
        assert!(!holds(&proof.as_bytes()[..at]), "cut at {at}");
    }
    for (bytes, says) in [
        (b"\xff".to_vec(), "it is not UTF-8"),
        (b"c2sp.org/tlog-proof@v1\n".to_vec(), "it is not in the form of a proof"),
        (proof.replace("tlog-proof@v1", "tlog-proof@v2").into_bytes(), "it is not in the form of a proof"),
        (proof.replace("index 2", "index 02").into_bytes(), "it is not in the form of a proof"),
        (proof.replace("\n7\n", "\nx\n").into_bytes(), "the checkpoint in it is not valid"),
    ] {
        site.file("bad", bytes);
        site.fails("check-proof bad --key keys/a0.vkey", 2, &format!("bad is no proof: {}", ""));
        site.fails("check-proof bad --key keys/a0.vkey", 2, says);
    }
    site.file("bad", vec![b'a'; PROOF_MAX + 1]);
    site.fails(
        "check-proof bad --key keys/a0.vkey",
        2,
        &format!("cannot read bad: it has more than {PROOF_MAX} bytes"),
    );
    site.file("moved", proof.replace("index 2", "index 3"));
    site.fails("check-proof moved --key keys/a0.vkey", 1, "the record in it is damaged, or not the one");
}

#[test]
fn growth_is_proved_between_two_checkpoints() {
    let mut site = Site::new();
    site.fine("disk checkpoint disk.img a0 -o seven");
    let root = *site.open(&site.read("seven")).hash();
    site.volumes[0].document("document 5", b"later");
    site.sign(0);
    site.write();
    site.fine("disk checkpoint disk.img a0 -o nine");
    site.fine("disk prove disk.img a0 --from seven -o growth");
    assert_eq!(site.fine("disk prove disk.img a0 --from seven --to nine"), site.read("growth"));
    let out = site.fine("check-proof growth --key keys/a0.vkey --from seven");
    let origin = "totebox/00112233445566778899aabbccddeeff/a0";
    assert_eq!(out, format!("proved: the first 7 records of {origin} are as they were; now it has 9\n"));
    let Ok(Proof::Consistency(growth)) = Proof::parse(site.read("growth").as_bytes()) else { panic!() };
    let new = site.open(&growth.checkpoint.to_string());
    check_tree(&growth.hashes.iter().copied().map(Hash).collect(), 9, *new.hash(), 7, root).unwrap();

    site.fails("disk prove disk.img a0 --from nine --to seven", 2, "over 9 records, the later one over 7");
    site.fails("check-proof growth --key keys/a0.vkey", 2, "give the earlier one with --from");
    site.fails("check-proof growth --key keys/a0.vkey --from nine", 1, "of another archive or another size");
    site.fails("check-proof growth --key keys/a1.vkey --from seven", 1, "none of its signatures");
    // A forged beginning.
    let mut forged = Site::new();
    forged.deployment = deployment(&with_archives(2));
    forged.file("seven", site.read("seven"));
    forged.volumes[0].transition("active", "suspended", "forged");
    forged.volumes[0].commit();
    forged.write();
    forged.fails("disk prove disk.img a0 --from seven", 2, "the earlier checkpoint does not fit the disk");
}

/// Tiles in a directory, for `tlog_tiles`.
struct Directory<'a>(&'a Path);

impl TileReader for Directory<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        // Go's checksum database has the height in the path; `c2sp.org/tlog-tiles` has not.
        let read = |tile: &Tile| fs::read(self.0.join(tile.path().replacen("tile/8/", "tile/", 1))).unwrap();
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn another_implementation_reads_the_tiles() {
    let mut site = Site::new();
    for i in 0..260 {
        site.volumes[0].document("d", b"");
        if i == 130 {
            site.volumes[0].commit();
        }
    }
    site.sign(0);
    site.write();
    let out = site.fine("disk tiles disk.img a0 -o log");
    assert_eq!(out, "wrote the log totebox/00112233445566778899aabbccddeeff/a0 with 268 entries to log\n");
    site.fails("disk tiles disk.img a0 -o log", 2, "log is not empty");
    let log = site.directory.path().join("log");
    let checkpoint = site.open(&site.read("log/checkpoint"));
    let (size, root) = (checkpoint.size(), *checkpoint.hash());
    let tiles = Directory(&log);
    let reader = TileHashReader::new(size, root, &tiles);
    assert_eq!(tree_hash(size, &reader).unwrap(), root);
    let bundles = ["000", "001.p/12"].map(|name| fs::read(log.join("tile/entries").join(name)).unwrap());
    let entries: Vec<Vec<u8>> = bundles.concat().chunks(34).map(<[u8]>::to_vec).collect();
    assert_eq!(entries.len() as u64, size);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry[..2], 32u16.to_be_bytes());
        let proof = prove_record(size, index as u64, &reader).unwrap();
        check_record(&proof, size, root, index as u64, record_hash(&entry[2..])).unwrap();
        // What we prove is what it proves.
        if index % 50 == 0 {
            let text = site.fine(&format!("disk prove disk.img a0 --record {index}"));
            let Ok(Proof::Inclusion(ours)) = Proof::parse(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(ours.hashes, proof.iter().map(|hash| hash.0).collect::<Vec<_>>());
        }
    }
    assert!(prove_tree(size, 7, &reader).is_ok());
}
