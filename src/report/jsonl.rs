//! `jsonl`: the entries of `json`, one per line, for programs that process entries one by one. The
//! last line contains the summary.

use serde::Serialize;

use super::json::{self, Entry, Summary, Tool};
use super::{Style, shown};
use crate::lint::Report;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'r> {
    Finding(Entry<'r>),
    Error(Entry<'r>),
    Summary { version: u32, tool: Tool, summary: Summary<'r> },
}

pub(super) fn render(report: &Report, style: Style) -> String {
    let errors = report.errors.iter().map(|located| Line::Error(json::entry(located)));
    let findings = shown(report, style).into_iter().map(|located| Line::Finding(json::entry(located)));
    let last = Line::Summary { version: json::VERSION, tool: json::TOOL, summary: json::summary(report) };
    let mut out = String::new();
    for line in errors.chain(findings).chain([last]) {
        // Serializing these types never fails.
        out.push_str(&serde_json::to_string(&line).unwrap_or_default());
        out.push('\n');
    }
    out
}
