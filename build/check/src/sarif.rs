//! Findings as SARIF 2.1.0, for tools that review code.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::{Level, RULES, Report};

pub fn sarif(report: &Report) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.sentence },
            })
        })
        .collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let index = RULES.iter().position(|rule| rule.id == finding.rule);
            let uri = uri(&finding.file);
            let mut location = json!({ "artifactLocation": { "uri": uri } });
            if finding.line > 0 {
                location["region"] = json!({ "startLine": finding.line, "startColumn": finding.column });
            }
            let mut result = json!({
                "ruleId": finding.rule,
                "ruleIndex": index,
                "level": match finding.level { Level::Error => "error", Level::Note => "note" },
                "message": { "text": plain(&format!("{}. Way out: {}.", finding.message, finding.help)) },
                "locations": [{ "physicalLocation": location }],
                "properties": { "names": finding.names },
            });
            if let Some(reason) = &finding.waived {
                result["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "totebox check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A relative reference to a file: every byte that means something in one, or nothing anywhere, is encoded.
fn uri(file: &Path) -> String {
    let bytes = file.as_os_str().as_encoded_bytes().iter();
    bytes.fold(String::new(), |mut uri, &byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte.into()),
            _ => write!(uri, "%{byte:02X}").expect("writing to a string"),
        }
        uri
    })
}

/// Text in which nothing is a link: SARIF makes one of what stands in brackets.
fn plain(text: &str) -> String {
    text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_place() {
        assert_eq!(uri(Path::new("a b/\u{202e}%#?.xml")), "a%20b/%E2%80%AE%25%23%3F.xml");
        assert_eq!(plain(r"see [this](https://x) \"), r"see \[this\](https://x) \\");
    }
}
