//! `--statistics`: the number of findings per rule and severity. The formats `text` and `concise`
//! include the statistics. With other formats, `lint` prints them to standard error.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::finding::{RuleId, Severity};
use crate::lint::Report;

/// Returns one line per rule and severity. The highest severity comes first, and the most frequent
/// rule within a severity.
pub fn render(report: &Report, min_severity: Severity) -> String {
    let mut counts: BTreeMap<(RuleId, Severity), usize> = BTreeMap::new();
    for located in report.unsuppressed(min_severity) {
        *counts.entry((located.finding.rule, located.finding.severity)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|((_, severity), count)| (Reverse(*severity), Reverse(*count)));
    let mut out = String::new();
    for ((rule, severity), count) in counts {
        // Writing to a string never fails.
        let _ = writeln!(out, "{count:>6} {:7} {rule}", severity.name());
    }
    out
}
