//! The published test vectors in `vectors/`: made here, compared with what is committed. To write them
//! anew after a change of the format: `UPDATE_VECTORS=1 cargo test -p ledger-fmt --test vectors`.

use std::fmt::Write;
use std::path::Path;

use ledger_fmt::Hash;
use ledger_fmt::batch_header::{Batch, BatchHeader, BatchKind, Frontier, Hint};
use ledger_fmt::cbor::{self, MapWriter};
use ledger_fmt::checkpoint;
use ledger_fmt::hash::{self, Domain};
use ledger_fmt::layout::{Area, BLOCK_SIZE, Layout, Superblock};
use ledger_fmt::note::{Seed, Signer};
use ledger_fmt::payload::{Content, Document, Genesis, Lifecycle, PAYLOAD_MAX, Stated, TreeHead};
use ledger_fmt::proof;
use ledger_fmt::record::{Draft, Head, Kind, RECORD_MAX};
use ledger_fmt::testing::{TIME_MS, TestVolume, padded_name, shown};
use ledger_fmt::tree::Edge;
use serde_json::{Value, json};
use zerocopy::IntoBytes;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}

/// The input of BLAKE3's own vectors: 0, 1, … 250, 0, 1, …
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// The seed of the key in the vectors: 0, 1, … 31.
const SEED: Seed = {
    let mut seed = [0; 32];
    let mut i = 0;
    while i < seed.len() {
        seed[i] = i as u8;
        i += 1;
    }
    seed
};

/// The key of an archive, from the seed of the vectors.
fn key(deployment: &[u8; 16], name: &[u8; 32]) -> Signer {
    let origin = checkpoint::origin(deployment, name).expect("a volume's name");
    Signer::new(&origin, &SEED).expect("an origin is a key's name")
}

fn check(name: &str, vectors: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let text = serde_json::to_string_pretty(vectors).expect("plain values") + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&path, &text).expect("the folder vectors/ is there");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "vectors/{name} is not what this code makes; see the top of tests/vectors.rs");
}

#[test]
fn hashes() {
    let lengths = [0, 1, 1023, 1024, 1025, 2048, 2049, 4095, 4096, 4097, 8192, 32511, 32512, 32768, 65536];
    let cases: Vec<Value> = lengths
        .into_iter()
        .map(|len| {
            let input = pattern(len);
            json!({
                "input_len": len,
                "blake3": hex(&hash::content(&input).blake3),
                "sha256": hex(&hash::content(&input).sha256),
                "checksum": hex(&hash::checksum(&input)),
                "totebox.v2.record": hex(&Domain::Record.hash(&input)),
                "totebox.v2.batch": hex(&Domain::BatchHeader.hash(&input)),
                "totebox.v2.superblock": hex(&Domain::Superblock.hash(&input)),
                "totebox.v2.hint": hex(&Domain::Hint.hash(&input)),
                "totebox.v2.snapshot": hex(&Domain::Snapshot.hash(&input)),
            })
        })
        .collect();
    let comment = "Input byte i is i mod 251. `blake3`, `sha256` and `checksum` (XXH3 with 128 bits) are plain; every \
                   other name is the key text of a keyed BLAKE3, padded with zeros to 32 bytes.";
    check("hashes.json", &json!({ "comment": comment, "cases": cases }));
}

/// A record of each of the audit record's own kinds.
fn audit_record(add: &mut impl FnMut(Kind, &dyn Fn(&mut [u8]) -> Option<usize>)) {
    let found = |map: &mut MapWriter<'_, '_>| {
        map.text("area", "assets");
        map.text("kind", "asset");
        map.uint("block", 33);
        map.uint("record", 3);
    };
    add(Kind::Boot, &|out| {
        cbor::write(out, |map| {
            map.uint("archives", 3);
            map.bytes("deployment", &[0x11; 16]);
        })
    });
    add(Kind::AuditResult, &|out| {
        cbor::write(out, |map| {
            map.uint("to", 17);
            map.uint("from", 5);
            map.bytes("head", &[0xaa; 32]);
            map.maps("more", &[(); 2], |(), map| {
                found(map);
                map.uint("findings", 2);
                map.uint("last_block", 34);
            });
            map.bytes("root", &[0xbb; 32]);
            map.text("audit", "incremental");
            map.uint("bytes", 40960);
            map.map("first", found);
            map.text("archive", "contracts");
            map.text("verdict", "mismatch");
            map.uint("findings", 5);
            map.uint("duration_ms", 7);
        })
    });
    add(Kind::Flag, &|out| {
        cbor::write(out, |map| {
            map.uint("flag", 1);
            map.text("kind", "asset");
            map.text("archive", "contracts");
        })
    });
    add(Kind::Acknowledgement, &|out| {
        cbor::write(out, |map| {
            map.uint("flag", 1);
            map.text("kind", "asset");
            map.text("reason", "\"known\", é");
        })
    });
    add(Kind::Fault, &|out| {
        cbor::write(out, |map| {
            map.text("fault", "memory");
            map.uint("address", 4096);
            map.text("archive", "contracts");
        })
    });
}

#[test]
fn records() {
    let mut head = Head::EMPTY;
    let mut cases = Vec::new();
    let mut add = |kind: Kind, write: &dyn Fn(&mut [u8]) -> Option<usize>| {
        let mut payload = [0; PAYLOAD_MAX];
        let len = write(&mut payload).expect("fits");
        let payload = &payload[..len];
        let time_ms = TIME_MS + head.records * 1001;
        let mut bytes = [0; RECORD_MAX];
        let (len, next) = Draft { kind, time_ms, payload }.encode(&head, &mut bytes).expect("fits");
        cases.push(json!({
            "kind": kind.name(),
            "sequence": head.records,
            "time_ms": time_ms,
            "previous": hex(&head.hash),
            "payload": hex(payload),
            "says": serde_json::from_str::<Value>(&shown(payload)).expect("shown as JSON"),
            "bytes": hex(&bytes[..len]),
            "hash": hex(&next.hash),
        }));
        head = next;
    };
    let genesis = Genesis { deployment: [0x11; 16], volume: [0x22; 16], name: "contracts" };
    add(Kind::Genesis, &|out| genesis.write(out));
    let mut block = 0;
    for len in [0u64, 1, 4096, 4097] {
        let content = Content { size: len, hash: hash::content(&pattern(len as usize)), block };
        let name = &format!("{len} bytes.bin");
        add(Kind::Document, &|out| Document { name, content: Some(content), supersedes: None }.write(out));
        block += len.div_ceil(BLOCK_SIZE as u64);
    }
    let right = Content { size: 5, hash: hash::content(b"right"), block };
    add(Kind::Document, &|out| {
        Document { name: "0 bytes.bin", content: Some(right), supersedes: Some(1) }.write(out)
    });
    add(Kind::Document, &|out| {
        Document { name: "Überblick 2026, Entwurf.pdf", content: None, supersedes: None }.write(out)
    });
    // With every key there is, and one that there is not.
    add(Kind::Document, &|out| {
        cbor::write(out, |map| {
            map.text("by", "archive-door");
            map.bytes("etag", &[0xee; 16]);
            map.bool("hold", false);
            map.map("meta", |map| {
                map.text("colour", "rot");
                map.text("project", "9");
            });
            map.text("name", "berichte/2026/März.pdf");
            map.map("sums", |map| {
                map.bytes("md5", &[0xdd; 16]);
                map.bytes("crc32c", &[1, 2, 3, 4]);
            });
            map.text("type", "application/pdf");
            map.uint("parts", 12);
            map.bytes("token", b"once");
            map.uint("until", TIME_MS);
            map.maps("unknown", &[1 << 32, 3], |&number, map| map.uint("any", number));
            map.uint("supersedes", 2);
        })
    });
    add(Kind::Lifecycle, &|out| Lifecycle { from: "active", to: "suspended", cause: "operator" }.write(out));
    // Payloads of every length modulo 8, and the longest.
    for len in [24, 25, 26, 27, 28, 29, 30, 31, 255, 256, PAYLOAD_MAX - 1, PAYLOAD_MAX] {
        let padded = |padding: usize, out: &mut [u8]| {
            cbor::write(out, |map| {
                map.text("name", "n");
                map.bytes("padding", &vec![b'x'; padding]);
            })
        };
        add(Kind::Document, &|out| {
            (0..len).find_map(|padding| padded(padding, out).filter(|&written| written == len))
        });
    }
    audit_record(&mut add);
    let mut edge = Edge::EMPTY;
    edge.push(&[0x33; 32]);
    let tree = TreeHead::of(&edge);
    add(Kind::Checkpoint, &|out| Stated { tree, note: None }.write(out));
    let note = checkpoint::sign(&key(&genesis.deployment, &padded_name(genesis.name)), &tree);
    add(Kind::Checkpoint, &|out| Stated { tree, note: Some(&note) }.write(out));
    let comment = "One chain of records. Contents are the input of hashes.json at their length, or \"right\". `says` is \
                   the payload as JSON, bytes in hexadecimal. \
                   The checkpoints' tree is of one record with hash 33…33; the second is signed with the \
                   key of proofs.json.";
    check("records.json", &json!({ "comment": comment, "cases": cases }));
}

#[test]
fn trees() {
    let sizes =
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000];
    let mut edge = Edge::EMPTY;
    let cases: Vec<Value> = sizes
        .into_iter()
        .map(|size| {
            while edge.size() < size {
                edge.push(&hash::content_blake3(&edge.size().to_le_bytes()));
            }
            json!({ "size": size, "root": hex(&edge.root()) })
        })
        .collect();
    let comment = "RFC 6962 roots. The record hash number i is the plain BLAKE3 of i as 8 bytes, little-endian.";
    check("trees.json", &json!({ "comment": comment, "cases": cases }));
}

#[test]
fn proofs() {
    let records: Vec<Hash> = (0..1000u64).map(|i| hash::content_blake3(&i.to_le_bytes())).collect();
    let root = |size: u64| Edge::over(&records[..size as usize]).root();
    let hashes = |hashes: proof::Hashes| hashes.iter().map(|hash| hex(hash)).collect::<Vec<_>>();
    let inclusion = |(index, size): (u64, u64)| {
        let proof = proof::inclusion(&records[..size as usize], index).expect("it is there");
        json!({ "index": index, "size": size, "root": hex(&root(size)), "proof": hashes(proof) })
    };
    let consistency = |(old, size): (u64, u64)| {
        let proof = proof::consistency(&records[..size as usize], old).expect("it grows");
        json!({ "old": old, "old_root": hex(&root(old)), "size": size, "root": hex(&root(size)), "proof": hashes(proof) })
    };
    let included =
        [(0, 1), (0, 2), (1, 2), (2, 3), (3, 7), (6, 7), (7, 8), (8, 9), (255, 257), (256, 257), (999, 1000)];
    let grown =
        [(0, 5), (1, 1), (1, 2), (3, 7), (4, 7), (6, 8), (8, 8), (8, 9), (255, 256), (256, 1000), (777, 1000)];
    let (deployment, name) = ([0x11; 16], padded_name("contracts"));
    let key = key(&deployment, &name);
    let head = TreeHead::of(&Edge::over(&records));
    let comment = "Records as in trees.json. The checkpoint is over all 1000, by the archive \"contracts\" of the \
                   deployment 11…11; its key's seed is 00 01 … 1f.";
    let vectors = json!({
        "comment": comment,
        "inclusion": included.map(inclusion),
        "consistency": grown.map(consistency),
        "seed": hex(&SEED),
        "secret_key": key.secret().to_string(),
        "key": key.verifier().to_string(),
        "checkpoint": checkpoint::sign(&key, &head).as_str(),
    });
    check("proofs.json", &vectors);
}

#[test]
fn structures() {
    let layout = Layout::new(1024).expect("a possible layout");
    let volume = [0x22; 16];
    let superblock = Superblock::new([0x11; 16], volume, padded_name("contracts"), layout.blocks);
    let before = Frontier { batches: 3, ledger_next: 10, assets_next: 20, last_header: [0x55; 32], sealed: false };
    let (records, assets) = (pattern(4000), pattern(2 * BLOCK_SIZE));
    let batch = Batch {
        kind: BatchKind::Commit,
        volume,
        payload_len: records.len() as u32,
        assets_to: 24,
        assets_durable: 22,
        ledger_checksum: hash::checksum(&records),
        assets_checksum: hash::checksum(&assets),
    };
    let header = BatchHeader::new(&before, &batch);
    let after = header.frontier_after();
    let seal = Batch {
        kind: BatchKind::Seal,
        payload_len: 0,
        assets_durable: 24,
        ledger_checksum: hash::checksum(b""),
        assets_checksum: hash::checksum(b""),
        ..batch
    };
    let seal = BatchHeader::new(&after, &seal);
    let frontier = |frontier: &Frontier| {
        json!({
            "batches": frontier.batches,
            "ledger_next": frontier.ledger_next,
            "assets_next": frontier.assets_next,
            "last_header": hex(&frontier.last_header),
            "sealed": frontier.sealed,
        })
    };
    let headed = |header: &BatchHeader| json!({ "bytes": hex(header.as_bytes()), "after": frontier(&header.frontier_after()) });
    let hint = |at: &Frontier, last: u64, written: u64| {
        json!({
            "frontier": frontier(at),
            "assets_written": written,
            "last_header_block": last,
            "ledger_limit": layout.ledger_end(written),
            "bytes": hex(Hint::new(volume, at, last, written).as_bytes()),
        })
    };
    let extent = |extent: ledger_fmt::layout::Extent| json!({ "start": extent.start, "blocks": extent.blocks });
    let assets_at = [0, 31, 32, 959 - 959 % 32]
        .map(|block| json!({ "block": block, "at": layout.run(Area::Assets, block).start }));
    let comment = "The committing batch's record bytes are the first 4000 of the input of hashes.json, the asset \
                   bytes under its checksum the first 8192. The seal follows it.";
    let vectors = json!({
        "comment": comment,
        "superblock": {
            "deployment": hex(&superblock.deployment),
            "volume": hex(&volume),
            "name": "contracts",
            "blocks": layout.blocks,
            "app-console-input": extent(layout.input),
            "space": extent(layout.space),
            "chunk": layout.chunk,
            "assets_at": assets_at,
            "bytes": hex(superblock.as_bytes()),
        },
        "before": frontier(&before),
        "commit": headed(&header),
        "seal": headed(&seal),
        "hints": [hint(&Frontier::EMPTY, 0, 0), hint(&after, 10, 24), hint(&seal.frontier_after(), 12, 200)],
    });
    check("structures.json", &vectors);
}

#[test]
fn volume() {
    let mut volume = TestVolume::new("contracts");
    volume.document("one byte", &pattern(1));
    volume.document("empty", b"");
    volume.commit();
    volume.document("a block and a byte", &pattern(4097));
    volume.signed_checkpoint(&SEED);
    volume.commit();
    volume.hint(1);
    volume.document("behind the hint", &pattern(4096));
    volume.commit();
    let blocks: serde_json::Map<String, Value> = volume
        .bytes
        .chunks(BLOCK_SIZE)
        .enumerate()
        .filter_map(|(block, bytes)| {
            let used = bytes.iter().rposition(|&byte| byte != 0)? + 1;
            Some((format!("{block:03}"), hex(&bytes[..used]).into()))
        })
        .collect();
    let seen = volume.verify();
    assert_eq!(seen.findings, []);
    let comment = "A whole volume of 256 blocks, verified clean. Blocks are given without trailing zeros; those \
                   not given are zero. Hint A is that of the first start.";
    let vectors = json!({
        "comment": comment,
        "records": volume.head.records,
        "batches": volume.frontier.batches,
        "ledger_next": volume.frontier.ledger_next,
        "assets_next": volume.frontier.assets_next,
        "last_header": hex(&volume.frontier.last_header),
        "head": hex(&volume.head.hash),
        "root": hex(&volume.tree.root()),
        "blocks": blocks,
    });
    check("volume.json", &vectors);
}
