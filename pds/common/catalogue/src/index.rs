//! An index block: for each child the least key that it can hold, its *separator*, and its block. See
//! `docs/catalogue.md`, "Index block".

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::block::{self, BLOCK, HEADER, Key, Range};
use crate::code::{Bytes, Malformed, Short};
use crate::entry::{NEWEST, Target, common};

/// A separator: the shortest beginning of a child's first name that comes after the names before it; or, where a name's
/// versions go on from one child to the next, the name and the version next to the one before. So whatever a search
/// for a version wants is in the child it leads to, or nowhere.
#[derive(Clone, Debug, Default)]
pub struct Separator {
    /// The beginning of the name, or the name.
    pub name: Vec<u8>,
    /// The version; [`NEWEST`] if the name alone separates.
    pub version: u64,
}

impl Separator {
    /// Between an entry, by its name and version, and the next one's name.
    pub fn between(before: &[u8], version: u64, name: &[u8]) -> Self {
        if before == name {
            return Separator { name: name.to_vec(), version: version.saturating_sub(1) };
        }
        let len = (common(before, name) + 1).min(name.len());
        Separator { name: name[..len].to_vec(), version: NEWEST }
    }

    /// Before every entry.
    pub fn first() -> Self {
        Separator { name: Vec::new(), version: NEWEST }
    }
}

/// An index block that is being filled.
#[derive(Debug)]
pub struct Writer {
    bytes: Box<[u8]>,
    end: usize,
    count: u16,
    /// The first separator, which is the block's own.
    first: Separator,
    last: Vec<u8>,
    last_child: u32,
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        let bytes = vec![0; BLOCK].into_boxed_slice();
        Writer { bytes, end: HEADER, count: 0, first: Separator::first(), last: Vec::new(), last_child: 0 }
    }

    /// Adds a child; false, and nothing changes, if there is no room.
    pub fn push(&mut self, separator: &Separator, child: u32, from: u64) -> bool {
        let name = &separator.name;
        let shared = if self.count == 0 { 0 } else { common(&self.last, name) };
        let (mut lengths, mut values) = (Short::<6>::new(), Short::<16>::new());
        lengths.number(shared as u64);
        lengths.number((name.len() - shared) as u64);
        let version = separator.version;
        values.number(if version == NEWEST { 0 } else { version.wrapping_sub(from).wrapping_add(1) });
        values.number((child - self.last_child).into());
        let parts = [lengths.bytes(), &name[shared..], values.bytes()];
        if !block::append(&mut self.bytes, &mut self.end, parts) {
            return false;
        }
        if self.count == 0 {
            self.first.clone_from(separator);
        }
        self.count += 1;
        self.last.clone_from(name);
        self.last_child = child;
        true
    }

    /// Appends the finished block to `out`, and is empty again. Returns its separator.
    pub fn finish(&mut self, key: &Key, range: Range, index: u32, level: u8, out: &mut Vec<u8>) -> Separator {
        block::seal(&mut self.bytes, key, range, index, level, self.count, self.end);
        out.extend_from_slice(&self.bytes);
        self.bytes[HEADER..self.end].fill(0);
        (self.end, self.count, self.last_child) = (HEADER, 0, 0);
        core::mem::replace(&mut self.first, Separator::first())
    }
}

/// The children of an index block, in order.
pub fn children(index: &[u8]) -> impl Iterator<Item = u32> {
    let header = block::header(index);
    let mut bytes = Bytes::new(index.get(..header.end.get().into()).unwrap_or_default(), HEADER);
    let mut child = 0u32;
    (0..header.count.get()).map_while(move |_| {
        let (_, len) = (bytes.length().ok()?, bytes.length().ok()?);
        let (_, _) = (bytes.take(len).ok()?, bytes.number().ok()?);
        child = child.checked_add(u32::try_from(bytes.number().ok()?).ok()?)?;
        Some(child)
    })
}

/// How a separator that was passed compares with the target's name.
enum Passed {
    /// It is less, and has this many bytes in common with it.
    Less(usize),
    /// It is the same.
    Same,
}

/// The child that has the target, or would have it: the last one whose separator does not come after
/// the target. The names are compared without being put together: a separator that shares more with the one before
/// than that one with the target compares as it does.
pub fn find(index: &[u8], range: Range, target: &Target) -> Result<u32, Malformed> {
    let header = block::header(index);
    let wanted = &target.name[..];
    let mut bytes = Bytes::new(index.get(..header.end.get().into()).ok_or(Malformed)?, HEADER);
    let (mut passed, mut child, mut found) = (Passed::Less(0), 0u32, None);
    for _ in 0..header.count.get() {
        let (shared, len) = (bytes.length()?, bytes.length()?);
        let suffix = bytes.take(len)?;
        let version = match bytes.number()? {
            0 => NEWEST,
            version => range.from.wrapping_add(version - 1),
        };
        let step = u32::try_from(bytes.number()?).map_err(|_| Malformed)?;
        child = child.checked_add(step).ok_or(Malformed)?;
        passed = match passed {
            Passed::Less(matched) if shared > matched => Passed::Less(matched),
            Passed::Less(matched) if shared < matched && found.is_some() => break,
            Passed::Less(matched) if shared == matched => {
                let rest = &wanted[matched..];
                let more = common(suffix, rest);
                match (suffix.get(more), rest.get(more)) {
                    (None, None) => Passed::Same,
                    (None, Some(_)) => Passed::Less(matched + more),
                    (Some(byte), Some(wanted)) if byte < wanted => Passed::Less(matched + more),
                    _ => break,
                }
            }
            Passed::Same if shared == wanted.len() && suffix.is_empty() => Passed::Same,
            _ => break,
        };
        if matches!(passed, Passed::Same) && version < target.version {
            break;
        }
        found = Some(child);
    }
    found.ok_or(Malformed)
}
