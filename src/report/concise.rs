//! `concise`: a line each, as compilers write them; editors and problem matchers read it.

use std::fmt::Write as _;

use super::{Report, Style};

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for located in report.errors.iter().chain(&report.findings) {
        let finding = &located.finding;
        if finding.severity < style.min_severity {
            continue;
        }
        let (line, column) = located.line_and_column();
        let object = finding.object.as_ref().map_or_else(String::new, |id| format!(" ({id})"));
        // Writing to a string can't fail.
        let _ = writeln!(
            out,
            "{}:{line}:{column}: {}[{}] {}{object}",
            located.place.path, finding.severity, finding.rule, finding.message
        );
    }
    out
}
