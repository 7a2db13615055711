//! `github`: workflow commands, which GitHub shows as annotations at their lines.
//!
//! A step shows ten of a kind and drops the rest unsaid. So the worst come first, and where there
//! are more, a last notice says how many.

use std::fmt::Write as _;

use super::{Style, counted, level, worst_first};
use crate::finding::Severity;
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;

/// The annotations of a kind that GitHub shows per step.
const MOST: usize = 10;

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut shown = report.open(style.min_severity);
    worst_first(&mut shown);
    let kinds = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "info")];
    let kinds = kinds.map(|(severity, noun)| {
        let own: Vec<_> = shown.iter().filter(|located| located.finding.severity == severity).collect();
        (severity, noun, own)
    });
    let is_cut = kinds.iter().any(|(_, _, own)| own.len() > MOST);
    let mut out = String::new();
    let mut left = Vec::new();
    for (severity, noun, own) in &kinds {
        // The last notice needs a place among the notices.
        let most = if is_cut && *severity == Severity::Info { MOST - 1 } else { MOST };
        own.iter().take(most).for_each(|located| annotation(located, &mut out));
        if own.len() > most {
            left.push(counted(own.len() - most, noun));
        }
    }
    if is_cut {
        // Writing to a string can't fail.
        let _ = writeln!(
            out,
            "::notice title=volcheck::{} not annotated, because GitHub shows {MOST} of a kind per step; every \
             other format holds them, for instance `--output markdown=FILE`",
            left.join(", ")
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

/// Text behind the second `::`, escaped as `actions/toolkit` does it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
