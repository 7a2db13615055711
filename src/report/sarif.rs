//! `sarif`: SARIF 2.1.0, for code scanning.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{DOCS_URL, NO_OBJECTS, Style, notes, severity_name, sort_by_severity};
use crate::finding::{RuleId, Severity, SuppressedBy, Suppression};
use crate::lint::{LocatedFinding, Report};
use crate::rules::Rule;
use crate::source::Span;
use crate::source::edit::TextEdit;

/// The SARIF level for the severity `info`.
const NOTE: &str = "note";
/// The maximum number of results per run that GitHub code scanning accepts.
const MAX_RESULTS: usize = 25_000;
/// The maximum number of results that code scanning shows.
const MAX_SHOWN: usize = 5_000;
/// The maximum size, in bytes, of a gzipped file that code scanning accepts.
const MAX_BYTES: usize = 10_000_000;

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut shown = report.unsuppressed(style.min_severity);
    // SARIF has a property for suppressed results, so they are always included.
    shown.extend(report.suppressed.iter().filter(|located| located.finding.severity >= style.min_severity));
    let total = shown.len();
    if total > MAX_SHOWN {
        sort_by_severity(&mut shown);
        shown.truncate(MAX_RESULTS);
    }
    loop {
        let document = document(report, &shown, total);
        if shown.is_empty() || is_accepted(&document) {
            return document;
        }
        sort_by_severity(&mut shown);
        shown.truncate(shown.len() * 3 / 4);
    }
}

/// Checks whether the compressed document is small enough. Uses the fastest compression level,
/// whose output is the largest.
fn is_accepted(document: &str) -> bool {
    if document.len() <= MAX_BYTES {
        return true;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let compressed = encoder.write_all(document.as_bytes()).and_then(|()| encoder.finish());
    compressed.is_ok_and(|compressed| compressed.len() <= MAX_BYTES)
}

fn document(report: &Report, shown: &[&LocatedFinding], total: usize) -> String {
    let mut ids: Vec<RuleId> = shown.iter().map(|located| located.finding.rule).collect();
    ids.sort_unstable();
    ids.dedup();
    let rules: Vec<&Rule> = ids.iter().filter_map(|id| report.rules.find(id.as_str())).collect();
    let index = |id: RuleId| rules.binary_search_by_key(&id, |rule| rule.id).ok();
    let descriptors: Vec<Value> = rules.iter().map(|own| rule(own, worst(own.id, shown))).collect();
    let results: Vec<Value> =
        shown.iter().map(|located| result(located, index(located.finding.rule))).collect();
    let mut invocation = json!({ "executionSuccessful": report.errors.is_empty() && !report.lacks_objects });
    let notifications = notifications(report, shown.len(), total);
    if !notifications.is_empty() {
        invocation["toolExecutionNotifications"] = notifications.into();
    }
    let mut driver = json!({
        "name": "volcheck",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": descriptors,
    });
    if let Some(url) = DOCS_URL {
        driver["informationUri"] = url.into();
    }
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            "columnKind": "unicodeCodePoints",
            "invocations": [invocation],
            "results": results,
        }],
    });
    let mut out = serde_json::to_string_pretty(&document).unwrap_or_default();
    out.push('\n');
    out
}

/// Returns the notifications about the run: what was not checked, and whether results were omitted
/// or code scanning will not show all of them.
fn notifications(report: &Report, kept: usize, total: usize) -> Vec<Value> {
    let notes = notes(report);
    let notes = notes.lines().map(|note| (Severity::Info, note.to_owned()));
    let failure = report.lacks_objects.then(|| (Severity::Error, NO_OBJECTS.to_owned()));
    let all = failure.into_iter().chain(omission(kept, total)).chain(notes);
    all.map(|(severity, text)| json!({ "level": severity_name(severity, NOTE), "message": { "text": text } }))
        .collect()
}

/// Returns the severity and text of a notification if results were omitted, or if code scanning
/// will not show all results. Otherwise, returns `None`.
fn omission(kept: usize, total: usize) -> Option<(Severity, String)> {
    if kept < total {
        let omitted = total - kept;
        let limits = "code scanning accepts 25,000 results and 10 MB gzipped";
        Some((Severity::Warning, format!("omitted the {omitted} least severe of {total} results: {limits}")))
    } else if kept > MAX_SHOWN {
        Some((Severity::Info, format!("code scanning shows only the 5,000 most severe of {total} results")))
    } else {
        None
    }
}

/// Returns the highest severity of the rule's results. Suppressed results count only if there are
/// no others.
fn worst(rule: RuleId, shown: &[&LocatedFinding]) -> Severity {
    let own = shown.iter().filter(|located| located.finding.rule == rule);
    let worst = own.map(|located| (located.suppressed.is_none(), located.finding.severity)).max();
    worst.map_or(Severity::Info, |(_, severity)| severity)
}

fn rule(rule: &Rule, worst: Severity) -> Value {
    let page = rule.page();
    let intro = page.intro();
    let mut descriptor = json!({
        "id": rule.id,
        "shortDescription": { "text": rule.summary },
        "fullDescription": { "text": intro, "markdown": intro },
        "help": { "text": page.markdown, "markdown": page.markdown },
        "defaultConfiguration": { "level": severity_name(rule.severity, NOTE) },
    });
    if let Some(url) = DOCS_URL {
        descriptor["helpUri"] = format!("{url}/{}", rule.id).into();
    }
    if let Some(security) = rule.security() {
        let controls = security.controls.iter().map(|control| control.tag());
        descriptor["properties"] = json!({
            "security-severity": security.severity(worst).to_string(),
            "tags": std::iter::once("security").chain(controls).collect::<Vec<_>>(),
        });
    }
    descriptor
}

fn result(located: &LocatedFinding, index: Option<usize>) -> Value {
    let finding = &located.finding;
    let mut location = physical(located.file_name(), located.span(), located.location.is_rendered);
    if let Some(id) = &finding.object {
        let name = format!("{id}, {}", finding.primary.path);
        location["logicalLocations"] = json!([{ "fullyQualifiedName": name }]);
    }
    let related: Vec<Value> = finding
        .related
        .iter()
        .zip(&located.location.related)
        .map(|(label, related)| {
            let own = (&located.location.path, located.location.is_rendered);
            let other = related.other_file.as_ref().map(|other| (&other.path, other.is_rendered));
            let (path, is_rendered) = other.unwrap_or(own);
            let path = path.strip_prefix("./").unwrap_or(path);
            let mut location = physical(path, Some(related.span).filter(|_| !is_rendered), is_rendered);
            location["message"] = json!({ "text": label.text });
            if let Some(id) = &label.object {
                let name = format!("{id}, {}", label.path);
                location["logicalLocations"] = json!([{ "fullyQualifiedName": name }]);
            }
            location
        })
        .collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "level": severity_name(finding.severity, NOTE),
        "message": { "text": located.message_with_help() },
        "locations": [location],
    });
    if let (Some((fix, edits)), Some(file)) = (located.applicable_fix(), &located.location.file) {
        let replacement = |edit: &TextEdit| {
            let at = |offset: usize| file.span(offset..offset).start;
            let (start, end) = (at(edit.range.start), at(edit.range.end));
            json!({
                "deletedRegion": {
                    "startLine": start.line,
                    "startColumn": start.column,
                    "endLine": end.line,
                    "endColumn": end.column,
                },
                "insertedContent": { "text": edit.text },
            })
        };
        result["fixes"] = json!([{
            "description": { "text": format!("{} ({})", fix.title, fix.safety.name()) },
            "artifactChanges": [{
                "artifactLocation": { "uri": uri(located.file_name()) },
                "replacements": edits.iter().map(replacement).collect::<Vec<_>>(),
            }],
        }]);
    }
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if let Some(span) = located.location.primary.filter(|_| located.location.is_rendered) {
        let template = located.location.template.as_ref();
        result["properties"] = json!({
            "renderedLine": span.start.line,
            "templateLine": template.map(|template| if template.is_exact { "exact" } else { "approximate" }),
        });
    }
    // SARIF requires that either all results have this property or none.
    result["suppressions"] = located.suppressed.iter().map(suppression).collect();
    if let Some(id) = &finding.object {
        let identity =
            format!("{}/{}/{}/{}:{}", id.group, id.kind, id.namespace, id.name, finding.fingerprint);
        result["partialFingerprints"] = json!({ "volcheck/v1": identity });
    }
    result
}

fn suppression(suppression: &Suppression) -> Value {
    let mut entry = json!({
        "kind": match suppression.by {
            SuppressedBy::Comment | SuppressedBy::Annotation => "inSource",
            SuppressedBy::Exemption | SuppressedBy::Baseline => "external",
        },
        "properties": { "by": suppression.by },
    });
    if !suppression.reason.is_empty() {
        entry["justification"] = suppression.reason.as_str().into();
    }
    entry
}

fn physical(path: &str, span: Option<Span>, is_rendered: bool) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(path) } });
    if let Some(span) = span {
        physical["region"] = json!({
            "startLine": span.start.line,
            "startColumn": span.start.column,
            "endLine": span.end.line,
            "endColumn": span.end.column.max(span.start.column + 1),
        });
    }
    if is_rendered && span.is_none() {
        physical["region"] = json!({ "startLine": 1 });
    }
    json!({ "physicalLocation": physical })
}

/// Percent-encodes a path as a relative URI.
fn uri(path: &str) -> String {
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b'+' | b',' | b'@' | b'=')
    };
    path.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
