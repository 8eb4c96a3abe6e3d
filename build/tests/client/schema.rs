//! docs/json.md against what the commands print.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/json.md");

/// A key's type, and whether it may be left out.
type Keys<'a> = BTreeMap<&'a str, (&'a str, bool)>;

/// The table of a command.
fn table(command: &str) -> Keys<'static> {
    let heading = format!("## `totebox {command} --json`\n");
    let (_, section) = PAGE.split_once(&heading).unwrap_or_else(|| panic!("docs/json.md has no {command}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &'static str| {
        let (key, rest) = row.split_once("` | ").unwrap();
        let types = rest.split(" | ").next().unwrap();
        match types.strip_suffix(", optional") {
            Some(kind) => (key, (kind, true)),
            None => (key, (types, false)),
        }
    };
    rows.map(row).collect()
}

/// Checks that a document has the keys that the page lists, of the types it lists, and no others.
#[track_caller]
pub fn check(command: &str, document: &Value) {
    let keys = table(command);
    walk(&keys, "", document);
}

#[track_caller]
fn walk(keys: &Keys<'_>, at: &str, value: &Value) {
    let kind = match value {
        Value::Object(members) => {
            let path = |key: &str| if at.is_empty() { key.to_string() } else { format!("{at}.{key}") };
            for (key, value) in members {
                walk(keys, &path(key), value);
            }
            // What is listed one level below, and not optional, is there.
            let prefix = if at.is_empty() { String::new() } else { format!("{at}.") };
            let expected = keys.iter().filter(|(_, (_, optional))| !optional);
            let expected: BTreeSet<&str> = expected
                .filter_map(|(key, _)| key.strip_prefix(&prefix))
                .filter_map(|rest| rest.split(['.', '[']).next())
                .collect();
            for key in expected {
                assert!(members.contains_key(key), "{} is missing", path(key));
            }
            return;
        }
        Value::Array(elements) => {
            let path = format!("{at}[]");
            return elements.iter().for_each(|element| walk(keys, &path, element));
        }
        Value::String(_) => "text",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "number",
        _ => "something else",
    };
    let (listed, _) = keys.get(at).unwrap_or_else(|| panic!("{at} is not in docs/json.md"));
    assert_eq!(kind, *listed, "{at}");
}

#[test]
fn a_document_that_is_not_as_the_page_says_is_found() {
    let good = serde_json::json!({ "flag": 7, "reason": "because", "recorded": true });
    check("ack", &good);
    let bad = [
        serde_json::json!({ "flag": 7, "recorded": true }),
        serde_json::json!({ "flag": "7", "reason": "because", "recorded": true }),
        serde_json::json!({ "flag": 7, "reason": "because", "recorded": true, "more": 1 }),
        serde_json::json!({ "flag": 7, "reason": null, "recorded": true }),
    ];
    for document in bad {
        assert!(std::panic::catch_unwind(|| check("ack", &document)).is_err(), "{document}");
    }
}
