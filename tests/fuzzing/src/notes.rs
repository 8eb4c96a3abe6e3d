//! Keys, signed notes, checkpoints and proofs, as they come in files from anywhere.

use ledger_fmt::checkpoint::{self, Checkpoint};
use ledger_fmt::hash;
use ledger_fmt::layout::Area;
use ledger_fmt::note::{Note, Seed, Signer, Verifier};
use ledger_fmt::payload::TreeHead;
use ledger_fmt::proof::{check_consistency, check_inclusion, consistency, inclusion};
use ledger_fmt::record::Record;
use ledger_fmt::testing::{TestVolume, padded_name, verify};
use ledger_fmt::tree::Edge;
use ledger_fmt::verify::Mode;
use totebox_disk::checkpoint::SignedCheckpoint;
use totebox_disk::proof::{Consistency, Inclusion, Proof};

use crate::Target;

/// The target.
pub const TARGET: Target =
    Target { name: "notes", run, memory: 64 * 1024, memory_per_byte: 16, mutations: 20000, seeds };

/// The seed of the only key there is.
const SEED: Seed = [7; 32];

fn signer() -> Signer {
    let origin = checkpoint::origin(&[0x11; 16], &padded_name("contracts")).expect("a volume's name");
    Signer::new(&origin, &SEED).expect("an origin is a key's name")
}

fn run(input: &[u8]) {
    let keys = [signer().verifier().clone()];
    if let Ok(note) = Note::parse(input) {
        let _ = note.verify(&keys);
        assert!(input.starts_with(note.text().as_bytes()));
    }
    if let Ok((note, checkpoint)) = Checkpoint::parse(input) {
        assert_eq!(checkpoint.to_string(), note.text());
    }
    if let Ok(text) = str::from_utf8(input) {
        keys_in(text);
    }
    if let Ok(proof) = Proof::parse(input) {
        let written = proof.to_string();
        assert_eq!(Proof::parse(written.as_bytes()).as_ref(), Ok(&proof), "{written}");
        check(&proof, &keys);
    }
}

fn keys_in(text: &str) {
    if let Ok(key) = Verifier::parse(text) {
        assert_eq!(Verifier::parse(&key.to_string()), Ok(key));
    }
    if let Ok(key) = Signer::parse(text) {
        let again = Signer::parse(&key.secret().to_string()).expect("a key that was written");
        assert_eq!((again.seed(), again.verifier()), (key.seed(), key.verifier()));
    }
}

/// Checks a proof as if its checkpoint's signature were good, and as it is.
fn check(proof: &Proof, keys: &[Verifier]) {
    match proof {
        Proof::Inclusion(inclusion) => {
            let Inclusion { index, hashes, checkpoint: SignedCheckpoint { size, root, .. }, .. } = inclusion;
            check_inclusion(&hash::content_blake3(b""), *index, *size, root, hashes);
            let _ = inclusion.check(keys);
        }
        Proof::Consistency(consistency) => {
            let Consistency { old, hashes, checkpoint } = consistency;
            check_consistency((*old, &checkpoint.root), (checkpoint.size, &checkpoint.root), hashes);
            let _ = consistency.check(checkpoint, keys);
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut volume = TestVolume::new("contracts");
    for number in 0..10 {
        volume.document(&format!("document {number}"), b"");
    }
    volume.commit();
    let seen = verify(&volume.bytes, &volume.superblock, None, Mode::Full);
    let whole = |&(_, block, offset): &(u64, u64, usize)| {
        let start = volume.range(Area::Ledger, block, 1).start + offset;
        Record::decode(&volume.bytes[start..])
            .map(|(record, len)| (record.hash, &volume.bytes[start..start + len]))
    };
    let records: Result<Vec<_>, _> = seen.records.iter().map(whole).collect();
    let (leaves, records): (Vec<_>, Vec<_>) = records.expect("records that were seen").into_iter().unzip();
    let signer = signer();
    let signed = checkpoint::sign(&signer, &TreeHead::of(&Edge::over(&leaves)));
    let checkpoint = SignedCheckpoint::parse(signed.as_bytes()).expect("a checkpoint that was signed");
    let index = 6;
    let proofs = [
        Proof::Inclusion(Inclusion {
            index,
            record: records[index as usize].to_vec(),
            hashes: inclusion(&leaves, index).expect("there are more").to_vec(),
            checkpoint: checkpoint.clone(),
        }),
        Proof::Consistency(Consistency {
            old: 5,
            hashes: consistency(&leaves, 5).expect("there are more").to_vec(),
            checkpoint,
        }),
    ];
    let keys = [signer.verifier().to_string(), signer.secret().to_string(), signed.to_string()];
    keys.into_iter().chain(proofs.map(|proof| proof.to_string())).map(String::into_bytes).collect()
}
