//! `github`: workflow commands, which GitHub Actions shows as annotations.
//!
//! GitHub shows at most ten annotations per severity and step, and drops the others silently.
//! Therefore, the annotations are sorted by severity. If findings are omitted, a final notice
//! states their number.

use std::fmt::Write as _;

use super::{NO_OBJECTS, Style, counted, severity_name, sort_by_severity};
use crate::finding::Severity;
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;

/// The maximum number of annotations per severity that GitHub shows for a step.
const MAX_ANNOTATIONS: usize = 10;

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut shown = report.unsuppressed(style.min_severity);
    sort_by_severity(&mut shown);
    let severities = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "info")];
    let severities = severities.map(|(severity, noun)| {
        let findings: Vec<_> = shown.iter().filter(|located| located.finding.severity == severity).collect();
        (severity, noun, findings)
    });
    let is_truncated = severities.iter().any(|(_, _, findings)| findings.len() > MAX_ANNOTATIONS);
    let mut out = String::new();
    if report.lacks_objects {
        // Writing to a string never fails.
        let _ = writeln!(out, "::error title=volcheck::{NO_OBJECTS}");
    }
    let mut omitted = Vec::new();
    for (severity, noun, findings) in &severities {
        // The final notice counts towards the limit of notices.
        let reserved = usize::from(is_truncated && *severity == Severity::Info);
        let max = MAX_ANNOTATIONS - reserved;
        findings.iter().take(max).for_each(|located| annotation(located, &mut out));
        if findings.len() > max {
            omitted.push(counted(findings.len() - max, noun));
        }
    }
    if is_truncated {
        let _ = writeln!(
            out,
            "::notice title=volcheck::{} not annotated: GitHub shows {MAX_ANNOTATIONS} annotations per severity \
             and step; for all findings, add another report, such as `--output markdown=FILE`",
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
    let command = severity_name(finding.severity, "notice");
    let title = property(&format!("volcheck ({})", finding.rule));
    let _ = writeln!(
        out,
        "::{command} {properties},title={title}::{}",
        data(&printable(&located.message_with_help()))
    );
}

/// Escapes the message of a workflow command (the text after the second `::`), as `actions/toolkit`
/// does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
