//! `concise`: one line per finding, like compiler output, for editors and problem matchers.

use std::fmt::Write as _;

use super::{Style, shown, statistics};
use crate::lint::Report;
use crate::model::printable;

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for located in report.errors.iter().chain(shown(report, style)) {
        let finding = &located.finding;
        let (line, column) = located.line_and_column();
        let mut suffix = finding.object.as_ref().map_or_else(String::new, |id| format!(" ({id})"));
        if let Some(suppression) = &located.suppressed {
            suffix.push_str(&format!(" (suppressed: {})", suppression.by.noun()));
        }
        // Writing to a string never fails.
        let _ = writeln!(
            out,
            "{}:{line}:{column}: {}[{}] {}{suffix}",
            printable(&located.location.path),
            finding.severity,
            finding.rule,
            printable(&located.message())
        );
    }
    if style.statistics {
        out.push_str(&statistics(report, style.min_severity));
    }
    out
}
