//! One XML element and its attributes, read with errors collected on the way.

use std::cell::RefCell;
use std::path::Path;

use roxmltree::Node;
use totebox_shown::{Shown, is_printable};

use crate::{Error, Errors, ID_MAX, Perms, Place, Places};

/// A file being read and what was found wrong so far.
pub struct Source<'a> {
    pub file: &'a Path,
    pub places: Places<'a>,
    pub errors: RefCell<Vec<Error>>,
}

impl Source<'_> {
    pub fn error(&self, place: Place, message: impl Into<String>) {
        // One line, whatever names are in it.
        let message = Shown(message.into()).to_string();
        let error = Error { file: self.file.to_owned(), place, message };
        self.errors.borrow_mut().push(error);
    }

    /// What was read, if nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, Errors> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|error| error.place);
        if errors.is_empty() { Ok(value) } else { Err(Errors(errors)) }
    }
}

/// Whether a character may stand in a name, a path or any other value.
fn is_quotable(character: char) -> bool {
    is_printable(character) && !matches!(character, '\'' | '"' | '`')
}

#[derive(Clone, Copy)]
pub struct Element<'a> {
    node: Node<'a, 'a>,
    source: &'a Source<'a>,
}

impl<'a> Element<'a> {
    pub fn new(node: Node<'a, 'a>, source: &'a Source<'a>) -> Self {
        Element { node, source }
    }

    pub fn name(self) -> &'a str {
        self.node.tag_name().name()
    }

    pub fn place(self) -> Place {
        self.source.places.of(self.node.range().start)
    }

    pub fn error(self, message: impl Into<String>) {
        self.source.error(self.place(), message);
    }

    /// Reports the element as one that may not stand in `parent`.
    pub fn unexpected(self, parent: &str) {
        self.error(format!("unknown element <{}> in <{parent}>", self.name()));
    }

    /// Reports every attribute that is not in `known`, and every value that cannot be quoted as it is: a name with a
    /// line feed would forge a line of whatever speaks of it, one with a quote the end of its name. (The Microkit tool
    /// takes any name.)
    pub fn attributes(self, known: &[&str]) {
        for attribute in self.node.attributes() {
            if !attribute.value().chars().all(is_quotable) {
                let expected = "printable characters other than ' \" and `";
                self.bad_value::<()>(attribute.name(), expected);
            }
            if !known.contains(&attribute.name()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let message =
                    format!("unknown attribute '{}' on <{}> (known: {known})", attribute.name(), self.name());
                self.source.error(self.source.places.of(attribute.range().start), message);
            }
        }
    }

    /// The elements inside; anything else but white space and comments is reported.
    pub fn children(self) -> impl Iterator<Item = Element<'a>> {
        self.node.children().filter_map(move |node| {
            if node.is_text() && !node.text().unwrap_or("").trim().is_empty() {
                let place = self.source.places.of(node.range().start);
                self.source.error(place, format!("text inside <{}>: only elements may stand here", self.name()));
            }
            node.is_element().then_some(Element { node, source: self.source })
        })
    }

    /// Reports any element inside.
    pub fn no_children(self) {
        self.children().for_each(|child| child.unexpected(self.name()));
    }

    pub fn optional(self, name: &str) -> Option<String> {
        self.node.attribute(name).map(str::to_owned)
    }

    pub fn required(self, name: &str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.error(format!("<{}> lacks the attribute '{name}'", self.name()));
        }
        value
    }

    /// Reports a bad value of an attribute.
    fn bad_value<T>(self, name: &str, expected: &str) -> Option<T> {
        let attribute = self.node.attribute_node(name)?;
        let message =
            format!("attribute '{name}' of <{}> is '{}'; expected {expected}", self.name(), attribute.value());
        self.source.error(self.source.places.of(attribute.range().start), message);
        None
    }

    /// A number as the Microkit tool reads it: decimal or `0x` hexadecimal, with `_` anywhere.
    pub fn number(self, name: &str) -> Option<u64> {
        let digits = self.optional(name)?.replace('_', "");
        let number = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        number.ok().or_else(|| self.bad_value(name, "a number, decimal or 0x hexadecimal"))
    }

    pub fn required_number(self, name: &str) -> Option<u64> {
        self.required(name)?;
        self.number(name)
    }

    pub fn small_number(self, name: &str, max: u8) -> Option<u8> {
        let number = self.number(name)?;
        let fits = u8::try_from(number).ok().filter(|&n| n <= max);
        fits.or_else(|| self.bad_value(name, &format!("a number from 0 to {max}")))
    }

    /// A number the Microkit tool reads in decimal only.
    pub fn decimal(self, name: &str) -> Option<u64> {
        let value = self.optional(name)?;
        value.parse().ok().or_else(|| self.bad_value(name, "a decimal number"))
    }

    pub fn required_decimal(self, name: &str) -> Option<u64> {
        self.required(name)?;
        self.decimal(name)
    }

    /// The required attribute `id` of channel ends, interrupts, I/O ports and virtual processors.
    pub fn id(self) -> Option<u8> {
        let id = self.required_decimal("id")?;
        let fits = u8::try_from(id).ok().filter(|&id| id <= ID_MAX);
        fits.or_else(|| self.bad_value("id", &format!("a decimal number from 0 to {ID_MAX}")))
    }

    /// One of two words; `default` if the attribute is absent.
    pub fn choice(self, name: &str, yes: &str, no: &str, default: bool) -> Option<bool> {
        match self.optional(name) {
            None => Some(default),
            Some(value) if value == yes => Some(true),
            Some(value) if value == no => Some(false),
            Some(_) => self.bad_value(name, &format!("'{yes}' or '{no}'")),
        }
    }

    pub fn boolean(self, name: &str, default: bool) -> Option<bool> {
        self.choice(name, "true", "false", default)
    }

    /// The attribute `perms`, with letters out of `letters`; `rw` if it is absent.
    pub fn perms(self, letters: &str) -> Option<Perms> {
        let Some(text) = self.optional("perms") else {
            return Some(Perms { read: true, write: true, execute: false });
        };
        let has = |letter| text.contains(letter);
        let perms = Perms { read: has('r'), write: has('w'), execute: has('x') };
        if text.is_empty() || !text.chars().all(|c| letters.contains(c)) {
            return self.bad_value("perms", &format!("a combination of the letters {letters}"));
        }
        Some(perms)
    }
}
