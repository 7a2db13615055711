//! `github`: workflow commands, which GitHub Actions turns into annotations.
//!
//! GitHub shows ten annotations per severity and step, and drops the others without a message.
//! Therefore the most severe findings come first, and a final notice counts those left out.

use std::fmt::Write as _;

use super::{Style, counted, level, worst_first};
use crate::finding::Severity;
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;

/// The number of annotations per severity that GitHub shows for a step.
const MAX_ANNOTATIONS: usize = 10;

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut shown = report.open(style.min_severity);
    worst_first(&mut shown);
    let severities = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "info")];
    let severities = severities.map(|(severity, noun)| {
        let own: Vec<_> = shown.iter().filter(|located| located.finding.severity == severity).collect();
        (severity, noun, own)
    });
    let is_cut = severities.iter().any(|(_, _, own)| own.len() > MAX_ANNOTATIONS);
    let mut out = String::new();
    let mut omitted = Vec::new();
    for (severity, noun, own) in &severities {
        // The final notice is one of the ten notices.
        let reserved = usize::from(is_cut && *severity == Severity::Info);
        let max = MAX_ANNOTATIONS - reserved;
        own.iter().take(max).for_each(|located| annotation(located, &mut out));
        if own.len() > max {
            omitted.push(counted(own.len() - max, noun));
        }
    }
    if is_cut {
        // Writing to a string never fails.
        let _ = writeln!(
            out,
            "::notice title=volcheck::{} not annotated: GitHub shows {MAX_ANNOTATIONS} annotations per severity \
             and step; for all findings, add a report in another format, such as `--output markdown=FILE`",
            omitted.join(", ")
        );
    }
    out
}

fn annotation(located: &LocatedFinding, out: &mut String) {
    let finding = &located.finding;
    let mut properties = format!("file={}", property(&printable(located.file_name())));
    if let Some(span) = located.span() {
        let (start, end) = (span.start, span.end);
        let _ = write!(
            properties,
            ",line={},endLine={},col={},endColumn={}",
            start.line,
            end.line,
            start.column,
            end.column.max(start.column + 1)
        );
    }
    let command = level(finding.severity, "notice");
    let title = property(&format!("volcheck ({})", finding.rule));
    let _ =
        writeln!(out, "::{command} {properties},title={title}::{}", data(&printable(&located.sentence())));
}

/// Escapes the text after the second `::`, as `actions/toolkit` does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
