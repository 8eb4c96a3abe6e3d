//! The kinds of records and what their payloads say: the keys of each kind, and readers and writers of those this project gives a
//! meaning. A key that is not listed is kept and shown, whatever its value; a listed one has the form that is listed.

use crate::Hash;
use crate::cbor::{self, Map, MapWriter, Value};
use crate::hash::ContentHash;
use crate::layout::NAME_LEN_MAX;
use crate::tree::Edge;

/// Bytes of a payload at most: a record with its batch header always fits one block.
pub const PAYLOAD_MAX: usize = 3760;

/// Bytes of a document's name at most.
pub const DOCUMENT_NAME_MAX: usize = 1024;

/// One row a kind: number, name in listings and in `records.jsonl`, and the keys of its payload.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $number:literal, $name:literal, $keys:expr;)*) => {
        /// What a record says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$doc])* $kind = $number,)*
        }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// The kind with this number.
            pub const fn from_u16(n: u16) -> Option<Kind> {
                match n {
                    $($number => Some(Kind::$kind),)*
                    _ => None,
                }
            }

            /// The kind's name in listings and in `records.jsonl`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }

            /// What is in its payload.
            pub(crate) const fn keys(self) -> &'static [Key] {
                match self {
                    $(Kind::$kind => $keys,)*
                }
            }
        }
    };
}

impl Kind {
    /// Whether an audit record has records of this kind.
    pub const fn is_in_audit_records(self) -> bool {
        matches!(self, Kind::Genesis | Kind::Lifecycle) || self as u16 >= Kind::AuditResult as u16
    }
}

kinds! {
    /// The first record of a ledger: which ledger it is.
    Genesis = 1, "genesis", GENESIS;
    /// A document.
    Document = 2, "document", DOCUMENT;
    /// A lifecycle transition.
    Lifecycle = 3, "lifecycle", LIFECYCLE;
    /// The tree head so far, signed or not.
    Checkpoint = 4, "checkpoint", CHECKPOINT;
    /// Audit record: the result of one verification.
    AuditResult = 16, "audit-result", AUDIT_RESULT;
    /// Audit record: a flag raised.
    Flag = 17, "flag", FLAG;
    /// Audit record: a flag acknowledged.
    Acknowledgement = 18, "acknowledgement", ACKNOWLEDGEMENT;
    /// Audit record: the appliance started.
    Boot = 19, "boot", BOOT;
    /// Audit record: a domain faulted.
    Fault = 20, "fault", FAULT;
}

/// A key of a payload.
#[derive(Debug)]
pub struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) required: bool,
}

/// What the value of a key must be.
#[derive(Debug)]
pub(crate) enum Form {
    Uint,
    Bool,
    /// So many bytes, from and to.
    Bytes(usize, usize),
    /// A text of 1 to so many bytes.
    Text(usize),
    /// A map with these keys, and perhaps others.
    Map(&'static [Key]),
    /// A list of maps with these keys, and perhaps others.
    Maps(&'static [Key]),
    /// A map whose values are texts.
    Texts,
    /// A map whose values are bytes.
    Digests,
}

const fn required(name: &'static str, form: Form) -> Key {
    Key { name, form, required: true }
}

const fn optional(name: &'static str, form: Form) -> Key {
    Key { name, form, required: false }
}

const HASH: Form = Form::Bytes(32, 32);

/// The name of a kind, a state, a cause.
const WORD: Form = Form::Text(32);

/// Which ledger it is.
const GENESIS: &[Key] = &[
    required("name", Form::Text(NAME_LEN_MAX)),
    required("volume", Form::Bytes(16, 16)),
    required("deployment", Form::Bytes(16, 16)),
];

/// A document, or that there is none of this name any more.
const DOCUMENT: &[Key] = &[
    optional("by", Form::Text(255)),
    optional("etag", Form::Bytes(1, 16)),
    optional("hold", Form::Bool),
    optional("meta", Form::Texts),
    required("name", Form::Text(DOCUMENT_NAME_MAX)),
    optional("sums", Form::Digests),
    optional("type", Form::Text(255)),
    optional("parts", Form::Uint),
    optional("token", Form::Bytes(1, 64)),
    optional("until", Form::Uint),
    optional("content", Form::Map(CONTENT)),
    optional("supersedes", Form::Uint),
];

/// The content of a document. There is none in a delete marker.
const CONTENT: &[Key] = &[
    optional("at", Form::Uint),
    required("size", Form::Uint),
    required("blake3", HASH),
    required("sha256", HASH),
];

/// Where a transition leads, and why; in the audit record, that of an archive.
const LIFECYCLE: &[Key] = &[
    required("to", WORD),
    required("from", WORD),
    required("cause", WORD),
    optional("archive", Form::Text(NAME_LEN_MAX)),
    optional("late_ms", Form::Uint),
];

/// The tree over all records before, and a signed note that states it once more.
const CHECKPOINT: &[Key] =
    &[optional("note", Form::Text(PAYLOAD_MAX)), required("root", HASH), required("size", Form::Uint)];

/// The result of a verification of an archive's volume: the records it is about, what it found, and how far the volume
/// is verified with it.
const AUDIT_RESULT: &[Key] = &[
    required("to", Form::Uint),
    required("from", Form::Uint),
    required("head", HASH),
    optional("more", Form::Maps(FOUND)),
    required("root", HASH),
    optional("seen", Form::Map(POINT)),
    required("audit", WORD),
    required("bytes", Form::Uint),
    optional("first", Form::Map(FOUND)),
    optional("sample", Form::Map(POINT)),
    required("archive", Form::Text(NAME_LEN_MAX)),
    required("verdict", WORD),
    optional("findings", Form::Uint),
    required("duration_ms", Form::Uint),
];

/// A finding, or several of a kind from a block and a record to others.
const FOUND: &[Key] = &[
    required("area", WORD),
    required("kind", WORD),
    required("block", Form::Uint),
    optional("record", Form::Uint),
    optional("findings", Form::Uint),
    optional("last_block", Form::Uint),
    optional("last_record", Form::Uint),
];

/// A place between two batches: the frontier there, and what the records before add up to.
const POINT: &[Key] = &[
    optional("edge", Form::Bytes(0, 32 * 64)),
    required("head", HASH),
    required("assets", Form::Uint),
    required("header", HASH),
    required("ledger", Form::Uint),
    required("sealed", Form::Bool),
    required("batches", Form::Uint),
    required("records", Form::Uint),
];

/// A flag that was raised.
const FLAG: &[Key] = &[
    optional("area", WORD),
    required("flag", Form::Uint),
    required("kind", WORD),
    optional("what", WORD),
    optional("block", Form::Uint),
    optional("detail", Form::Uint),
    optional("record", Form::Uint),
    optional("status", Form::Uint),
    optional("archive", Form::Text(NAME_LEN_MAX)),
    optional("late_ms", Form::Uint),
    optional("instruction", Form::Uint),
];

/// A flag that was acknowledged, and why.
const ACKNOWLEDGEMENT: &[Key] = &[
    required("flag", Form::Uint),
    required("kind", WORD),
    required("reason", Form::Text(255)),
    optional("archive", Form::Text(NAME_LEN_MAX)),
    optional("late_ms", Form::Uint),
];

/// A start of the appliance.
const BOOT: &[Key] = &[required("archives", Form::Uint), required("deployment", Form::Bytes(16, 16))];

/// An archive that has faulted.
const FAULT: &[Key] = &[
    required("fault", WORD),
    optional("status", Form::Uint),
    optional("address", Form::Uint),
    required("archive", Form::Text(NAME_LEN_MAX)),
    optional("late_ms", Form::Uint),
    optional("instruction", Form::Uint),
];

/// Whether a payload has the keys it must have, and those listed here have the form they must have.
pub(crate) fn fits(map: Map<'_>, keys: &[Key]) -> bool {
    let mut missing = keys.iter().filter(|key| key.required).count();
    map.iter().all(|(name, value)| match keys.iter().find(|key| key.name == name) {
        Some(key) => {
            missing -= usize::from(key.required);
            key.form.fits(value)
        }
        None => true,
    }) && missing == 0
}

impl Form {
    fn fits(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Form::Uint, Value::Uint(_)) | (Form::Bool, Value::Bool(_)) => true,
            (Form::Bytes(min, max), Value::Bytes(bytes)) => (*min..=*max).contains(&bytes.len()),
            (Form::Text(max), Value::Text(text)) => (1..=*max).contains(&text.len()),
            (Form::Map(keys), Value::Map(map)) => fits(map, keys),
            (Form::Maps(keys), Value::List(list)) => {
                list.iter().all(|value| value.map().is_some_and(|map| fits(map, keys)))
            }
            (Form::Texts, Value::Map(map)) => map.iter().all(|(_, value)| value.text().is_some()),
            (Form::Digests, Value::Map(map)) => map.iter().all(|(_, value)| value.bytes().is_some()),
            _ => false,
        }
    }
}

/// The payload of the first record of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis<'a> {
    /// The deployment, as in the superblock.
    pub deployment: [u8; 16],
    /// The volume, as in the superblock.
    pub volume: [u8; 16],
    /// The archive's name.
    pub name: &'a str,
}

/// Bytes of a genesis record's payload at most.
pub const GENESIS_MAX: usize = 100;

impl<'a> Genesis<'a> {
    /// Reads a payload; `None` if it is not one of a genesis record.
    pub fn read(payload: &'a [u8]) -> Option<Genesis<'a>> {
        let map = Map::read(payload).filter(|map| fits(*map, GENESIS))?;
        Some(Genesis {
            deployment: map.get("deployment")?.bytes()?.try_into().ok()?,
            volume: map.get("volume")?.bytes()?.try_into().ok()?,
            name: map.get("name")?.text()?,
        })
    }

    /// Writes the payload and returns its length; `None` if `out` is too short.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        cbor::write(out, |map| {
            map.text("name", self.name);
            map.bytes("volume", &self.volume);
            map.bytes("deployment", &self.deployment);
        })
    }
}

/// The content of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    /// Its hashes.
    pub hash: ContentHash,
    /// Where it begins, in blocks from the start of `assets/`; 0, which is not written, if it has no bytes.
    pub block: u64,
}

impl Content {
    fn read(map: Map<'_>) -> Option<Content> {
        let size = map.get("size")?.uint()?;
        let block = match (map.get("at"), size) {
            (None, 0) => 0,
            (Some(at), 1..) => at.uint()?,
            _ => return None,
        };
        let hash = |key| map.get(key)?.bytes()?.try_into().ok();
        Some(Content { size, hash: ContentHash { blake3: hash("blake3")?, sha256: hash("sha256")? }, block })
    }

    fn write(&self, map: &mut MapWriter<'_, '_>) {
        if self.size > 0 {
            map.uint("at", self.block);
        }
        map.uint("size", self.size);
        map.bytes("blake3", &self.hash.blake3);
        map.bytes("sha256", &self.hash.sha256);
    }
}

/// What this project reads of a document's payload, and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// What it is called: 1 to [`DOCUMENT_NAME_MAX`] bytes. A label, not a path.
    pub name: &'a str,
    /// Its content; `None` says that there is no document of this name any more.
    pub content: Option<Content>,
    /// The number of the record it takes the place of.
    pub supersedes: Option<u64>,
}

/// Bytes of the payload of a document that has content, at least.
pub const DOCUMENT_MIN: usize = 105;

/// Bytes of a document's payload without its name, at most, as [`Document::write`] makes it.
pub const DOCUMENT_REST_MAX: usize = 160;

const _: () = assert!(DOCUMENT_NAME_MAX + DOCUMENT_REST_MAX <= PAYLOAD_MAX);

impl<'a> Document<'a> {
    /// Reads a payload; `None` if it is not one of a document.
    pub fn read(payload: &'a [u8]) -> Option<Document<'a>> {
        let map = Map::read(payload)?;
        let (mut name, mut content, mut supersedes) = (None, None, None);
        for (key, value) in map.iter() {
            match key {
                "name" => name = Some(value.text()?),
                "content" => content = Some(Content::read(value.map()?)?),
                "supersedes" => supersedes = Some(value.uint()?),
                _ => {}
            }
        }
        let name = name.filter(|name| (1..=DOCUMENT_NAME_MAX).contains(&name.len()))?;
        Some(Document { name, content, supersedes })
    }

    /// Writes the payload and returns its length; `None` if `out` is too short.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        cbor::write(out, |map| {
            map.text("name", self.name);
            if let Some(content) = &self.content {
                map.map("content", |map| content.write(map));
            }
            if let Some(supersedes) = self.supersedes {
                map.uint("supersedes", supersedes);
            }
        })
    }
}

/// The payload of a lifecycle record: names of states, and of the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifecycle<'a> {
    /// What the archive was.
    pub from: &'a str,
    /// What it is from here on.
    pub to: &'a str,
    /// Why.
    pub cause: &'a str,
}

/// Bytes of a lifecycle record's payload at most.
pub const LIFECYCLE_MAX: usize = 70;

impl<'a> Lifecycle<'a> {
    /// Reads a payload; `None` if it is not one of a lifecycle record.
    pub fn read(payload: &'a [u8]) -> Option<Lifecycle<'a>> {
        let map = Map::read(payload).filter(|map| fits(*map, LIFECYCLE))?;
        let text = |key| map.get(key)?.text();
        Some(Lifecycle { from: text("from")?, to: text("to")?, cause: text("cause")? })
    }

    /// Writes the payload and returns its length; `None` if `out` is too short.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        cbor::write(out, |map| {
            map.text("to", self.to);
            map.text("from", self.from);
            map.text("cause", self.cause);
        })
    }
}

/// The size and the root of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves; in a checkpoint the record's own sequence number.
    pub size: u64,
    /// The RFC 6962 root.
    pub root: Hash,
}

impl TreeHead {
    /// That of the tree with this edge.
    pub fn of(tree: &Edge) -> TreeHead {
        TreeHead { size: tree.size(), root: tree.root() }
    }
}

/// The payload of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated<'a> {
    /// The tree over all records before.
    pub tree: TreeHead,
    /// A signed checkpoint ([`crate::checkpoint`]) that states it once more.
    pub note: Option<&'a str>,
}

/// Bytes of a checkpoint's payload without its note, at most.
pub const CHECKPOINT_REST_MAX: usize = 70;

impl<'a> Stated<'a> {
    /// Reads a payload; `None` if it is not one of a checkpoint.
    pub fn read(payload: &'a [u8]) -> Option<Stated<'a>> {
        let map = Map::read(payload).filter(|map| fits(*map, CHECKPOINT))?;
        let note = map.get("note").and_then(Value::text);
        let tree = TreeHead { size: map.get("size")?.uint()?, root: map.get("root")?.bytes()?.try_into().ok()? };
        Some(Stated { tree, note })
    }

    /// Writes the payload and returns its length; `None` if `out` is too short.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        cbor::write(out, |map| {
            if let Some(note) = self.note {
                map.text("note", note);
            }
            map.bytes("root", &self.tree.root);
            map.uint("size", self.tree.size);
        })
    }
}
