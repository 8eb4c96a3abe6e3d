//! Payloads: deterministic CBOR and nothing else is read, and each kind's form is held.

use ledger_fmt::cbor::{self, DEPTH_MAX, Map, MapWriter};
use ledger_fmt::hash::{self, ContentHash};
use ledger_fmt::payload::{
    CHECKPOINT_REST_MAX, Content, DOCUMENT_MIN, DOCUMENT_NAME_MAX, DOCUMENT_REST_MAX, Document, GENESIS_MAX,
    Genesis, LIFECYCLE_MAX, Lifecycle, PAYLOAD_MAX, Stated, TreeHead,
};
use ledger_fmt::record::{Draft, Head, Kind, RECORD_MAX, Record};
use ledger_fmt::testing::{payloads, shown};
use minicbor::data::Token;
use minicbor::decode::Decoder;
use minicbor::encode::Encoder;
use minicbor::encode::write::Cursor;

fn written(write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Vec<u8> {
    let mut out = [0; PAYLOAD_MAX];
    let len = write(&mut out).expect("it fits");
    out[..len].to_vec()
}

/// Every form there is of a document.
fn documents() -> Vec<Vec<u8>> {
    let hash = ContentHash { blake3: [0xb3; 32], sha256: [0x5a; 32] };
    let sizes = [0, 1, 23, 24, 255, 256, 65535, 65536, u32::MAX.into(), 1 << 32, u64::MAX];
    let contents = sizes.map(|size| Some(Content { size, hash, block: size / 2 }));
    let name = "ein Name.pdf";
    let with = |content, supersedes| written(|out| Document { name, content, supersedes }.write(out));
    contents.into_iter().chain([None]).flat_map(|content| [with(content, None), with(content, Some(7))]).collect()
}

#[test]
fn what_is_written_is_what_another_implementation_reads_and_writes() {
    for payload in documents() {
        let tokens: Vec<Token<'_>> = Decoder::new(&payload).tokens().collect::<Result<_, _>>().unwrap();
        let mut again = [0; PAYLOAD_MAX];
        let mut encoder = Encoder::new(Cursor::new(&mut again[..]));
        encoder.tokens(&tokens).unwrap();
        let len = encoder.into_writer().position();
        assert_eq!(again[..len], payload);
    }
}

#[test]
fn payloads_there_and_back() {
    let hash = hash::content(b"abc");
    for supersedes in [None, Some(0), Some(u64::MAX)] {
        for content in [None, Some(Content { size: 3, hash, block: 9 }), Some(Content { size: 0, hash, block: 0 })]
        {
            let document = Document { name: "Überblick", content, supersedes };
            let payload = written(|out| document.write(out));
            assert_eq!(Document::read(&payload), Some(document));
            assert!(record(Kind::Document, &payload));
        }
    }
    let genesis = Genesis { deployment: [1; 16], volume: [2; 16], name: "contracts" };
    let payload = written(|out| genesis.write(out));
    assert_eq!(Genesis::read(&payload), Some(genesis));
    let lifecycle = Lifecycle { from: "active", to: "archived", cause: "operator" };
    let payload = written(|out| lifecycle.write(out));
    assert_eq!(Lifecycle::read(&payload), Some(lifecycle));
    for note in [None, Some("a note")] {
        let stated = Stated { tree: TreeHead { size: 77, root: [3; 32] }, note };
        let payload = written(|out| stated.write(out));
        assert_eq!(Stated::read(&payload), Some(stated));
    }
}

#[test]
fn payloads_are_no_longer_than_is_said() {
    let hash = hash::content(b"");
    let content = Some(Content { size: u64::MAX, hash, block: u64::MAX });
    let name = "n".repeat(DOCUMENT_NAME_MAX);
    let longest = written(|out| Document { name: &name, content, supersedes: Some(u64::MAX) }.write(out));
    assert!(longest.len() <= DOCUMENT_NAME_MAX + DOCUMENT_REST_MAX, "{}", longest.len());
    let content = Some(Content { size: 0, hash, block: 0 });
    let shortest = written(|out| Document { name: "n", content, supersedes: None }.write(out));
    assert_eq!(shortest.len(), DOCUMENT_MIN);
    let genesis = Genesis { deployment: [0; 16], volume: [0; 16], name: &"n".repeat(32) };
    assert!(written(|out| genesis.write(out)).len() <= GENESIS_MAX);
    let word = "w".repeat(16);
    let lifecycle = Lifecycle { from: &word, to: &word, cause: &word };
    assert!(written(|out| lifecycle.write(out)).len() <= LIFECYCLE_MAX);
    let note = "n".repeat(1000);
    let stated = Stated { tree: TreeHead { size: u64::MAX, root: [0; 32] }, note: Some(&note) };
    assert!(written(|out| stated.write(out)).len() <= note.len() + CHECKPOINT_REST_MAX);
}

#[test]
fn a_payload_that_does_not_fit_is_not_written() {
    let document = Document { name: "name", content: None, supersedes: Some(1) };
    let len = written(|out| document.write(out)).len();
    for room in 0..len {
        assert_eq!(document.write(&mut vec![0; room]), None, "{room}");
    }
    assert_eq!(document.write(&mut vec![0; len]), Some(len));
}

/// Whether a record with this payload has the form of its kind.
fn record(kind: Kind, payload: &[u8]) -> bool {
    let mut bytes = [0; RECORD_MAX];
    let (len, _) = Draft { kind, time_ms: 0, payload }.encode(&Head::EMPTY, &mut bytes).unwrap();
    Record::decode(&bytes[..len]).unwrap().0.has_form()
}

#[test]
fn what_is_not_deterministic_is_not_read() {
    let refused: &[(&str, &[u8])] = &[
        ("nothing", b""),
        ("no map", b"\x01"),
        ("more behind it", b"\xa0\xa0"),
        ("a map of indefinite length", b"\xbf\xff"),
        ("a list of indefinite length", b"\xa1\x61a\x9f\xff"),
        ("a text of indefinite length", b"\xa1\x61a\x7f\x61b\xff"),
        ("a number in two bytes that has room in one", b"\xa1\x61a\x18\x17"),
        ("in three", b"\xa1\x61a\x19\x00\xff"),
        ("in five", b"\xa1\x61a\x1a\x00\x00\xff\xff"),
        ("in nine", b"\xa1\x61a\x1b\x00\x00\x00\x00\xff\xff\xff\xff"),
        ("a length that is not in its shortest form", b"\xa1\x78\x01a\x01"),
        ("a key that is a number", b"\xa1\x01\x01"),
        ("a key that is bytes", b"\xa1\x41a\x01"),
        ("a key twice", b"\xa2\x61a\x01\x61a\x02"),
        ("keys out of order", b"\xa2\x61b\x01\x61a\x02"),
        ("a longer key before a shorter one", b"\xa2\x62aa\x01\x61b\x02"),
        ("a negative number", b"\xa1\x61a\x20"),
        ("a tag", b"\xa1\x61a\xc0\x61b"),
        ("null", b"\xa1\x61a\xf6"),
        ("undefined", b"\xa1\x61a\xf7"),
        ("a simple value in two bytes", b"\xa1\x61a\xf8\x20"),
        ("a half float", b"\xa1\x61a\xf9\x00\x00"),
        ("text that is not UTF-8", b"\xa1\x61a\x61\xff"),
        ("a key without a value", b"\xa1\x61a"),
        ("a text that is cut", b"\xa1\x61a\x62b"),
        ("a length beyond every memory", b"\xa1\x61a\x7b\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("a list of more than there is", b"\xa1\x61a\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("lengths 28 to 30", b"\xa1\x61a\x1c"),
    ];
    for (what, bytes) in refused {
        assert_eq!(Map::read(bytes), None, "{what}");
    }
    let read: &[&[u8]] = &[
        b"\xa0",
        b"\xa1\x61a\x18\x18",
        b"\xa1\x61a\x19\x01\x00",
        b"\xa1\x61a\x1a\x00\x01\x00\x00",
        b"\xa1\x61a\x1b\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\xa2\x61b\xf4\x62aa\xf5",
        b"\xa1\x60\x80",
    ];
    for bytes in read {
        assert!(Map::read(bytes).is_some(), "{bytes:x?}");
    }
}

#[test]
fn what_nests_too_deep_is_not_read() {
    for depth in 1..=2 * DEPTH_MAX {
        // A map, and lists in each other.
        let bytes = [&b"\xa1\x61a"[..], &vec![0x81; depth - 1], b"\x01"].concat();
        assert_eq!(Map::read(&bytes).is_some(), depth <= DEPTH_MAX, "{depth}");
        let maps = [&b"\xa1\x61a".repeat(depth)[..], b"\x01"].concat();
        assert_eq!(Map::read(&maps).is_some(), depth <= DEPTH_MAX, "{depth}");
    }
    assert_eq!(Map::read(&vec![0x81; PAYLOAD_MAX]), None);
    assert_eq!(Map::read(&b"\xa1\x61a".repeat(PAYLOAD_MAX / 3)), None);
}

#[test]
fn no_bytes_make_the_reader_panic_and_no_change_keeps_the_form() {
    for payload in documents() {
        for at in 0..payload.len() {
            assert_eq!(Map::read(&payload[..at]), None, "cut at {at}");
            for bit in 0..8 {
                let mut bytes = payload.clone();
                bytes[at] ^= 1 << bit;
                // What is read at all is in the one form there is.
                if let Some(map) = Map::read(&bytes) {
                    let mut out = [0; PAYLOAD_MAX];
                    let again =
                        |out: &mut MapWriter<'_, '_>| map.iter().for_each(|(key, value)| out.value(key, value));
                    let len = cbor::write(&mut out, again).unwrap();
                    assert_eq!(out[..len], bytes);
                }
            }
        }
    }
}

#[test]
fn listed_keys_have_their_form_and_others_any() {
    for &kind in Kind::ALL {
        for (payload, fits) in payloads(kind) {
            assert_eq!(record(kind, &payload), fits, "{kind:?}: {}", shown(&payload));
        }
        assert!(!record(kind, b"\xa0"), "{kind:?} without any key");
    }
}
