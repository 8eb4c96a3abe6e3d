//! Reading TOML such that everything wrong is reported, not only the first: tables that know which keys
//! were asked for, and values that know where they stand.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use totebox_common::problem::{Places, Problem, Problems};

/// A file being read and what was found wrong so far.
pub struct Report<'a> {
    file: &'a Path,
    source: Places<'a>,
    problems: RefCell<Vec<(usize, Problem)>>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a Path, source: &'a str) -> Self {
        Report { file, source: Places::new(source), problems: RefCell::default() }
    }

    /// Parses the file as far as it can be, and reports the rest.
    pub fn parse(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.source.text());
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            self.problem(offset, format!("not TOML: {}", error.message().trim()), "");
        }
        table
    }

    /// Reports something wrong at a byte of the file.
    pub fn problem(&self, offset: usize, message: impl Into<String>, help: impl Into<String>) {
        let problem = Problem::at(self.file, &self.source, offset, message, help);
        self.problems.borrow_mut().push((offset, problem));
    }

    /// Reports everything wrong with another file, which is named at a byte of this one.
    pub fn problems_of_other(&self, offset: usize, problems: Problems) {
        self.problems.borrow_mut().extend(problems.0.into_iter().map(|problem| (offset, problem)));
    }

    pub fn found(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Everything wrong, in the order of the file.
    pub fn into_problems(self) -> Problems {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|&(offset, _)| offset);
        Problems(problems.into_iter().map(|(_, problem)| problem).collect())
    }
}

/// A value read, and the byte of the file it stands at.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    pub value: T,
    pub offset: usize,
}

/// A table, and the keys it was asked for.
pub struct Table<'a> {
    report: &'a Report<'a>,
    name: &'static str,
    table: &'a DeTable<'a>,
    pub offset: usize,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub fn root(report: &'a Report<'a>, table: &'a DeTable<'a>) -> Self {
        Table { report, name: "this file", table, offset: 0, known: RefCell::default() }
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, span: Range<usize>, key: &str, found: &DeValue, expected: &str) {
        let message = format!("`{key}` is {}; expected {expected}", article(found.type_str()));
        self.report.problem(span.start, message, "");
    }

    /// The table `key`; `name` is `[key]`. Reported if it is missing.
    pub fn table(&self, key: &'static str, name: &'static str) -> Option<Table<'a>> {
        let Some(value) = self.get(key) else {
            self.report.problem(self.offset, format!("the table {name} is missing"), "");
            return None;
        };
        self.as_table(value, key, name)
    }

    fn as_table(&self, value: &'a Spanned<DeValue<'a>>, key: &str, name: &'static str) -> Option<Table<'a>> {
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(value.span(), key, value.get_ref(), &format!("a table, {name}"));
            return None;
        };
        let offset = value.span().start;
        Some(Table { report: self.report, name, table, offset, known: RefCell::default() })
    }

    /// The tables `[[key]]`, in their order; `None` if `key` is something else, which is reported.
    pub fn tables(&self, key: &'static str, name: &'static str) -> Option<Vec<Table<'a>>> {
        let Some(value) = self.get(key) else { return Some(Vec::new()) };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(value.span(), key, value.get_ref(), &format!("tables, {name}"));
            return None;
        };
        Some(array.iter().filter_map(|item| self.as_table(item, key, name)).collect())
    }

    pub fn text(&self, key: &'static str) -> Option<At<&'a str>> {
        let value = self.get(key)?;
        let offset = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text, offset }),
            other => {
                self.wrong_type(value.span(), key, other, "text in quotes");
                None
            }
        }
    }

    /// The text of `key`, reported if it is missing.
    pub fn required_text(&self, key: &'static str, example: &str) -> Option<At<&'a str>> {
        self.require(key, &format!("\"{example}\""));
        self.text(key)
    }

    /// Reports a missing key; `example` is a value as the file would have it.
    fn require(&self, key: &str, example: &str) {
        if !self.has(key) {
            let message = format!("{} lacks the key `{key}`", self.name);
            self.report.problem(self.offset, message, format!("for example: {key} = {example}"));
        }
    }

    /// The texts of the list `key`, reported if it is missing or something else.
    pub fn required_texts(&self, key: &'static str, example: &str) -> Option<Vec<At<&'a str>>> {
        self.require(key, example);
        let value = self.get(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(value.span(), key, value.get_ref(), "a list of texts in quotes");
            return None;
        };
        let text = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::String(text) => Some(At { value: text.as_ref(), offset: item.span().start }),
            other => {
                self.wrong_type(item.span(), key, other, "texts in quotes alone");
                None
            }
        };
        let texts: Vec<_> = array.iter().map(text).collect();
        texts.into_iter().collect()
    }

    /// The text of `key` read by `parse`, reported if that gives nothing.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        example: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<At<T>> {
        let At { value: text, offset } = self.text(key)?;
        let value = parse(text);
        if value.is_none() {
            let message = format!("`{key}` is \"{text}\"; expected {expected}");
            self.report.problem(offset, message, format!("for example: {key} = \"{example}\""));
        }
        Some(At { value: value?, offset })
    }

    /// As [`Table::parsed`], reported if the key is missing.
    pub fn required<T>(
        &self,
        key: &'static str,
        example: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<At<T>> {
        self.require(key, &format!("\"{example}\""));
        self.parsed(key, example, expected, parse)
    }

    /// The number of `key` if it is there, reported unless it is in `1..=u32::MAX`.
    pub fn count(&self, key: &'static str) -> Option<u32> {
        let number =
            self.number(key, "10", "a whole number above 0", |number| (1..=u32::MAX.into()).contains(&number));
        number.and_then(|number| u32::try_from(number.value).ok())
    }

    /// The number of `key` if it is there, reported unless it is one that `expected` describes.
    pub fn number(
        &self,
        key: &'static str,
        example: &str,
        expected: &str,
        accept: impl FnOnce(u64) -> bool,
    ) -> Option<At<u64>> {
        let value = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let offset = value.span().start;
        let Some(value) = number.filter(|&number| accept(number)) else {
            let message = format!("`{key}` is not {expected}");
            self.report.problem(offset, message, format!("for example: {key} = {example}"));
            return None;
        };
        Some(At { value, offset })
    }

    /// As [`Table::number`], reported if the key is missing.
    pub fn required_number(
        &self,
        key: &'static str,
        example: &str,
        expected: &str,
        accept: impl FnOnce(u64) -> bool,
    ) -> Option<At<u64>> {
        self.require(key, example);
        self.number(key, example, expected, accept)
    }

    /// Reports every key that was not asked for.
    pub fn finish(self) {
        let known = self.known.into_inner();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = format!("unknown key `{name}` in {}", self.name);
                self.report.problem(key.span().start, message, format!("known here: {}", known.join(", ")));
            }
        }
    }
}

fn article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {noun}")
}
