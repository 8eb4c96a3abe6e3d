//! Holds what the console says in machine mode against docs/console-protocol.md: each row and each answer is there with its
//! keys, so that whoever writes the other end from the page misses none.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use totebox_console_protocol::data::ErrorLine;

const PAGE: &str = include_str!("../../../../docs/console-protocol.md");

/// The row whose keys another has, too, where the page says "as in".
const AS_IN: &str = "=archive";

/// Panics if the page does not have this line.
pub fn check(line: &str) {
    match line.as_bytes() {
        [b'=' | b'+', ..] => fields(line),
        [b'-', ..] => assert!(ErrorLine::parse(&line[1..]).is_some(), "docs/console-protocol.md has no {line:?}"),
        _ => {}
    }
}

fn fields(line: &str) {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let table = table();
    let known = table.get(name).unwrap_or_else(|| panic!("docs/console-protocol.md has no {name}: {line:?}"));
    for key in unquoted(rest).split(' ').filter_map(|word| Some(word.split_once('=')?.0)) {
        assert!(known.contains(key), "docs/console-protocol.md has no {key} of {name}: {line:?}");
    }
}

/// A text without what stands in quotes.
fn unquoted(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let outside = |character: &char| {
        let ends = *character == '"' && !escaped;
        let stays = !quoted && !ends;
        quoted ^= ends;
        escaped = *character == '\\' && !escaped;
        stays
    };
    text.chars().filter(outside).collect()
}

/// The keys of every row and answer: those of the table of rows, and those that stand with the commands.
fn table() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut table: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    for (names, keys) in rows {
        let named =
            code(names).filter_map(|name| name.split(' ').next()).filter(|name| name.starts_with(['=', '+']));
        for name in named {
            table.entry(name).or_default().extend(code(keys));
        }
        // `+ls records=N`
        for answer in code(keys).filter(|text| text.starts_with('+')) {
            let (name, fields) = answer.split_once(' ').unwrap_or((answer, ""));
            let keys = fields.split(' ').filter_map(|field| Some(field.split_once('=')?.0));
            table.entry(name).or_default().extend(keys);
        }
    }
    let shared = table.get(AS_IN).cloned().unwrap_or_default();
    let as_in = PAGE.lines().filter(|line| line.contains("as in `=archive`"));
    for name in as_in.flat_map(code).filter(|name| name.starts_with('=') && *name != AS_IN) {
        table.entry(name).or_default().extend(&shared);
    }
    table
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::COMMANDS;
    use crate::submissions::{KEPT, PENDING_MAX};
    use alloc::format;
    use ledger_fmt::payload::DOCUMENT_NAME_MAX;
    use totebox_console_protocol::data::{CONTENT_MAX, LINE_MAX, PROTOCOL};
    use totebox_protocol::audit::RANGES_MAX;
    use totebox_protocol::operator::REASON_MAX;
    use totebox_protocol::page::HISTORY_MAX;
    use totebox_protocol::trace::NOTES_MAX;

    #[test]
    fn the_page_has_every_command_and_every_limit() {
        let text = PAGE.split_whitespace().collect::<alloc::vec::Vec<_>>().join(" ");
        for command in COMMANDS {
            let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
            let mut usages = rows.flat_map(|(usages, _)| code(usages));
            assert!(usages.any(|usage| usage.split(' ').next() == Some(command.name)), "{}", command.name);
        }
        for sentence in [
            format!("of at most {LINE_MAX} bytes without the end"),
            format!("A line longer than {LINE_MAX} bytes"),
            format!("at most {CONTENT_MAX} bytes of content a line"),
            format!("`+machine {PROTOCOL} NUMBER`"),
            format!("(default: the last ones), at most {HISTORY_MAX};"),
            format!("a row per range, at most {RANGES_MAX};"),
            format!("the oldest first, at most {NOTES_MAX};"),
            format!("of a document: 1 to {DOCUMENT_NAME_MAX} bytes"),
            format!("of an acknowledgement: 1 to {REASON_MAX} bytes"),
            format!("several documents can be under way, at most {PENDING_MAX},"),
            format!("What became of the last {KEPT} submissions"),
        ] {
            assert!(text.contains(&sentence), "docs/console-protocol.md does not say: {sentence}");
        }
    }

    #[test]
    #[should_panic(expected = "has no shape of =record")]
    fn what_the_page_does_not_have_is_found() {
        check("=record seq=1 name=\"a b=c \\\" d=e\" shape=round");
    }
}
