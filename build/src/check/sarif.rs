//! Findings as SARIF 2.1.0, for tools that review code.

use serde_json::{Value, json};

use super::{Level, RULES, Report};

/// A report as a SARIF log.
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
            let uri = finding.file.to_string_lossy().replace('\\', "/").replace(' ', "%20");
            let mut location = json!({ "artifactLocation": { "uri": uri } });
            if finding.line > 0 {
                location["region"] = json!({ "startLine": finding.line, "startColumn": finding.column });
            }
            let mut result = json!({
                "ruleId": finding.rule,
                "ruleIndex": index,
                "level": match finding.level { Level::Error => "error", Level::Note => "note" },
                "message": { "text": format!("{}. Way out: {}.", finding.message, finding.help) },
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
