//! Reading the flat JSON objects of the audit record: as much JSON as its payloads have, and not a byte
//! more. What it reads comes from a disk: nothing in it is trusted, and nothing panics.

use heapless::String;
use ledger_fmt::Hash;

/// An object's text, without its braces.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a>(&'a str);

#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(&'a str);

impl<'a> Object<'a> {
    pub fn new(text: &'a str) -> Option<Object<'a>> {
        text.strip_prefix('{')?.strip_suffix('}').map(Object)
    }

    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        let mut rest = self.0;
        loop {
            let (name, behind) = string(rest)?;
            let value = behind.strip_prefix(':')?;
            let end = value_end(value)?;
            if name == key {
                return Some(Value(&value[..end]));
            }
            rest = value[end..].strip_prefix(',')?;
        }
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.0.parse().ok()
    }

    /// The string at a key, escapes as they stand.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        let (text, rest) = string(self.get(key)?.0)?;
        rest.is_empty().then_some(text)
    }

    pub fn object(&self, key: &str) -> Option<Object<'a>> {
        Object::new(self.get(key)?.0)
    }

    /// The objects of the list at a key; none if there is no list of objects.
    pub fn list(&self, key: &str) -> impl Iterator<Item = Object<'a>> + use<'a> {
        let list = self.get(key).and_then(|value| value.0.strip_prefix('[')?.strip_suffix(']'));
        let mut rest = list.unwrap_or("");
        core::iter::from_fn(move || {
            let (object, behind) = rest.split_at(value_end(rest)?);
            rest = behind.strip_prefix(',').unwrap_or("");
            Object::new(object)
        })
    }

    pub fn hash(&self, key: &str) -> Option<Hash> {
        hash(self.text(key)?)
    }
}

/// The hash in 64 hex digits.
pub fn hash(digits: &str) -> Option<Hash> {
    let digits = digits.as_bytes();
    let mut hash = Hash::default();
    if digits.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(hash)
}

/// The string at the start of `text`, and what is behind it.
fn string(text: &str) -> Option<(&str, &str)> {
    let body = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((&body[..at], &body[at + 1..])),
            _ => {}
        }
    }
    None
}

/// Where the value at the start of `text` ends.
fn value_end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => {
                let (_, rest) = string(&text[at..])?;
                at = text.len() - rest.len();
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    (depth == 0 && at > 0).then_some(at)
}

/// A string with its escapes undone; `None` if it is no string of ours or has more than `N` bytes.
pub fn unescape<const N: usize>(escaped: &str) -> Option<String<N>> {
    let mut out = String::new();
    let mut chars = escaped.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' { chars.next().filter(|c| matches!(c, '"' | '\\'))? } else { c };
        out.push(c).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"name":"a\"b\\","n":17,"inner":{"x":1,"y":{"z":"}"}},"last":false}"#;

    #[test]
    fn values_are_found_by_their_keys() {
        let object = Object::new(TEXT).unwrap();
        assert_eq!(object.text("name"), Some(r#"a\"b\\"#));
        assert_eq!((object.number("n"), object.number("name"), object.number("none")), (Some(17), None, None));
        let inner = object.object("inner").unwrap();
        assert_eq!(inner.number("x"), Some(1));
        assert_eq!(inner.object("y").unwrap().text("z"), Some("}"));
        assert_eq!(object.get("last").unwrap().0, "false");
        assert_eq!(object.text("inner"), None);
        assert_eq!(Object::new("{}").unwrap().get("a").map(|value| value.0), None);
        assert_eq!(unescape::<4>(r#"a\"b\\"#).as_deref(), Some(r#"a"b\"#));
        assert_eq!(unescape::<4>("abcde"), None);
    }

    #[test]
    fn lists_of_objects_are_gone_through() {
        let object =
            Object::new(r#"{"a":[{"n":1},{"n":2,"t":"],["}],"b":[],"c":[3,{"n":4}],"d":7,"last":8}"#).unwrap();
        let numbers = |key| object.list(key).filter_map(|inner| inner.number("n")).collect::<alloc::vec::Vec<_>>();
        assert_eq!(numbers("a"), [1, 2]);
        for key in ["b", "c", "d", "none"] {
            assert_eq!(numbers(key), [], "{key}");
        }
        assert_eq!(object.number("last"), Some(8));
        for text in
            [r#"{"a":[{"n":1},]}"#, r#"{"a":[{"n":1}"#, r#"{"a":[,{"n":1}]}"#, r#"{"a":]}"#, r#"{"a":[{]}"#]
        {
            assert!(Object::new(text).is_none_or(|object| object.list("a").count() <= 1), "{text}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        for end in 0..TEXT.len() {
            for text in [&TEXT[..end], &TEXT[end..]] {
                if let Some(object) = Object::new(text) {
                    let _ = (object.get("name"), object.get("last"), object.object("inner"));
                }
                let _ = (Object(text).get("last"), string(text), value_end(text), hash(text));
            }
        }
        for bad in ["", "}", "{", "\"", "{\"a\":}", "{\"a\"}", "{\"a\":{}", "{\"a\":}}", "{é:1}"] {
            assert!(Object::new(bad).and_then(|object| object.get("a")).is_none(), "{bad}");
        }
        assert_eq!(hash(&"g".repeat(64)), None);
        assert_eq!(hash(&"é".repeat(32)), None);
        assert_eq!(hash(&"0f".repeat(32)), Some([15; 32]));
    }
}
