//! Payloads are maps in deterministic CBOR (RFC 8949, section 4.2.1): one form for one meaning. Of CBOR's values there
//! are those that records need: unsigned numbers, byte and text strings, truth values, lists, and maps whose keys are
//! texts. Everything has its shortest form and a definite length, and the keys of a map are in the order of their bytes,
//! shorter ones first. Whatever is not so is not read at all.

use core::ops::Range;

/// Maps and lists in each other at most, the payload's map included.
pub const DEPTH_MAX: usize = 4;

// The major types of RFC 8949, section 3.1, and the two simple values.
const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;
const FALSE: u64 = 20;
const TRUE: u64 = 21;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An unsigned number.
    Uint(u64),
    /// True or false.
    Bool(bool),
    /// Bytes.
    Bytes(&'a [u8]),
    /// UTF-8.
    Text(&'a str),
    /// Values one behind another.
    List(List<'a>),
    /// Values by key.
    Map(Map<'a>),
}

impl<'a> Value<'a> {
    /// The number, if it is one.
    pub fn uint(self) -> Option<u64> {
        if let Value::Uint(number) = self { Some(number) } else { None }
    }

    /// The bytes, if it is bytes.
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Value::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The text, if it is one.
    pub fn text(self) -> Option<&'a str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// The list, if it is one.
    pub fn list(self) -> Option<List<'a>> {
        if let Value::List(list) = self { Some(list) } else { None }
    }

    /// The map, if it is one.
    pub fn map(self) -> Option<Map<'a>> {
        if let Value::Map(map) = self { Some(map) } else { None }
    }
}

/// A list whose form was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<'a>(&'a [u8]);

impl<'a> List<'a> {
    /// Its values.
    pub fn iter(self) -> impl Iterator<Item = Value<'a>> {
        let mut rest = self.0;
        core::iter::from_fn(move || take(&mut rest, DEPTH_MAX))
    }
}

/// A map whose form was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map<'a>(&'a [u8]);

impl<'a> Map<'a> {
    /// The map that `bytes` are, all of them; `None` if they are not one in the form above.
    pub fn read(bytes: &'a [u8]) -> Option<Map<'a>> {
        let mut rest = bytes;
        let value = take(&mut rest, DEPTH_MAX)?;
        value.map().filter(|_| rest.is_empty())
    }

    /// Its keys and values, in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let mut rest = self.0;
        core::iter::from_fn(move || Some((take(&mut rest, 1)?.text()?, take(&mut rest, DEPTH_MAX)?)))
    }

    /// The value of a key.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.iter().find(|(found, _)| *found == key).map(|(_, value)| value)
    }
}

/// Takes the value at the start of `bytes`, in which maps and lists are no deeper than `depth`.
fn take<'a>(bytes: &mut &'a [u8], depth: usize) -> Option<Value<'a>> {
    let (major, argument) = take_head(bytes)?;
    Some(match major {
        UINT => Value::Uint(argument),
        BYTES => Value::Bytes(take_bytes(bytes, argument)?),
        TEXT => Value::Text(core::str::from_utf8(take_bytes(bytes, argument)?).ok()?),
        LIST => {
            let (start, depth) = (*bytes, depth.checked_sub(1)?);
            for _ in 0..argument {
                take(bytes, depth)?;
            }
            Value::List(List(taken(start, bytes)))
        }
        MAP => {
            let (start, depth) = (*bytes, depth.checked_sub(1)?);
            let mut before: Option<&str> = None;
            for _ in 0..argument {
                let key = take(bytes, 0)?.text()?;
                let in_order = |before: &str| (before.len(), before) < (key.len(), key);
                before.is_none_or(in_order).then_some(())?;
                before = Some(key);
                take(bytes, depth)?;
            }
            Value::Map(Map(taken(start, bytes)))
        }
        SIMPLE if argument == FALSE => Value::Bool(false),
        SIMPLE if argument == TRUE => Value::Bool(true),
        _ => return None,
    })
}

/// The bytes before `rest`, which is the end of `all`.
fn taken<'a>(all: &'a [u8], rest: &[u8]) -> &'a [u8] {
    &all[..all.len() - rest.len()]
}

/// Takes what every value begins with: its major type and a number in its shortest form.
fn take_head(bytes: &mut &[u8]) -> Option<(u8, u64)> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    let (major, low) = (first >> 5, first & 31);
    let (len, least) = match low {
        0..24 => return Some((major, low.into())),
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        _ => return None,
    };
    let number = take_bytes(bytes, len)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
    (number >= least).then_some((major, number))
}

fn take_bytes<'a>(bytes: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// Writes a payload: the map that `fill` fills. Returns its length, or `None` if `out` has no room for it.
pub fn write(out: &mut [u8], fill: impl FnOnce(&mut MapWriter<'_, '_>)) -> Option<usize> {
    let mut out = Out { bytes: out, len: 0 };
    out.map(fill);
    (out.len <= out.bytes.len()).then_some(out.len)
}

/// Where a payload is written to. What has no room is counted and left out.
#[derive(Debug)]
struct Out<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

/// A map that is being written. Its keys come in their order, and there are at most 23.
#[derive(Debug)]
pub struct MapWriter<'o, 'a> {
    out: &'o mut Out<'a>,
    /// Where its head stands, how many keys it has, and where the last one stands.
    head: usize,
    keys: u8,
    last: Range<usize>,
}

impl<'a> MapWriter<'_, 'a> {
    /// Writes a number.
    pub fn uint(&mut self, key: &str, number: u64) {
        self.value(key, Value::Uint(number));
    }

    /// Writes a truth value.
    pub fn bool(&mut self, key: &str, truth: bool) {
        self.value(key, Value::Bool(truth));
    }

    /// Writes bytes.
    pub fn bytes(&mut self, key: &str, bytes: &[u8]) {
        self.value(key, Value::Bytes(bytes));
    }

    /// Writes bytes that are these pieces, of so many bytes in all.
    pub fn pieces<'p>(&mut self, key: &str, len: usize, pieces: impl Iterator<Item = &'p [u8]>) {
        let out = self.key(key);
        out.head(BYTES, len as u64);
        pieces.for_each(|piece| out.put(piece));
    }

    /// Writes a text.
    pub fn text(&mut self, key: &str, text: &str) {
        self.value(key, Value::Text(text));
    }

    /// Writes the map that `fill` fills.
    pub fn map(&mut self, key: &str, fill: impl FnOnce(&mut MapWriter<'_, '_>)) {
        self.key(key).map(fill);
    }

    /// Writes a list of maps: `fill` fills each with what belongs to its item.
    pub fn maps<T>(&mut self, key: &str, items: &[T], fill: impl Fn(&T, &mut MapWriter<'_, '_>)) {
        let out = self.key(key);
        out.head(LIST, items.len() as u64);
        items.iter().for_each(|item| out.map(|map| fill(item, map)));
    }

    /// Writes a value.
    pub fn value(&mut self, key: &str, value: Value<'_>) {
        self.key(key).value(value);
    }

    fn key(&mut self, key: &str) -> &mut Out<'a> {
        let start = self.out.len;
        self.out.string(TEXT, key.as_bytes());
        let before = self.out.bytes.get(core::mem::replace(&mut self.last, start..self.out.len));
        let this = self.out.bytes.get(self.last.clone());
        // The head of a short text is one byte that grows with its length, so whole keys compare as they have to.
        debug_assert!(self.keys == 0 || this.is_none() || before < this, "{key} is out of order");
        self.keys += 1;
        if let Some(head) = self.out.bytes.get_mut(self.head) {
            debug_assert!(self.keys < 24, "a longer map has a longer head");
            *head = MAP << 5 | self.keys;
        }
        self.out
    }
}

impl Out<'_> {
    fn map(&mut self, fill: impl FnOnce(&mut MapWriter<'_, '_>)) {
        let head = self.len;
        self.put(&[MAP << 5]);
        fill(&mut MapWriter { out: self, head, keys: 0, last: 0..0 });
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Uint(number) => self.head(UINT, number),
            Value::Bool(truth) => self.head(SIMPLE, if truth { TRUE } else { FALSE }),
            Value::Bytes(bytes) => self.string(BYTES, bytes),
            Value::Text(text) => self.string(TEXT, text.as_bytes()),
            Value::List(list) => {
                self.head(LIST, list.iter().count() as u64);
                list.iter().for_each(|value| self.value(value));
            }
            Value::Map(map) => {
                self.head(MAP, map.iter().count() as u64);
                for (key, value) in map.iter() {
                    self.string(TEXT, key.as_bytes());
                    self.value(value);
                }
            }
        }
    }

    fn string(&mut self, major: u8, bytes: &[u8]) {
        self.head(major, bytes.len() as u64);
        self.put(bytes);
    }

    fn head(&mut self, major: u8, number: u64) {
        let bytes = number.to_be_bytes();
        let (low, len) = match number {
            0..24 => return self.put(&[major << 5 | number as u8]),
            24..0x100 => (24, 1),
            0x100..0x1_0000 => (25, 2),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 8),
        };
        self.put(&[major << 5 | low]);
        self.put(&bytes[8 - len..]);
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
        }
        // Once something has had no room, nothing behind it has any.
        self.len = end;
    }
}
