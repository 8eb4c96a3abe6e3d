//! Payloads of every kind, made from the keys that are listed of it: so a new kind is tested, here and in the second
//! verifier, as soon as it is listed.

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;

use crate::cbor::{self, MapWriter};
use crate::payload::{Form, Key, PAYLOAD_MAX};
use crate::record::Kind;

/// The keys of a map, in their order, with their values.
type Fields = Vec<(&'static str, Sample)>;

#[derive(Clone)]
enum Sample {
    Uint(u64),
    Bool(bool),
    /// So many bytes.
    Bytes(usize),
    /// A text of so many bytes.
    Text(usize),
    Map(Fields),
    Maps(Vec<Fields>),
}

/// Payloads, and whether each has the form of this kind: with the keys it must have, with all keys, with one it does not
/// list, with the longest value of each; without one it must have, and with a value of another form.
pub fn payloads(kind: Kind) -> Vec<(Vec<u8>, bool)> {
    let keys = kind.keys();
    let all = whole(keys, true);
    let mut unlisted = all.clone();
    unlisted.push(("a key that nobody lists", Sample::Maps(Vec::new())));
    let longest = (0..keys.len()).map(|at| with(&all, at, longest(&keys[at].form)));
    let sound = [whole(keys, false), all.clone(), unlisted].into_iter().chain(longest);
    let unsound = unsound(keys);
    let payloads = sound.map(|fields| (fields, true)).chain(unsound.into_iter().map(|fields| (fields, false)));
    payloads.filter_map(|(fields, fits)| Some((written(&fields)?, fits))).collect()
}

/// A value for each key, or for each that must be there.
fn whole(keys: &[Key], all: bool) -> Fields {
    keys.iter().filter(|key| all || key.required).map(|key| (key.name, shortest(&key.form))).collect()
}

fn shortest(form: &Form) -> Sample {
    match form {
        Form::Uint => Sample::Uint(1),
        Form::Bool => Sample::Bool(false),
        Form::Bytes(min, _) => Sample::Bytes(*min),
        Form::Text(_) => Sample::Text(1),
        Form::Map(keys) => Sample::Map(whole(keys, true)),
        Form::Maps(keys) => Sample::Maps(vec![whole(keys, true)]),
        Form::Texts => Sample::Map(vec![("any", Sample::Text(1))]),
        Form::Digests => Sample::Map(vec![("any", Sample::Bytes(1))]),
    }
}

fn longest(form: &Form) -> Sample {
    match form {
        Form::Uint => Sample::Uint(u64::MAX),
        Form::Bytes(_, max) => Sample::Bytes(*max),
        Form::Text(max) => Sample::Text(*max),
        Form::Maps(keys) => Sample::Maps(vec![whole(keys, true), whole(keys, false)]),
        _ => shortest(form),
    }
}

/// Values that are not of this form.
fn wrong(form: &Form) -> Vec<Sample> {
    let of_another = match form {
        Form::Uint => Sample::Bool(true),
        _ => Sample::Uint(1),
    };
    let more = match form {
        Form::Uint | Form::Bool => Vec::new(),
        Form::Bytes(0, max) => vec![Sample::Bytes(max + 1)],
        Form::Bytes(min, max) => vec![Sample::Bytes(min - 1), Sample::Bytes(max + 1)],
        Form::Text(max) => vec![Sample::Text(0), Sample::Text(max + 1)],
        Form::Map(keys) => unsound(keys).into_iter().map(Sample::Map).collect(),
        Form::Maps(keys) => {
            unsound(keys).into_iter().map(|map| Sample::Maps(vec![whole(keys, true), map])).collect()
        }
        Form::Texts => vec![Sample::Map(vec![("any", Sample::Bytes(1))])],
        Form::Digests => vec![Sample::Map(vec![("any", Sample::Text(1))])],
    };
    [of_another, Sample::Maps(vec![Vec::new()])].into_iter().chain(more).collect()
}

/// Maps that lack a key, or have a wrong value of one.
fn unsound(keys: &[Key]) -> Vec<Fields> {
    let all = whole(keys, true);
    let mut unsound = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        if key.required {
            let mut without = all.clone();
            without.remove(at);
            unsound.push(without);
        }
        unsound.extend(wrong(&key.form).into_iter().map(|value| with(&all, at, value)));
    }
    unsound
}

fn with(fields: &Fields, at: usize, value: Sample) -> Fields {
    let mut fields = fields.clone();
    fields[at].1 = value;
    fields
}

/// A payload; `None` if it is longer than one may be.
fn written(fields: &Fields) -> Option<Vec<u8>> {
    let mut out = vec![0; PAYLOAD_MAX];
    let len = cbor::write(&mut out, |map| fill(fields, map))?;
    out.truncate(len);
    Some(out)
}

fn fill(fields: &Fields, map: &mut MapWriter<'_, '_>) {
    for (key, value) in fields {
        match value {
            Sample::Uint(number) => map.uint(key, *number),
            Sample::Bool(truth) => map.bool(key, *truth),
            Sample::Bytes(len) => map.bytes(key, &vec![7; *len]),
            Sample::Text(len) => map.text(key, &vec!["x"; *len].concat()),
            Sample::Map(fields) => map.map(key, |map| fill(fields, map)),
            Sample::Maps(list) => map.maps(key, list, fill),
        }
    }
}
