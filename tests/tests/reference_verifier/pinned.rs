//! Both verifiers on disks held against what an auditor kept, and on proofs.

use fastrand::Rng;
use ledger_fmt::auditor_state::COPY_SIZE;
use ledger_fmt::note::Verifier;
use serde_json::{Value, json};
use tempfile::TempDir;
use totebox_disk::checkpoint::SignedCheckpoint;
use totebox_disk::proof::Proof;
use totebox_disk::{Image, Pinned};
use totebox_tests::sim::for_each_seed;

use crate::disk::{AUDIT_RECORDS, Disk, in_use_otherwise, in_use_since, log};
use crate::python::{Python, text_of};

/// Proofs spoilt in a normal run; `TOTEBOX_SIM_SEEDS` asks for more.
const SEEDS: u64 = 50;

/// The findings both have of `contracts`, or of the disk as a whole.
fn findings(report: &Value) -> Vec<Value> {
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().map(|f| json!([f["volume"], f["kind"], f["block"], f["record"]])).collect()
}

/// A later disk extends the checkpoint kept; the disk put back to how it was, one that grew to another history,
/// one with records missing, and another deployment's do not.
pub fn pinned_checkpoints(python: &Python) {
    let (disk, later, other) = (Disk::new(), Disk::with(in_use_since), Disk::with(in_use_otherwise));
    let both =
        Pinned { checkpoints: [disk.kept().checkpoints, later.kept().checkpoints].concat(), ..later.kept() };
    let report = later.agreed(python, &both).expect("a disk");
    assert_eq!((findings(&report), &report["volumes"][1]["signatures"]), (vec![], &json!(3)), "{report}");

    let report = disk.agreed(python, &Pinned::default()).expect("a disk");
    assert_eq!(report["clean"], true, "by itself nothing is wrong with it: {report}");
    let report = disk.agreed(python, &later.kept()).expect("a disk");
    assert_eq!(findings(&report), [json!(["contracts", "rollback", 5, null])], "{report}");

    let report = other.agreed(python, &disk.kept()).expect("a disk");
    assert_eq!(report["clean"], true, "it extends the older one: {report}");
    let report = other.agreed(python, &later.kept()).expect("a disk");
    assert_eq!(findings(&report), [json!(["contracts", "tree", 5, null])], "{report}");

    let mut damaged = later.clone();
    let batch = damaged.last_batch();
    damaged.bytes[batch.start + 300..batch.start + 900].fill(0);
    let report = damaged.agreed(python, &later.kept()).expect("a disk");
    let record = |record: u64| json!(["contracts", "record", 4, record]);
    assert_eq!(findings(&report), [record(10), record(11), json!(["contracts", "tree", 6, null])], "{report}");

    let mut elsewhere = later.kept();
    let origin = &mut elsewhere.checkpoints[0].origin;
    *origin = origin.replace("/5a", "/a5");
    let note = elsewhere.checkpoints[0].to_string().replace("/5a", "/a5");
    elsewhere.checkpoints[0] = SignedCheckpoint::parse(note.as_bytes()).expect("the form is right");
    elsewhere.keys.clear();
    let report = later.agreed(python, &elsewhere).expect("a disk");
    assert_eq!(findings(&report), [json!([null, "rollback", null, null])], "{report}");
}

/// An audit volume that is empty, put back in part, or another's, held against what was kept and against what the
/// auditor itself has signed; and one with any bit of what is published spoilt.
pub fn audit_records(python: &Python) {
    let disk = Disk::new();
    let key = Pinned { keys: vec![disk.key("audit", &[7; 32])], ..Pinned::default() };
    let kept = Pinned { checkpoints: vec![disk.kept().checkpoints.swap_remove(2)], ..key.clone() };
    let at = |kind: &str, block: u64| json!(["audit", kind, block, null]);
    let expected = [
        (vec![], vec![at("rollback", 1)]),
        (vec![], vec![]),
        (vec![at("rollback", 1)], vec![at("rollback", 1), at("rollback", 1)]),
        (vec![at("signature", 11)], vec![at("signature", 11)]),
    ];
    for (write, (by_key, by_checkpoint)) in AUDIT_RECORDS.into_iter().zip(expected) {
        let disk = disk.clone().with_audit_record(write);
        let found = |kept: &Pinned| findings(&disk.agreed(python, kept).expect("a disk"));
        assert_eq!(found(&Pinned::default()), [] as [Value; 0], "nobody who has no key can judge it");
        assert_eq!((found(&key), found(&kept)), (by_key, by_checkpoint));
    }
    let mut rng = Rng::with_seed(1);
    for _ in 0..40 {
        let (mut spoilt, state) = (disk.clone(), disk.auditor_state());
        let at = state.start + rng.usize(..300) + rng.choice([0, COPY_SIZE]).expect("there are two");
        spoilt.bytes[at] ^= 1 << rng.u8(..8);
        let report = spoilt.agreed(python, &key).expect("a disk");
        assert_eq!((findings(&report), &report["volumes"][0]["signatures"]), (vec![], &json!(1)), "one is left");
    }
}

/// Checkpoints signed with another key than the auditor has, and one that is not signed.
pub fn signatures(python: &Python) {
    let disk = Disk::new();
    let keys = vec![disk.key("finance", &[8; 32]), disk.key("correspondence", &[8; 32])];
    let report = disk.agreed(python, &Pinned { keys, ..Pinned::default() }).expect("a disk");
    let unsigned = json!(["correspondence", "signature", 7, 8]);
    assert_eq!(findings(&report), [unsigned, json!(["finance", "signature", 1, 2])], "{report}");
}

/// Every record's proof, and that one checkpoint extends the other; and both spoilt.
pub fn proofs(python: &Python) {
    let (old, later) = (Disk::new(), Disk::with(in_use_since));
    let (kept, old) = (later.kept(), old.kept().checkpoints.swap_remove(0));
    let (newest, file) = (&kept.checkpoints[0], later.file());
    let image = Image::open(file.path(), None).expect("a disk");
    let under = (0..newest.size).map(|index| {
        let proof = log(&image, "contracts", Some(index)).prove_record(index, newest).expect("it is under it");
        Proof::Inclusion(proof)
    });
    let growth = log(&image, "contracts", None).prove_growth(&old, newest).expect("it has grown");
    let proofs: Vec<String> = under.chain([Proof::Consistency(growth)]).map(|proof| proof.to_string()).collect();
    for proof in &proofs {
        assert_eq!(agreed_code(python, proof.as_bytes(), &old, &kept.keys), 0, "{proof}");
    }
    let mut seen = [0; 3];
    for_each_seed("--test reference_verifier proofs", SEEDS, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut bytes = rng.choice(&proofs).expect("there are some").clone().into_bytes();
        spoil(&mut bytes, &mut rng);
        seen[agreed_code(python, &bytes, &old, &kept.keys) as usize] += 1;
    });
    println!("spoilt proofs: {} prove it, {} prove nothing, {} are none", seen[0], seen[1], seen[2]);
}

/// A character becomes another, or a line is left out, or two change places.
fn spoil(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let (one, two) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
    match rng.u8(..4) {
        0 => drop(lines.remove(one)),
        1 => lines.swap(one, two),
        _ => {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.choice(*b"0123456789ABCabc+/= \n").expect("there are some");
            return;
        }
    }
    *bytes = lines.join(&b'\n');
}

/// The exit code of both for a proof: of a record, or that the checkpoint extends `old`.
fn agreed_code(python: &Python, proof: &[u8], old: &SignedCheckpoint, keys: &[Verifier]) -> i32 {
    let growth = proof.starts_with(b"old ");
    let rust = match Proof::parse(proof) {
        Err(_) => 2,
        Ok(Proof::Inclusion(proof)) => i32::from(proof.check(keys).is_err()),
        Ok(Proof::Consistency(proof)) => i32::from(proof.check(old, keys).is_err()),
    };
    let folder = TempDir::new().expect("a folder can be made");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        text_of(&path)
    };
    let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
    let mut arguments = vec!["check_proof.py".to_owned(), file("proof", proof)];
    arguments.extend(["--key".to_owned(), file("keys", lines.as_bytes())]);
    if growth {
        arguments.extend(["--from".to_owned(), file("old", old.to_string().as_bytes())]);
    }
    let (code, said) = python.ended(&arguments);
    assert_eq!(
        code,
        rust,
        "Rust ends with {rust}, Python with {code} ({said}):\n{}",
        String::from_utf8_lossy(proof)
    );
    code
}
