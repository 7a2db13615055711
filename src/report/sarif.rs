//! `sarif`: SARIF 2.1.0, for code scanning.

use serde_json::{Value, json};

use super::{DOCS, Located, Report, Style};
use crate::finding::Severity;
use crate::rules;
use crate::source::Span;

pub(super) fn render(report: &Report, style: Style) -> String {
    let shown: Vec<&Located> =
        report.findings.iter().filter(|located| located.finding.severity >= style.min_severity).collect();
    let mut used: Vec<&'static str> =
        report.errors.iter().chain(shown.iter().copied()).map(|located| located.finding.rule).collect();
    used.sort_unstable();
    used.dedup();
    let index = |rule: &str| used.binary_search(&rule).ok();
    let results: Vec<Value> = report
        .errors
        .iter()
        .chain(shown.iter().copied())
        .map(|located| result(located, index(located.finding.rule)))
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "volcheck",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": used.iter().filter_map(|id| rule(id)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": report.errors.is_empty() }],
            "results": results,
        }],
    });
    let mut out = serde_json::to_string_pretty(&document).unwrap_or_default();
    out.push('\n');
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn rule(id: &str) -> Option<Value> {
    let meta = rules::find(id)?.meta();
    let mut rule = json!({
        "id": meta.id,
        "shortDescription": { "text": meta.summary },
        "help": { "text": meta.page().markdown, "markdown": meta.page().markdown },
        "defaultConfiguration": { "level": level(meta.severity) },
    });
    if let Some(address) = DOCS {
        rule["helpUri"] = format!("{address}/{id}").into();
    }
    Some(rule)
}

fn result(located: &Located, index: Option<usize>) -> Value {
    let finding = &located.finding;
    let text = match finding.help.as_ref() {
        "" => finding.message.clone(),
        help => format!("{}. {help}", finding.message),
    };
    let mut location = physical(located, located.place.primary);
    if let Some(id) = &finding.object {
        let name = format!("{id}, {}", finding.primary.path);
        location["logicalLocations"] = json!([{ "fullyQualifiedName": name }]);
    }
    let related: Vec<Value> = finding
        .related
        .iter()
        .zip(&located.place.related)
        .map(|(label, span)| {
            let mut location = physical(located, Some(*span));
            location["message"] = json!({ "text": label.text });
            location
        })
        .collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location],
    });
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if let Some(id) = &finding.object {
        let identity =
            format!("{}/{}/{}/{}:{}", id.group, id.kind, id.namespace, id.name, finding.fingerprint);
        result["partialFingerprints"] = json!({ "volcheck/v1": identity });
    }
    result
}

fn physical(located: &Located, span: Option<Span>) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&located.place.path) } });
    if let Some(span) = span {
        physical["region"] = json!({
            "startLine": span.start.line,
            "startColumn": span.start.column,
            "endLine": span.end.line,
            "endColumn": span.end.column.max(span.start.column + 1),
        });
    }
    json!({ "physicalLocation": physical })
}

/// A path as a relative URI: what a URI doesn't hold is escaped.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b'+' | b',' | b'@' | b'=')
    };
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
