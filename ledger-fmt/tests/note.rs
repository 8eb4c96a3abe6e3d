//! Signed notes and checkpoints: those of `golang.org/x/mod/sumdb/note`, our own, altered and hostile ones.

use ledger_fmt::checkpoint::{self, Checkpoint, CheckpointError, SIGNED_MAX};
use ledger_fmt::note::{KeyError, NAME_MAX, NOTE_MAX, Note, NoteError, Signer, Unverified, Verifier};
use ledger_fmt::payload::TreeHead;
use ledger_fmt::testing::padded_name;
use ledger_fmt::tree::Edge;

/// The example in the documentation of Go's package.
const SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
const SIGNATURE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn peter() -> Verifier {
    Verifier::parse(PUBLIC).unwrap()
}

/// An archive's key and a checkpoint it signed.
fn signed(name: &str) -> (Verifier, String) {
    let origin = checkpoint::origin(&[0x11; 16], &padded_name(name)).unwrap();
    let key = Signer::new(&origin, &[7; 32]).unwrap();
    let tree = TreeHead::of(&Edge::over(&[[1; 32], [2; 32], [3; 32]]));
    (key.verifier().clone(), checkpoint::sign(&key, &tree).to_string())
}

#[test]
fn notes_and_keys_are_those_of_go() {
    let signer = Signer::parse(SECRET).unwrap();
    assert_eq!((signer.verifier().to_string(), signer.secret().to_string()), (PUBLIC.into(), SECRET.into()));
    assert_eq!(format!("{signer:?}"), format!("Signer({PUBLIC})"), "the secret is not shown");
    let mut note = String::new();
    signer.sign(TEXT, &mut note).unwrap();
    assert_eq!(note, format!("{TEXT}\n{SIGNATURE}"));
    let read = Note::parse(note.as_bytes()).unwrap();
    assert_eq!((read.text(), read.verify(&[peter()])), (TEXT, Ok(())));
}

#[test]
fn a_key_is_refused_with_a_reason() {
    let id = PUBLIC.replace("c74f20a3", "c74f20a4");
    let algorithm = "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let cases = [
        ("", KeyError::Form),
        ("PeterNeumann", KeyError::Form),
        ("PeterNeumann+c74f20a3", KeyError::Form),
        ("PeterNeumann++74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", KeyError::Form),
        ("PeterNeumann+c74f20a3+ARpc", KeyError::Form),
        ("PeterNeumann+c74f20a3+%", KeyError::Form),
        (algorithm, KeyError::Algorithm),
        (&id, KeyError::Id),
        (&PUBLIC.replace("Peter", "Paul"), KeyError::Id),
        (&PUBLIC.replace("Peter", "Peter "), KeyError::Name),
        (&PUBLIC.replace("PeterNeumann", ""), KeyError::Name),
        (&PUBLIC.replace("PeterNeumann", &"p".repeat(NAME_MAX + 1)), KeyError::Name),
        (&format!("{PUBLIC}{}", "A".repeat(1 << 16)), KeyError::Form),
    ];
    for (text, error) in cases {
        assert_eq!(Verifier::parse(text).err(), Some(error), "{text:.80}");
    }
    assert_eq!(Signer::parse(PUBLIC).err(), Some(KeyError::Form), "no secret key");
    assert_eq!(Signer::parse(&SECRET.replace("c74f20a3", "00000000")).err(), Some(KeyError::Id));
}

#[test]
fn an_altered_note_is_not_believed() {
    let note = format!("{TEXT}\n{SIGNATURE}");
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        let believed = Note::parse(&bytes).is_ok_and(|note| note.verify(&[peter()]).is_ok());
        assert!(!believed, "byte {at}");
    }
    for cut in 0..note.len() {
        assert!(Note::parse(&note.as_bytes()[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_note_is_believed_for_the_keys_given() {
    let (contracts, note) = signed("contracts");
    let (finance, _) = signed("finance");
    let other = Signer::new(contracts.name(), &[8; 32]).unwrap().verifier().clone();
    let note = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(note.verify(&[]), Err(Unverified::UnknownKey));
    assert_eq!(
        note.verify(std::slice::from_ref(&finance)),
        Err(Unverified::UnknownKey),
        "another archive's, of the same seed"
    );
    assert_eq!(note.verify(&[other]), Err(Unverified::UnknownKey), "another key of the same name");
    assert_eq!(note.verify(&[finance, contracts]), Ok(()));
}

#[test]
fn cosignatures_do_no_harm_and_do_not_count() {
    let (key, note) = signed("contracts");
    // Longer than an Ed25519 signature, as a post-quantum one is.
    let cosigned = format!("{note}— witness.example/w {}\n{SIGNATURE}", "AAAA".repeat(900));
    let (note, stated) = Checkpoint::parse(cosigned.as_bytes()).unwrap();
    assert_eq!((stated.size, note.verify(&[key])), (3, Ok(())));
    assert_eq!(note.verify(&[peter()]), Err(Unverified::Mismatch), "a known key's signature of another text");
}

#[test]
fn a_note_is_refused_with_a_reason() {
    let long = [TEXT.as_bytes(), b"\n", SIGNATURE.as_bytes()].concat().repeat(NOTE_MAX / 100);
    let line = |line: &str| format!("{TEXT}\n{line}").into_bytes();
    let cases = [
        (long, NoteError::TooLong),
        (b"\xff\n\n".to_vec(), NoteError::NotUtf8),
        (Vec::new(), NoteError::Form),
        (TEXT.as_bytes().to_vec(), NoteError::Form),
        (b"tab\there\n\n".to_vec(), NoteError::Form),
        (b"line\r\n\r\n".to_vec(), NoteError::Form),
        (line(""), NoteError::Signature),
        (line("- PeterNeumann x08go/ZJ\n"), NoteError::Signature),
        (line("— PeterNeumann\n"), NoteError::Signature),
        (line("—  x08go/ZJ\n"), NoteError::Signature),
        (line("— Peter+Neumann x08go/ZJ\n"), NoteError::Signature),
        (line("— PeterNeumann x08g\n"), NoteError::Signature),
        (line("— PeterNeumann x08go/ZJ x08go/ZJ\n"), NoteError::Signature),
        (line(SIGNATURE.trim_end()), NoteError::Signature),
        (line(&format!("{SIGNATURE}more\n")), NoteError::Signature),
    ];
    for (bytes, error) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        assert_eq!(Note::parse(&bytes).err(), Some(error), "{shown:?}");
    }
}

#[test]
fn a_checkpoint_says_whose_and_which_tree() {
    let (key, note) = signed("contracts");
    let (_, stated) = Checkpoint::parse(note.as_bytes()).unwrap();
    assert_eq!(stated.origin, "totebox/11111111111111111111111111111111/contracts");
    assert_eq!((key.name(), stated.size), (stated.origin, 3));
    assert_eq!(stated.root, Edge::over(&[[1; 32], [2; 32], [3; 32]]).root());
    assert!(note.starts_with(&stated.to_string()));

    // The longest there can be.
    let origin = checkpoint::origin(&[0xff; 16], &[b'z'; 32]).unwrap();
    let key = Signer::new(&origin, &[1; 32]).unwrap();
    let tree = TreeHead { size: u64::MAX, root: [0xff; 32] };
    assert_eq!(checkpoint::sign(&key, &tree).len(), SIGNED_MAX);
    for name in [&b""[..], b"A", b"two words", b"a+b", b"\xff"] {
        let mut padded = [0; 32];
        padded[..name.len()].copy_from_slice(name);
        assert_eq!(checkpoint::origin(&[1; 16], &padded), None);
    }
}

#[test]
fn a_note_that_is_no_checkpoint_is_refused() {
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let refused = [
        "origin\n".to_owned(),
        format!("origin\n1\n{root}\nextension\n"),
        format!("origin\n01\n{root}\n"),
        format!("origin\n+1\n{root}\n"),
        format!("origin\n18446744073709551616\n{root}\n"),
        format!("\n1\n{root}\n"),
        "origin\n1\nAAAA\n".to_owned(),
        "origin\n1\nnot base64\n".to_owned(),
        format!("origin\n1\n{root}{root}\n"),
    ];
    for text in refused {
        let note = format!("{text}\n{SIGNATURE}");
        assert_eq!(Checkpoint::parse(note.as_bytes()).err(), Some(CheckpointError::Text), "{text}");
    }
    assert_eq!(Checkpoint::parse(b"\xff").err(), Some(CheckpointError::Note(NoteError::NotUtf8)));
    assert!(Checkpoint::parse(format!("origin\n0\n{root}\n\n{SIGNATURE}").as_bytes()).is_ok());
}
